package infer

import (
	"slices"

	"github.com/embedgate/embedgate/export/onnxfile"
)

// The operators that move numbers and compute none.

// concatSizes joins lists of sizes; for a scalar the result is empty, not nil.
func concatSizes(parts ...[]int64) []int64 { return append([]int64{}, slices.Concat(parts...)...) }

// unknownDims is a shape of which only the rank is known.
func unknownDims(rank int) []int64 {
	d := make([]int64, rank)
	for i := range d {
		d[i] = Unknown
	}
	return d
}

func expand(c call) []Tensor {
	return oneOutput(c.in(0).Type, broadcast(c.in(0).Dims, c.in(1).Values))
}

func tile(c call) []Tensor {
	dims, times := c.in(0).Dims, c.in(1).Values
	if dims == nil || len(times) != len(dims) {
		return oneOutput(c.in(0).Type, nil)
	}
	out := make([]int64, len(dims))
	for i := range dims {
		out[i] = mul(dims[i], times[i])
	}
	return oneOutput(c.in(0).Type, out)
}

func reshape(c call) []Tensor {
	from := c.in(0)
	target := c.in(1).Values
	if target == nil {
		t := Tensor{Type: from.Type}
		if d := c.in(1).Dims; len(d) == 1 && d[0] >= 0 && d[0] <= maxRank {
			t.Dims = unknownDims(int(d[0]))
		}
		return []Tensor{t}
	}
	out, open := slices.Clone(target), -1
	for i, d := range target {
		switch {
		case d == 0 && c.Int("allowzero", 0) == 0:
			out[i] = Unknown
			if i < len(from.Dims) {
				out[i] = from.Dims[i]
			}
		case d == -1 && open < 0:
			open, out[i] = i, 1
		case d < 0:
			out[i] = Unknown
		}
	}
	if open >= 0 {
		have, rest := int64(Unknown), elements(out)
		if from.Dims != nil {
			have = elements(from.Dims)
		}
		if out[open] = Unknown; rest > 0 && have >= 0 && have%rest == 0 {
			out[open] = have / rest
		}
	}
	t := Tensor{Type: from.Type, Dims: out}
	if len(out) <= 1 {
		t.Values = from.Values
	}
	return []Tensor{t}
}

func transpose(c call) []Tensor {
	from := c.in(0).Dims
	a, hasPerm := c.Attribute("perm")
	if from == nil {
		return oneOutput(c.in(0).Type, nil)
	}
	out := make([]int64, len(from))
	for i := range out {
		j := len(from) - 1 - i
		if hasPerm {
			if i >= len(a.Ints) || a.Ints[i] < 0 || a.Ints[i] >= int64(len(from)) {
				return oneOutput(c.in(0).Type, nil)
			}
			j = int(a.Ints[i])
		}
		out[i] = from[j]
	}
	return oneOutput(c.in(0).Type, out)
}

func squeeze(c call) []Tensor {
	t := c.in(0)
	if t.Dims == nil {
		return oneOutput(t.Type, nil)
	}
	gone := map[int]bool{}
	axes, ok := c.ints(1, "axes")
	switch {
	case ok:
		for _, a := range axes {
			i, ok := axis(a, len(t.Dims))
			if !ok {
				return oneOutput(t.Type, nil)
			}
			gone[i] = true
		}
	case c.hasInput(1) || !t.Fixed():
		return oneOutput(t.Type, nil)
	default:
		for i, d := range t.Dims {
			gone[i] = d == 1
		}
	}
	out := []int64{}
	for i, d := range t.Dims {
		if !gone[i] {
			out = append(out, d)
		}
	}
	return []Tensor{{Type: t.Type, Dims: out, Values: t.Values}}
}

func unsqueeze(c call) []Tensor {
	t := c.in(0)
	axes, ok := c.ints(1, "axes")
	rank := len(t.Dims) + len(axes)
	if t.Dims == nil || !ok || rank > maxRank {
		return oneOutput(t.Type, nil)
	}
	fresh := map[int]bool{}
	for _, a := range axes {
		i, ok := axis(a, rank)
		if !ok || fresh[i] {
			return oneOutput(t.Type, nil)
		}
		fresh[i] = true
	}
	out, from := make([]int64, rank), t.Dims
	for i := range out {
		if fresh[i] {
			out[i] = 1
			continue
		}
		out[i], from = from[0], from[1:]
	}
	return []Tensor{{Type: t.Type, Dims: out, Values: t.Values}}
}

func flatten(c call) []Tensor {
	t := c.in(0)
	a := c.Int("axis", 1)
	if a < 0 {
		a = add(a, int64(len(t.Dims)))
	}
	if t.Dims == nil || a < 0 || a > int64(len(t.Dims)) {
		return oneOutput(t.Type, nil)
	}
	return oneOutput(t.Type, []int64{elements(t.Dims[:a]), elements(t.Dims[a:])})
}

func concat(c call) []Tensor {
	t := c.in(0)
	at, ok := axis(c.Int("axis", 0), len(t.Dims))
	if !ok {
		return oneOutput(t.Type, nil)
	}
	out := Tensor{Type: t.Type, Dims: slices.Clone(t.Dims), Values: slices.Clone(t.Values)}
	for i := 1; i < len(c.Inputs); i++ {
		next := c.in(i)
		if len(next.Dims) != len(out.Dims) {
			return oneOutput(t.Type, nil)
		}
		out.Dims[at] = add(out.Dims[at], next.Dims[at])
		if out.Values != nil && next.Values != nil && len(out.Values) <= onnxfile.MaxInts {
			out.Values = append(out.Values, next.Values...)
		} else {
			out.Values = nil
		}
	}
	return []Tensor{out}
}

