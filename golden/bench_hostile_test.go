package golden_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/golden/safetensors"
	"github.com/embedgate/embedgate/tools/bench/hostile"
)

// BenchmarkHostileGolden measures hostile goldens with right digests, and
// safetensors files with large headers.
func BenchmarkHostileGolden(b *testing.B) {
	var cases []hostile.Case
	for name, spoil := range map[string]func(*small){
		"many texts": func(s *small) {
			n := hostile.Size / len(s.texts)
			s.texts, s.manifest.Texts = strings.Repeat(s.texts, n), 2*n
		},
		"many empty lines": func(s *small) { s.texts = strings.Repeat("\n", hostile.Size) },
		"one long text":    func(s *small) { s.texts = string(hostile.Fill(`{"id":"a","group":"g","text":"`, "x", `"}`)) },
		"many sources": func(s *small) {
			for i := range 40_000 {
				s.manifest.Source[strings.Repeat("a", i%200)+string(rune('a'+i%26))+sum(string(rune(i)))] = sum("x")
			}
		},
	} {
		cases = append(cases, hostile.Case{
			Name: name,
			Make: func(tb testing.TB, dir string) {
				s := newSmall()
				spoil(s)
				require.NoError(tb, os.CopyFS(dir, os.DirFS(s.write(tb))))
			},
			Answer: func(_ testing.TB, dir string) error { _, err := golden.Read(dir); return err },
		})
	}
	for name, header := range map[string]func() []byte{
		"many tensors": func() []byte {
			return hostile.Numbered(hostile.Size-8, "{", `"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},`, `"x":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}`)
		},
		"many axes": func() []byte {
			return hostile.Fill(`{"x":{"dtype":"F32","shape":[`, "1,", `1],"data_offsets":[0,4]}}`)[:]
		},
		"much metadata":  func() []byte { return hostile.Numbered(hostile.Size-8, `{"__metadata__":{`, `"%d":"",`, `"x":""}}`) },
		"nested objects": func() []byte { return []byte(strings.Repeat(`{"a":`, hostile.Size/5)) },
	} {
		cases = append(cases, hostile.File("safetensors: "+name, "x.safetensors", func() []byte {
			h := header()
			var b bytes.Buffer
			_ = binary.Write(&b, binary.LittleEndian, uint64(len(h)))
			b.Write(h)
			return b.Bytes()
		}, func(path string) error {
			data, err := os.ReadFile(filepath.Clean(path))
			if err != nil {
				return err
			}
			_, err = safetensors.Parse(data)
			return err
		}))
	}
	hostile.Bench(b, cases...)
}
