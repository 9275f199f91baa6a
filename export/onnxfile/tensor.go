package onnxfile

import (
	"encoding/binary"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// Numbers of TensorProto.DataType.
const (
	typeFloat32 = 1
	TypeInt8    = 3
	TypeInt32   = 6
	TypeInt64   = 7
)

func (p *parser) tensor(b []byte, inner bool) (Initializer, error) {
	t := Initializer{Elements: -1, Inner: inner}
	if err := p.count(); err != nil {
		return t, err
	}
	typed, raw := 0, false
	var data []byte
	var ints []int64
	err := fields(b, func(n protowire.Number, v value) error {
		switch n {
		case 1:
			over := false
			err := repeated(v, func(x uint64) {
				if over = over || len(t.Dims) == maxDims; !over {
					t.Dims = append(t.Dims, int64(x))
				}
			})
			if over {
				err = fmt.Errorf("tensor %q: got over %d dimensions, wanted fewer", Clip(t.Name), maxDims)
			}
			return err
		case 2:
			t.Type = int32(v.num)
		case 4: // float_data
			typed += len(v.bytes) / 4
			if v.kind != protowire.BytesType {
				typed++
			}
		case 10: // double_data
			typed += len(v.bytes) / 8
			if v.kind != protowire.BytesType {
				typed++
			}
		case 5, 7, 11: // int32_data, int64_data, uint64_data
			if n == 5 && v.kind == protowire.BytesType && typed == 0 && len(v.bytes) > 0 {
				t.packed = &span{offset(p.whole, v.bytes), len(v.bytes)}
			}
			return repeated(v, func(x uint64) {
				typed++
				if len(ints) <= MaxInts {
					ints = append(ints, int64(x))
				}
			})
		case 6: // string_data
			typed++
		case 8:
			t.Name = string(v.bytes)
		case 9:
			raw, data, t.Bytes = true, v.bytes, len(v.bytes)
			if len(v.bytes) > 0 {
				t.Offset = offset(p.whole, v.bytes)
			}
		case 12:
			p.m.Metadata += len(v.bytes)
		case 13:
			return fields(v.bytes, func(n protowire.Number, e value) error {
				if n == 2 && t.External == "" {
					t.External = string(e.bytes)
				}
				return nil
			})
		case 14:
			if v.num == 1 && t.External == "" {
				t.External = "(location not given)"
			}
		case 16:
			p.m.Metadata++
		}
		return nil
	})
	if raw {
		ints = integers(t.Type, data)
	} else {
		t.Elements = typed
	}
	if (t.Type == TypeInt32 || t.Type == TypeInt64) && len(ints) <= MaxInts && t.External == "" {
		t.Ints = ints
	}
	p.m.Initializers = append(p.m.Initializers, t)
	return t, err
}

// integers reads raw_data of a small int32 or int64 tensor.
func integers(typ int32, raw []byte) (v []int64) {
	size := types[typ].bits / 8
	if (typ != TypeInt32 && typ != TypeInt64) || len(raw) > MaxInts*size {
		return nil
	}
	for ; len(raw) >= size; raw = raw[size:] {
		if typ == TypeInt32 {
			v = append(v, int64(int32(binary.LittleEndian.Uint32(raw))))
		} else {
			v = append(v, int64(binary.LittleEndian.Uint64(raw)))
		}
	}
	return v
}

// Values8 returns the values of a tensor of 8-bit integers, a byte each, from
// the file that it was parsed of; or why they cannot be read.
func (t Initializer) Values8(file []byte) ([]byte, string) {
	switch {
	case t.Elements < 0 && t.Bytes == 0 || t.Count() == 0:
		return nil, ""
	case t.Elements < 0:
		return file[t.Offset : t.Offset+t.Bytes], ""
	case t.packed == nil:
		return nil, "its weights are stored in a way that is not read; raw_data is"
	}
	b := make([]byte, 0, t.Elements)
	for rest := file[t.packed.at : t.packed.at+t.packed.bytes]; len(rest) > 0; {
		v, n := protowire.ConsumeVarint(rest)
		if n < 0 {
			break
		}
		b, rest = append(b, byte(v)), rest[n:]
	}
	if len(b) != t.Elements {
		return nil, "its weights are stored in several parts"
	}
	return b, ""
}