func split(c call) []Tensor {
	t := c.in(0)
	at, ok := axis(c.Int("axis", 0), len(t.Dims))
	if !ok {
		return nil
	}
	n := int64(len(c.Outputs))
	sizes, hasSizes := c.ints(1, "split")
	out := make([]Tensor, n)
	for i := range out {
		d := int64(Unknown)
		switch whole := t.Dims[at]; {
		case hasSizes && i < len(sizes):
			d = sizeOrUnknown(sizes[i])
		case !hasSizes && !c.hasInput(1) && whole != Unknown: // equal parts, the last what is left
			part := (whole + n - 1) / n
			d = max(min(part, whole-int64(i)*part), 0)
		}
		out[i] = Tensor{Type: t.Type, Dims: slices.Clone(t.Dims)}
		out[i].Dims[at] = d
	}
	return out
}

func slice(c call) []Tensor {
	t := c.in(0)
	if t.Dims == nil {
		return oneOutput(t.Type, nil)
	}
	from, okf := c.ints(1, "starts")
	to, okt := c.ints(2, "ends")
	axes, oka := c.ints(3, "axes")
	steps, oks := c.ints(4, "steps")
	if !oka && !c.hasInput(3) {
		for i := range from {
			axes = append(axes, int64(i))
		}
		oka = okf
	}
	if !oka { // any axis may have been cut
		return oneOutput(t.Type, unknownDims(len(t.Dims)))
	}
	out := Tensor{Type: t.Type, Dims: slices.Clone(t.Dims)}
	for k, a := range axes {
		i, ok := axis(a, len(t.Dims))
		if !ok {
			return oneOutput(t.Type, nil)
		}
		step := int64(1)
		if oks && k < len(steps) {
			step = steps[k]
		}
		d := t.Dims[i]
		if out.Dims[i] = Unknown; d == Unknown || !okf || !okt || (c.hasInput(4) && !oks) || k >= len(from) || k >= len(to) || step <= 0 {
			continue
		}
		start, end := clampBound(from[k], d), clampBound(to[k], d)
		out.Dims[i] = max(end-start+step-1, 0) / step
		if len(t.Dims) == 1 && len(axes) == 1 && int64(len(t.Values)) == d && t.Values != nil {
			for j := start; j < end; j += step {
				out.Values = append(out.Values, t.Values[j])
			}
		}
	}
	return []Tensor{out}
}

// clampBound is a slice's bound, possibly counted from the end, limited to an
// axis of size d.
func clampBound(bound, d int64) int64 {
	if bound < 0 {
		bound = add(bound, d)
	}
	return min(max(bound, 0), d)
}

func gather(c call) []Tensor {
	t, index := c.in(0), c.in(1)
	at, ok := axis(c.Int("axis", 0), len(t.Dims))
	if !ok || index.Dims == nil {
		return oneOutput(t.Type, nil)
	}
	out := Tensor{Type: t.Type, Dims: concatSizes(t.Dims[:at], index.Dims, t.Dims[at+1:])}
	if len(t.Dims) == 1 && t.Values != nil && index.allKnown() && len(index.Dims) <= 1 {
		for _, i := range index.Values {
			j, ok := axis(i, len(t.Values))
			if !ok {
				return oneOutput(t.Type, out.Dims)
			}
			out.Values = append(out.Values, t.Values[j])
		}
	}
	return []Tensor{out}
}

func gatherND(c call) []Tensor {
	t, index := c.in(0), c.in(1)
	if t.Dims == nil || len(index.Dims) == 0 {
		return oneOutput(t.Type, nil)
	}
	last := len(index.Dims) - 1
	skip := add(c.Int("batch_dims", 0), index.Dims[last])
	if skip < 0 || skip > int64(len(t.Dims)) {
		return oneOutput(t.Type, nil)
	}
	return oneOutput(t.Type, concatSizes(index.Dims[:last], t.Dims[skip:]))
}

func gatherElements(c call) []Tensor { return oneOutput(c.in(0).Type, c.in(1).Dims) }

func reduce(c call) []Tensor {
	t := c.in(0)
	axes, ok := c.ints(1, "axes")
	if t.Dims == nil || (c.hasInput(1) && !ok) {
		return oneOutput(t.Type, nil)
	}
	gone := map[int]bool{}
	for _, a := range axes {
		i, ok := axis(a, len(t.Dims))
		if !ok {
			return oneOutput(t.Type, nil)
		}
		gone[i] = true
	}
	all := len(axes) == 0 && c.Int("noop_with_empty_axes", 0) == 0
	out := []int64{}
	for i, d := range t.Dims {
		switch {
		case !all && !gone[i]:
			out = append(out, d)
		case c.Int("keepdims", 1) != 0:
			out = append(out, 1)
		}
	}
	return oneOutput(t.Type, out)
}

func quantize(c call) []Tensor {
	typ := c.in(2).Type
	if to := c.Int("output_dtype", 0); typ == "" && to > 0 {
		typ = onnxfile.TypeName(int32(to))
	}
	if typ == "" {
		typ = "uint8"
	}
	return oneOutput(typ, c.in(0).Dims)
}

func dequantize(c call) []Tensor { return oneOutput(c.in(1).Type, c.in(0).Dims) }

func dynamicQuantize(c call) []Tensor {
	return []Tensor{{Type: "uint8", Dims: c.in(0).Dims}, {Type: "float32", Dims: []int64{}}, {Type: "uint8", Dims: []int64{}}}
}
