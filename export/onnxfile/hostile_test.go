package onnxfile_test

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/embedgate/embedgate/export/onnxfile"
	"github.com/embedgate/embedgate/export/onnxfile/infer"
	"github.com/embedgate/embedgate/export/onnxfile/onnxedit"
	"github.com/embedgate/embedgate/export/onnxfile/saturation"
	bench "github.com/embedgate/embedgate/tools/bench/hostile"
)

// Short names: whole files are written with them.
var field, varint = onnxedit.Field, onnxedit.Varint

const mib = 1 << 20

// hostile are files of size bytes that need as much work as possible.
func hostile(size int) map[string]func() []byte {
	fill := func(part []byte) []byte { return bytes.Repeat(part, max(size/len(part), 1)) }
	value := func(shape []byte) []byte {
		return field(2, field(1, varint(1, 1), field(2, shape)))
	}
	upTo := func(most int, part func(int) []byte) []byte {
		var b []byte
		for i := 0; len(b) < size && i < most; i++ {
			b = append(b, part(i)...)
		}
		return b
	}
	numbered := func(part func(int) []byte) []byte { return upTo(size, part) }
	name := func(i int) []byte { return fmt.Appendf(nil, "%x", i) }
	return map[string]func() []byte{
		"dimensions of a tensor":        func() []byte { return field(7, field(5, fill(varint(1, 1)))) },
		"packed dimensions of a tensor": func() []byte { return field(7, field(5, field(1, fill([]byte{1})))) },
		"dimensions of a value":         func() []byte { return field(7, field(11, field(1, []byte("x")), value(fill(field(1, varint(1, 1)))))) },
		"symbols of a value":            func() []byte { return field(7, field(13, value(fill(field(1, field(2, []byte("s"))))))) },
		"inputs of a node":              func() []byte { return field(7, field(1, fill(field(1)))) },
		"outputs of a node":             func() []byte { return field(7, field(1, fill(field(2, []byte("o"))))) },
		"empty nodes":                   func() []byte { return field(7, fill(field(1))) },
		"attributes":                    func() []byte { return field(7, field(1, fill(field(5)))) },
		"integers of an attribute":      func() []byte { return field(7, field(1, field(5, fill(varint(8, 1))))) },
		"lists that are just kept":      func() []byte { return field(7, field(1, fill(field(5, bytes.Repeat(varint(8, 1), 64))))) },
		"tensors":                       func() []byte { return field(7, fill(field(5))) },
		"tensors with a name":           func() []byte { return field(7, numbered(func(i int) []byte { return field(5, field(8, name(i))) })) },
		"integers of tensors":           func() []byte { return field(7, fill(field(5, varint(2, 7), bytes.Repeat(varint(7, 1), 64)))) },
		"values":                        func() []byte { return field(7, numbered(func(i int) []byte { return field(13, field(1, name(i))) })) },
		"inputs of the graph":           func() []byte { return field(7, numbered(func(i int) []byte { return field(11, field(1, name(i))) })) },
		"opsets": func() []byte {
			return append(field(7), numbered(func(i int) []byte { return field(8, field(1, name(i))) })...)
		},
		"functions": func() []byte {
			return append(field(7), numbered(func(i int) []byte { return field(25, field(1, name(i))) })...)
		},
		"metadata": func() []byte { return append(field(7), fill(field(14))...) },
		"graphs":   func() []byte { return fill(field(7)) },
		// As many as may be, so that what follows the parser has all the work.
		"nodes that each make a value": func() []byte {
			return whole(value, upTo(130_000, func(i int) []byte {
				return field(1, field(1, name(i)), field(2, name(i+1)), field(4, []byte("Neg")))
			}))
		},
		"values that hang on each other": func() []byte {
			return whole(value, upTo(100_000, func(i int) []byte {
				return field(1, field(1, name(i)), field(1, name(i)), field(2, name(i+1)), field(4, []byte("Concat")))
			}))
		},
		"one node of all names": func() []byte {
			return whole(value, field(1, field(4, []byte("Concat")), upTo(500_000, func(i int) []byte { return field(1, name(i)) })))
		},
		"a product of integers each": func() []byte {
			return whole(value, upTo(100_000, func(i int) []byte {
				return field(1, field(1, name(0)), field(1, name(0)), field(2, name(i+1)), field(4, []byte("MatMulInteger")))
			}))
		},
		"a product of each": func() []byte {
			return whole(value, upTo(100_000, func(i int) []byte {
				return field(1, field(1, name(0)), field(1, name(0)), field(2, name(i+1)), field(4, []byte("MatMul")))
			}))
		},
	}
}

