package infer

import "slices"

// The operators that multiply matrices.

// product is MatMul's shape of inputs a and b; typ is the result's type, ""
// for a's.
func product(a, b int, typ string) rule {
	return func(c call) []Tensor {
		t := Tensor{Type: typ}
		if typ == "" {
			t.Type = c.in(a).Type
		}
		if p, ok := matrices(c, a, b); ok {
			t.Dims = concatSizes(p.batch)
			if !p.rowOnly {
				t.Dims = append(t.Dims, p.m)
			}
			if !p.colOnly {
				t.Dims = append(t.Dims, p.n)
			}
		}
		return []Tensor{t}
	}
}

// matrix says what a product multiplies: for each of batch, m×k by k×n.
type matrix struct {
	batch            []int64
	m, k, n          int64
	rowOnly, colOnly bool // the operand was a vector, and the result has no such axis
}

func matrices(c call, a, b int) (p matrix, ok bool) {
	x, y := slices.Clone(c.in(a).Dims), slices.Clone(c.in(b).Dims)
	if len(x) == 0 || len(y) == 0 || c.Int("transBatchA", 0) != 0 || c.Int("transBatchB", 0) != 0 {
		return p, false
	}
	if p.rowOnly = len(x) == 1; p.rowOnly {
		x = []int64{1, x[0]}
	} else if c.Int("transA", 0) != 0 {
		swapLast(x)
	}
	if p.colOnly = len(y) == 1; p.colOnly {
		y = []int64{y[0], 1}
	} else if c.Int("transB", 0) != 0 {
		swapLast(y)
	}
	i, j := len(x)-2, len(y)-2
	p.m, p.k, p.n = x[i], x[i+1], y[j+1]
	if p.k == Unknown {
		p.k = y[j]
	}
	if y[j] != Unknown && p.k != y[j] {
		return p, false
	}
	p.batch = broadcast(x[:i], y[:j])
	return p, p.batch != nil
}

func swapLast(d []int64) { d[len(d)-1], d[len(d)-2] = d[len(d)-2], d[len(d)-1] }

func gemm(c call) []Tensor {
	if len(c.in(0).Dims) != 2 || len(c.in(1).Dims) != 2 {
		return oneOutput(c.in(0).Type, nil)
	}
	return product(0, 1, "")(c)
}

func nBits(c call) []Tensor {
	d := c.in(0).Dims
	if len(d) == 0 {
		return oneOutput(c.in(0).Type, nil)
	}
	return oneOutput(c.in(0).Type, append(slices.Clone(d[:len(d)-1]), sizeOrUnknown(c.Int("N", -1))))
}

// heads says what an attention multiplies: batch × heads of queries × size and
// keys, and of keys × valueSize.
type heads struct{ batch, heads, queries, keys, size, valueSize int64 }

// standardHeads reads ONNX's own Attention, with heads in an axis of their own
// or side by side.
func standardHeads(c call) (h heads, ok bool) {
	q, k, v := c.in(0).Dims, c.in(1).Dims, c.in(2).Dims
	switch {
	case len(q) == 4 && len(k) == 4 && len(v) == 4:
		h = heads{q[0], q[1], q[2], k[2], q[3], v[3]}
	case len(q) == 3 && len(k) == 3 && len(v) == 3:
		of, per := c.Int("q_num_heads", 0), c.Int("kv_num_heads", 0)
		h = heads{q[0], sizeOrUnknown(of), q[1], k[1], floorDiv(q[2], of), floorDiv(v[2], per)}
	default:
		return h, false
	}
	if c.hasInput(4) { // the keys of earlier runs
		past := c.in(4).Dims
		if len(past) != 4 {
			return h, false
		}
		h.keys = add(h.keys, past[2])
	}
	return h, true
}

func attention(c call) []Tensor {
	h, ok := standardHeads(c)
	switch {
	case !ok:
		return oneOutput(c.in(0).Type, nil)
	case len(c.in(0).Dims) == 3:
		return oneOutput(c.in(0).Type, []int64{h.batch, h.queries, mul(h.heads, h.valueSize)})
	}
	return oneOutput(c.in(0).Type, []int64{h.batch, h.heads, h.queries, h.valueSize})
}

// packedAttention has its projection inside: x of batch × tokens × in, weights
// of in × (queries, keys and values side by side).
func packedAttention(c call) []Tensor {
	x, w := c.in(0).Dims, c.in(1).Dims
	typ := "float32" // of QAttention's result as well
	if c.in(0).Type == "float16" {
		typ = "float16"
	}
	if len(x) != 3 || len(w) != 2 {
		return oneOutput(typ, nil)
	}
	return oneOutput(typ, []int64{x[0], x[1], packedSizes(c, w[1])[2]})
}

// packedSizes are the sizes of queries, keys and values.
func packedSizes(c call, all int64) [3]int64 {
	if a, ok := c.Attribute("qkv_hidden_sizes"); ok && len(a.Ints) == 3 {
		return [3]int64{sizeOrUnknown(a.Ints[0]), sizeOrUnknown(a.Ints[1]), sizeOrUnknown(a.Ints[2])}
	}
	d := floorDiv(all, 3)
	return [3]int64{d, d, d}
}
