package tokenize_test

import (
	"strings"
	"testing"

	"github.com/embedgate/embedgate/providers/tokenize"
	"github.com/embedgate/embedgate/tools/bench/hostile"
)

// BenchmarkHostileTokenizer is the worst of tokenizer.json files, and of a text
// of 16 MiB.
func BenchmarkHostileTokenizer(b *testing.B) {
	load := func(b []byte) error { _, err := tokenize.Load(b); return err }
	head, tail, _ := strings.Cut(small, `"a":3,`)
	hostile.Bench(b,
		hostile.Bytes("many pieces", func() []byte { return hostile.Numbered(hostile.Size, head+`"a":3,`, `"p%[1]d":%[1]d,`, tail) }, load),
		hostile.Bytes("many pieces, ids from 5", func() []byte { return hostile.Numbered(hostile.Size, head, `"##%[1]x":5,`, `"a":3,`+tail) }, load),
		hostile.Bytes("one long piece", func() []byte { return hostile.Fill(head+`"`, "a", `":5,"a":3,`+tail) }, load),
		hostile.Bytes("many added tokens", func() []byte {
			return []byte(strings.Replace(small, `"added_tokens":[]`, `"added_tokens":[`+string(hostile.Fill("", `{"id":5,"content":"x"},`, `{"id":5,"content":"x"}`))+`]`, 1))
		}, load),
		hostile.Bytes("many brackets", func() []byte { return []byte(strings.Repeat("[", hostile.Size)) }, load),
		hostile.Bytes("a long text", func() []byte { return hostile.Fill("", "ab [", "") }, func(text []byte) error {
			t, err := tokenize.Load([]byte(small))
			if err == nil {
				_ = t.Append(nil, string(text), limit)
			}
			return err
		}),
	)
}