// whole is a graph of nodes that Check lets pass: its input is called 0.
func whole(value func([]byte) []byte, nodes []byte) []byte {
	x := value(bytes.Repeat(field(1, varint(1, 2)), 2))
	return append(field(7, field(11, field(1, []byte("0")), x), nodes, field(12, field(1, []byte("1")), x)), field(8, varint(2, 20))...)
}

// computeAll is all that is computed of a model's file.
func computeAll(b []byte) error {
	m, err := onnxfile.Parse(b)
	if err == nil {
		err = onnxfile.Check(m)
		_, _ = infer.Costs(m, 1, 16)
		_ = saturation.Find(m, b)
	}
	return err
}

// BenchmarkHostileModel is the worst of these files, each in a process.
func BenchmarkHostileModel(b *testing.B) {
	var cases []bench.Case
	for name, content := range hostile(bench.Size) {
		cases = append(cases, bench.Bytes(name, content, computeAll))
	}
	bench.Bench(b, cases...)
}

// Every file of 16 MiB is answered in 5 s and 500 MB, whatever it lists.
func TestAHostileFileIsAnsweredInLittleTimeAndMemory(t *testing.T) {
	size := 16 * mib
	if testing.Short() {
		size = mib
	}
	for name, content := range hostile(size) {
		t.Run(name, func(t *testing.T) {
			b := content()
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			err := computeAll(b)
			took := time.Since(began)
			runtime.ReadMemStats(&after)
			allocated := after.TotalAlloc - before.TotalAlloc
			t.Logf("%.2f s, %d MiB allocated in all: %v", took.Seconds(), allocated/mib, err)
			assert.Less(t, allocated, uint64(600*mib), "freed or not: at most 360 MB of it are held at once")
			assert.Less(t, took, 15*time.Second, "5 s alone; three times that on a busy machine and with -race")
		})
	}
}

func TestMoreDimensionsThanAnyTensorHasAreRefused(t *testing.T) {
	shape := func(n int) []byte { return field(2, field(1, field(2, bytes.Repeat(field(1, varint(1, 1)), n)))) }
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{
		"a tensor":      {field(7, field(5, field(8, []byte("w")), bytes.Repeat(varint(1, 1), 65))), `tensor "w": got over 64 dimensions`},
		"a value":       {field(7, field(13, field(1, []byte("v")), shape(65))), `value "v": got over 64 dimensions`},
		"a packed list": {field(7, field(5, field(8, []byte("w")), field(1, bytes.Repeat([]byte{1}, 65)))), `tensor "w": got over 64 dimensions`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := onnxfile.Parse(c.b)
			require.ErrorContains(t, err, c.want)
		})
	}
	_, err := onnxfile.Parse(field(7, field(5, bytes.Repeat(varint(1, 1), 64)), field(13, shape(64))))
	require.NoError(t, err)
}

func TestMoreInputsThanAnyModelTakesAreRefused(t *testing.T) {
	value := func(n protowire.Number, count int) (b []byte) {
		for i := range count {
			b = append(b, field(n, field(1, fmt.Appendf(nil, "v%d", i)))...)
		}
		return b
	}
	node := field(1, field(1, []byte("v0")), field(2, []byte("v0")), field(4, []byte("Neg")))
	for name, c := range map[string]struct{ in, out, bad int }{"inputs": {5000, 1, 1}, "outputs": {1, 5000, 1}, "many": {1000, 1000, 0}} {
		b := append(field(7, value(11, c.in), node, value(12, c.out)), field(8, varint(2, 20))...)
		_, err := onnxfile.Read(onnxedit.File(t, b))
		if c.bad == 0 {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorContains(t, err, "wanted at most 4096 of each", name)
	}
}
