package ort

import (
	"fmt"
	"math"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/providers/ort/internal/signature"
)

// maxShapes is how many shapes keep their tensors. Making them costs some ten
// allocations; single texts alone have one shape for each length.
const maxShapes = 1024

// shape is rows × cols of a batch.
type shape struct{ rows, cols int }

// tensors are ONNX Runtime's values for one shape.
type tensors struct {
	inputs, outputs []ort.Value
}

// buffers holds the memory of a model's inputs and output, and the tensors
// over it: every shape is a view of the same memory, because a session
// runs one batch at a time. It is not safe for concurrent use.
type buffers struct {
	sig     signature.Signature
	dim     int
	columns []column
	cells   int // rows × cols that each column can hold
	out     []float32
	shapes  map[shape]tensors
}

// column is one input's memory.
type column interface {
	grow(n int)
	set(src []int64) error
	tensor(s ort.Shape) (ort.Value, error)
}

// integers is a column of int64 or int32.
type integers[T int32 | int64] struct{ data []T }

func (c *integers[T]) grow(n int) { c.data = make([]T, n) }

func (c *integers[T]) tensor(s ort.Shape) (ort.Value, error) { return ort.NewTensor(s, c.data) }

func (c *integers[T]) set(src []int64) error {
	if same, ok := any(c.data).([]int64); ok {
		copy(same, src)
		return nil
	}
	for i, x := range src {
		if x > math.MaxInt32 {
			return &fault.Error{Kind: fault.Usage, Thing: "batch", Got: fmt.Sprintf("id %d at position %d", x, i),
				Wanted: "ids that fit the model's int32 input"}
		}
		c.data[i] = T(x)
	}
	return nil
}

// zeros is a column that always stays zero: token types of a single segment.
type zeros[T int32 | int64] struct{ integers[T] }

func (c *zeros[T]) set([]int64) error { return nil }

func newBuffers(s signature.Signature, dim int) *buffers {
	b := &buffers{sig: s, dim: dim, shapes: map[shape]tensors{}}
	for _, in := range s.Inputs {
		var c column
		switch {
		case in.Role == signature.RoleTypes && in.Int32:
			c = &zeros[int32]{}
		case in.Role == signature.RoleTypes:
			c = &zeros[int64]{}
		case in.Int32:
			c = &integers[int32]{}
		default:
			c = &integers[int64]{}
		}
		b.columns = append(b.columns, c)
	}
	return b
}

// outputWidth is how many float32 the output has for a row of cols tokens.
func (b *buffers) outputWidth(cols int) int {
	if b.sig.Pooled {
		return b.dim
	}
	return cols * b.dim
}

// setInputs copies a batch in and returns its tensors.
func (b *buffers) setInputs(s shape, ids, mask []int64) (tensors, error) {
	t, err := b.tensors(s)
	if err != nil {
		return tensors{}, err
	}
	for i, in := range b.sig.Inputs {
		src := ids
		if in.Role == signature.RoleMask {
			src = mask
		}
		if err := b.columns[i].set(src); err != nil {
			return tensors{}, err
		}
	}
	return t, nil
}

// output is what the model wrote for shape s. It is valid until the next
// setInputs.
func (b *buffers) output(s shape) []float32 { return b.out[:s.rows*b.outputWidth(s.cols)] }

func (b *buffers) tensors(s shape) (tensors, error) {
	if t, ok := b.shapes[s]; ok {
		return t, nil
	}
	b.grow(s)
	if len(b.shapes) >= maxShapes {
		b.freeTensors()
	}
	var t tensors
	in := ort.NewShape(int64(s.rows), int64(s.cols))
	for _, c := range b.columns {
		v, err := c.tensor(in)
		if err != nil {
			t.destroy()
			return tensors{}, fmt.Errorf("make an input tensor of %v: %w", in, err)
		}
		t.inputs = append(t.inputs, v)
	}
	out := b.sig.OutputShape(s.rows, s.cols, b.dim)
	v, err := ort.NewTensor(out, b.out)
	if err != nil {
		t.destroy()
		return tensors{}, fmt.Errorf("make an output tensor of %v: %w", out, err)
	}
	t.outputs = append(t.outputs, v)
	b.shapes[s] = t
	return t, nil
}

// grow makes the memory large enough for shape s. Tensors are views of the old
// memory, so they are freed with it. It at least doubles: lengths often rise by one.
func (b *buffers) grow(s shape) {
	if n := s.rows * s.cols; n > b.cells {
		b.freeTensors()
		b.cells = max(n, 2*b.cells)
		for _, c := range b.columns {
			c.grow(b.cells)
		}
	}
	if n := s.rows * b.outputWidth(s.cols); n > len(b.out) {
		b.freeTensors()
		b.out = make([]float32, max(n, 2*len(b.out)))
	}
}

// freeTensors frees every tensor and keeps the memory.
func (b *buffers) freeTensors() {
	for _, t := range b.shapes {
		t.destroy()
	}
	clear(b.shapes)
}

func (t tensors) destroy() {
	for _, v := range t.inputs {
		_ = v.Destroy() // cannot fail: onnxruntime_go returns nil
	}
	for _, v := range t.outputs {
		_ = v.Destroy()
	}
}
