package infer

import (
	"slices"

	"github.com/embedgate/embedgate/export/onnxfile"
)

// The operators that make shapes, and constants: their integers are followed
// too, because other nodes' shapes depend on them.

func constant(c call) []Tensor {
	for _, a := range c.Attributes {
		switch a.Name {
		case "value":
			if a.Tensor != nil {
				t := ofInitializer(*a.Tensor)
				return []Tensor{t}
			}
		case "value_int":
			return []Tensor{{Type: "int64", Dims: []int64{}, Values: []int64{a.Int}}}
		case "value_ints":
			if !a.Cut {
				return []Tensor{vector("int64", a.Ints)}
			}
		case "value_float":
			return oneOutput("float32", []int64{})
		}
	}
	return nil
}

func constantOfShape(c call) []Tensor {
	shape := c.in(0)
	if shape.Values == nil {
		return nil
	}
	t := Tensor{Type: "float32", Dims: shape.Values}
	if a, ok := c.Attribute("value"); ok && a.Tensor != nil {
		t.Type = a.Tensor.TypeName()
		if n := elements(t.Dims); len(t.Dims) <= 1 && n >= 0 && n <= onnxfile.MaxInts && len(a.Tensor.Ints) == 1 {
			t.Values = slices.Repeat(a.Tensor.Ints, int(n))
		}
	}
	return []Tensor{t}
}

func rangeOf(c call) []Tensor {
	var v [3]int64
	for i := range v {
		t := c.in(i)
		if len(t.Values) != 1 || !t.allKnown() {
			return oneOutput(c.in(0).Type, []int64{Unknown})
		}
		v[i] = t.Values[0]
	}
	start, limit, step := v[0], v[1], v[2]
	n := floorDiv(sub(limit, start), step)
	if n != Unknown && mul(n, step) != sub(limit, start) {
		n = add(n, 1)
	}
	if n != Unknown {
		n = max(n, 0)
	}
	t := Tensor{Type: c.in(0).Type, Dims: []int64{n}}
	if n >= 0 && n <= onnxfile.MaxInts {
		t.Values = []int64{}
		for i := range n {
			t.Values = append(t.Values, add(start, mul(i, step)))
		}
	}
	return []Tensor{t}
}

func shapeOf(c call) []Tensor {
	dims := c.in(0).Dims
	if dims == nil {
		return oneOutput("int64", []int64{Unknown})
	}
	rank := int64(len(dims))
	bound := func(name string, otherwise int64) int64 {
		v := c.Int(name, otherwise)
		if v < 0 {
			v = add(v, rank)
		}
		return min(max(v, 0), rank)
	}
	start, end := bound("start", 0), bound("end", rank)
	return []Tensor{vector("int64", slices.Clone(dims[start:max(start, end)]))}
}

func sizeOf(c call) []Tensor {
	t := Tensor{Type: "int64", Dims: []int64{}}
	if d := c.in(0).Dims; d != nil {
		t.Values = []int64{elements(d)}
	}
	return []Tensor{t}
}

func cast(c call) []Tensor {
	t := c.in(0)
	to := onnxfile.TypeName(int32(c.Int("to", 0)))
	out := Tensor{Type: to, Dims: t.Dims}
	if to == "int64" || to == "int32" {
		out.Values = t.Values
	}
	return []Tensor{out}
}

func castLike(c call) []Tensor { return oneOutput(c.in(1).Type, c.in(0).Dims) }

// elementwise computes small integers, of which a single one stands for all.
func elementwise(a, b Tensor, f func(x, y int64) int64) []int64 {
	if a.Values == nil || b.Values == nil || len(a.Values) == 0 || len(b.Values) == 0 {
		return nil
	}
	n := max(len(a.Values), len(b.Values))
	v := make([]int64, n)
	for i := range v {
		x, y := i, i
		if len(a.Values) == 1 {
			x = 0
		}
		if len(b.Values) == 1 {
			y = 0
		}
		if x >= len(a.Values) || y >= len(b.Values) {
			return nil
		}
		v[i] = f(a.Values[x], b.Values[y])
	}
	return v
}

var sums = map[string]func(a, b int64) int64{"Add": add, "Sub": sub, "Mul": mul}

func arithmetic(c call) []Tensor {
	t := Tensor{Type: c.in(0).Type, Dims: c.in(0).Dims}
	for i := 1; i < len(c.Inputs); i++ {
		t.Dims = broadcast(t.Dims, c.in(i).Dims)
	}
	f := sums[c.Op]
	if c.Op == "Div" {
		f = func(a, b int64) int64 { // integers are cut towards 0; sizes are not negative
			if a < 0 || b <= 0 {
				return Unknown
			}
			return a / b
		}
	}
	if f != nil && len(c.Inputs) == 2 {
		t.Values = elementwise(c.in(0), c.in(1), f)
	}
	return []Tensor{t}
}

func comparison(c call) []Tensor {
	t := Tensor{Type: "bool", Dims: broadcast(c.in(0).Dims, c.in(1).Dims)}
	if c.Op == "Equal" {
		t.Values = elementwise(c.in(0), c.in(1), func(a, b int64) int64 {
			switch {
			case a == Unknown && b < 0 && b != Unknown, b == Unknown && a < 0 && a != Unknown:
				return 0 // a size is never negative
			case a == Unknown || b == Unknown:
				return Unknown
			case a == b:
				return 1
			}
			return 0
		})
	}
	return []Tensor{t}
}

func where(c call) []Tensor {
	cond, a, b := c.in(0), c.in(1), c.in(2)
	t := Tensor{Type: a.Type, Dims: broadcast(broadcast(cond.Dims, a.Dims), b.Dims)}
	if n := len(cond.Values); n > 0 && len(a.Values) == n && len(b.Values) == n {
		t.Values = make([]int64, n)
		for i, yes := range cond.Values {
			switch yes {
			case Unknown:
				t.Values[i] = Unknown
			case 0:
				t.Values[i] = b.Values[i]
			default:
				t.Values[i] = a.Values[i]
			}
		}
	}
	return []Tensor{t}
}
