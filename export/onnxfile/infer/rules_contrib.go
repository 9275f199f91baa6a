package infer

// The operators that ONNX Runtime's and optimum's optimizers write, where they
// are no products: onnxruntime/docs/ContribOperators.md.

func skipNorm(c call) []Tensor {
	t := Tensor{Type: c.in(0).Type, Dims: c.in(0).Dims}
	return []Tensor{t, {}, {}, t} // the sum before the norm is the fourth
}

// embedNorm looks words, positions and segments up and normalises their sum:
// ids of batch × tokens, a table of words × hidden, and as the second output
// the number of tokens that the mask leaves, a text.
func embedNorm(c call) []Tensor {
	ids, table := c.in(0).Dims, c.in(2)
	typ := table.Type
	if c.Op == "QEmbedLayerNormalization" {
		typ = "float32" // the table is of 8-bit integers
	}
	out := Tensor{Type: typ}
	lengths := Tensor{Type: "int32"}
	if len(ids) == 2 {
		lengths.Dims = []int64{ids[0]}
		if len(table.Dims) == 2 {
			out.Dims = []int64{ids[0], ids[1], table.Dims[1]}
		}
	}
	return []Tensor{out, lengths, out} // the third is the sum before the norm
}

// quantisedPair is an element-wise operator with a scale and a zero point
// behind each of its operands.
func quantisedPair(c call) []Tensor {
	return oneOutput(c.in(0).Type, broadcast(c.in(0).Dims, c.in(3).Dims))
}

// quantisedGemm gives floats where its result has no scale.
func quantisedGemm(c call) []Tensor {
	typ := "float32"
	if c.hasInput(7) {
		typ = c.in(0).Type
	}
	return product(0, 3, typ)(c)
}

// multiHeads reads MultiHeadAttention: queries, keys and values side by side of
// batch × tokens × hidden; keys and values with an axis of heads, batch × heads
// × tokens × size; or packed into one, batch × tokens × heads × 3 (or 2) × size.
func multiHeads(c call) (h heads, ok bool) {
	q, k, v := c.in(0).Dims, c.in(1).Dims, c.in(2).Dims
	switch {
	case len(q) == 5 && !c.hasInput(1) && !c.hasInput(2):
		return heads{q[0], q[2], q[1], q[1], q[4], q[4]}, true
	case len(q) == 3 && len(k) == 5 && !c.hasInput(2):
		return heads{q[0], k[2], q[1], k[1], k[4], k[4]}, true
	case len(q) == 3 && len(k) == 3 && len(v) == 3:
		return heads{q[0], 1, q[1], k[1], q[2], v[2]}, true
	case len(q) == 3 && len(k) == 4 && len(v) == 4:
		return heads{q[0], k[1], q[1], k[2], k[3], v[3]}, true
	}
	return h, false
}

func multiHead(c call) []Tensor {
	h, ok := multiHeads(c)
	if !ok {
		return oneOutput(c.in(0).Type, nil)
	}
	return oneOutput(c.in(0).Type, []int64{h.batch, h.queries, mul(h.heads, h.valueSize)})
}
