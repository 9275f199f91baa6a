package ort

import (
	"fmt"
	"math"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/embedgate/embedgate/internal/fault"
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

// buffers holds the memory that a model is fed from and answers into, and the
// tensors over it: every shape is a view of the same memory, because a session
// runs one batch at a time. It is not safe for concurrent use.
type buffers struct {
	sig    signature
	dim    int
	fill   []column
	cells  int // rows × cols that each column has room for
	out    []float32
	shapes map[shape]tensors
}

// column is one input's memory.
type column interface {
	grow(n int)
	set(src []int64) error
	view(s ort.Shape) (ort.Value, error)
}

// integers is a column of int64 or int32.
type integers[T int32 | int64] struct{ data []T }

func (c *integers[T]) grow(n int) { c.data = make([]T, n) }

func (c *integers[T]) view(s ort.Shape) (ort.Value, error) { return ort.NewTensor(s, c.data) }

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

func newBuffers(s signature, dim int) *buffers {
	b := &buffers{sig: s, dim: dim, shapes: map[shape]tensors{}}
	for _, in := range s.inputs {
		var c column
		switch {
		case in.role == roleTypes && in.int32:
			c = &zeros[int32]{}
		case in.role == roleTypes:
			c = &zeros[int64]{}
		case in.int32:
			c = &integers[int32]{}
		default:
			c = &integers[int64]{}
		}
		b.fill = append(b.fill, c)
	}
	return b
}

// width is how many float32 one row of cols tokens answers with.
func (b *buffers) width(cols int) int {
	if b.sig.pooled {
		return b.dim
	}
	return cols * b.dim
}

// feed copies a batch in and returns its tensors.
func (b *buffers) feed(s shape, ids, mask []int64) (tensors, error) {
	t, err := b.tensors(s)
	if err != nil {
		return tensors{}, err
	}
	for i, in := range b.sig.inputs {
		src := ids
		if in.role == roleMask {
			src = mask
		}
		if err := b.fill[i].set(src); err != nil {
			return tensors{}, err
		}
	}
	return t, nil
}

// answer is what the model wrote for shape s. It is valid until the next feed.
func (b *buffers) answer(s shape) []float32 { return b.out[:s.rows*b.width(s.cols)] }

func (b *buffers) tensors(s shape) (tensors, error) {
	if t, ok := b.shapes[s]; ok {
		return t, nil
	}
	b.room(s)
	if len(b.shapes) >= maxShapes {
		b.forget()
	}
	var t tensors
	in := ort.NewShape(int64(s.rows), int64(s.cols))
	for _, c := range b.fill {
		v, err := c.view(in)
		if err != nil {
			t.destroy()
			return tensors{}, fmt.Errorf("make an input tensor of %v: %w", in, err)
		}
		t.inputs = append(t.inputs, v)
	}
	out := b.sig.outputShape(s, b.dim)
	v, err := ort.NewTensor(out, b.out)
	if err != nil {
		t.destroy()
		return tensors{}, fmt.Errorf("make an output tensor of %v: %w", out, err)
	}
	t.outputs = append(t.outputs, v)
	b.shapes[s] = t
	return t, nil
}

// room makes the memory large enough for shape s. Tensors look into the old
// memory, so they go with it. It at least doubles: lengths often rise by one.
func (b *buffers) room(s shape) {
	if n := s.rows * s.cols; n > b.cells {
		b.forget()
		b.cells = max(n, 2*b.cells)
		for _, c := range b.fill {
			c.grow(b.cells)
		}
	}
	if n := s.rows * b.width(s.cols); n > len(b.out) {
		b.forget()
		b.out = make([]float32, max(n, 2*len(b.out)))
	}
}

// forget frees every tensor; the memory stays.
func (b *buffers) forget() {
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
