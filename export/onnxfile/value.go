package onnxfile

import (
	"fmt"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

func valueInfo(b []byte) (x Value, err error) {
	err = fields(b, func(n protowire.Number, v value) error {
		switch n {
		case 1:
			x.Name = string(v.bytes)
		case 2:
			return fields(v.bytes, func(n protowire.Number, v value) error {
				if n != 1 { // not a dense tensor
					return nil
				}
				return fields(v.bytes, func(n protowire.Number, v value) error {
					switch n {
					case 1:
						x.Type = TypeName(int32(v.num))
					case 2:
						if x.Shape == nil {
							x.Shape = []string{} // a scalar, unless dimensions follow
						}
						return fields(v.bytes, func(n protowire.Number, v value) error {
							d, err := dimension(v.bytes)
							x.Shape = append(x.Shape, d)
							if len(x.Shape) > maxDims {
								return fmt.Errorf("value %q: got over %d dimensions, wanted fewer", Clip(x.Name), maxDims)
							}
							return err
						})
					}
					return nil
				})
			})
		}
		return nil
	})
	return x, err
}

func dimension(b []byte) (string, error) {
	d := "?"
	err := fields(b, func(n protowire.Number, v value) error {
		switch n {
		case 1:
			d = strconv.FormatInt(int64(v.num), 10)
		case 2:
			d = string(v.bytes)
		}
		return nil
	})
	return d, err
}
