// Package onnxedit changes an ONNX file's bytes in place, so that tests can
// show the gate a model that is wrong in one known way. It is for tests.
package onnxedit

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/embedgate/embedgate/export/onnxfile"
)

// Floats calls change on the float32 values of the named initializer and
// writes them back into b, an ONNX file's bytes.
func Floats(b []byte, initializer string, change func([]float32)) error {
	m, err := onnxfile.Parse(b)
	if err != nil {
		return err
	}
	for _, t := range m.Initializers {
		if t.Name != initializer {
			continue
		}
		if t.Type != 1 || t.Offset == 0 {
			return fmt.Errorf("initializer %q is not raw float32", initializer)
		}
		data := b[t.Offset : t.Offset+t.Bytes]
		v := make([]float32, len(data)/4)
		for i := range v {
			v[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
		}
		change(v)
		for i := range v {
			binary.LittleEndian.PutUint32(data[4*i:], math.Float32bits(v[i]))
		}
		return nil
	}
	return fmt.Errorf("no initializer %q", initializer)
}

// Largest names the largest float32 initializer with at most limit bytes.
func Largest(b []byte, limit int) (string, error) {
	m, err := onnxfile.Parse(b)
	if err != nil {
		return "", err
	}
	name, size := "", 0
	for _, t := range m.Initializers {
		if t.Type == 1 && t.Offset != 0 && t.Bytes > size && t.Bytes <= limit {
			name, size = t.Name, t.Bytes
		}
	}
	if name == "" {
		return "", fmt.Errorf("no float32 initializer of at most %d bytes", limit)
	}
	return name, nil
}
