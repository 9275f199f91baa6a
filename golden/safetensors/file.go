package safetensors

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/embedgate/embedgate/internal/fault"
)

// Tensor is one named array. Data is little-endian and row-major; its length
// is the product of Shape times the size of one element. An empty Shape is a scalar.
type Tensor struct {
	Name  string
	DType string
	Shape []int
	Data  []byte
}

// File is a parsed file. Its tensors' Data alias the bytes given to Parse.
type File struct {
	Meta    map[string]string // the header's __metadata__, nil when absent
	tensors []Tensor          // in the order of their bytes
	index   map[string]int
}

// Names returns the tensors' names in the order of their bytes.
func (f File) Names() []string {
	names := make([]string, len(f.tensors))
	for i, t := range f.tensors {
		names[i] = t.Name
	}
	return names
}

// tensor returns the tensor of a name.
func (f File) tensor(name string) (Tensor, bool) {
	i, ok := f.index[name]
	if !ok {
		return Tensor{}, false
	}
	return f.tensors[i], true
}

// F32 returns a float32 tensor's values and shape. A tensor that is absent or
// of another type is a fault of kind Usage.
func (f File) F32(name string) ([]float32, []int, error) {
	return values(f, name, F32, func(b []byte) float32 {
		return math.Float32frombits(binary.LittleEndian.Uint32(b))
	})
}

// F64 returns a float64 tensor's values and shape; see F32 for its errors.
func (f File) F64(name string) ([]float64, []int, error) {
	return values(f, name, F64, func(b []byte) float64 {
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	})
}

// I32 returns an int32 tensor's values and shape; see F32 for its errors.
func (f File) I32(name string) ([]int32, []int, error) {
	return values(f, name, I32, func(b []byte) int32 {
		return int32(binary.LittleEndian.Uint32(b))
	})
}

// I64 returns an int64 tensor's values and shape; see F32 for its errors.
func (f File) I64(name string) ([]int64, []int, error) {
	return values(f, name, I64, func(b []byte) int64 {
		return int64(binary.LittleEndian.Uint64(b))
	})
}

func values[T any](f File, name, dtype string, one func([]byte) T) ([]T, []int, error) {
	t, ok := f.tensor(name)
	if !ok {
		return nil, nil, &fault.Error{
			Kind: fault.Usage, Thing: fmt.Sprintf("safetensors tensor %q", name),
			Got: "no such tensor", Wanted: dtype,
		}
	}
	if t.DType != dtype {
		return nil, nil, &fault.Error{
			Kind: fault.Usage, Thing: fmt.Sprintf("safetensors tensor %q", name),
			Got: "data type " + t.DType, Wanted: dtype,
		}
	}
	size := elementSize(dtype)
	out := make([]T, len(t.Data)/size)
	for i := range out {
		out[i] = one(t.Data[i*size:])
	}
	return out, slices.Clone(t.Shape), nil
}

// FromF32 makes a tensor of float32 values.
func FromF32(name string, shape []int, v []float32) Tensor {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return Tensor{Name: name, DType: F32, Shape: slices.Clone(shape), Data: b}
}

// FromI32 makes a tensor of int32 values.
func FromI32(name string, shape []int, v []int32) Tensor {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, uint32(x))
	}
	return Tensor{Name: name, DType: I32, Shape: slices.Clone(shape), Data: b}
}

// FromI64 makes a tensor of int64 values.
func FromI64(name string, shape []int, v []int64) Tensor {
	b := make([]byte, 0, 8*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint64(b, uint64(x))
	}
	return Tensor{Name: name, DType: I64, Shape: slices.Clone(shape), Data: b}
}
