package validate

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/tools/bench/hostile"
)

// BenchmarkHostileEvidence is the worst of files that are refused when they are
// read, and of evidence that may be read and is then judged.
func BenchmarkHostileEvidence(b *testing.B) {
	var cases []hostile.Case
	read := func(dir string) error { _, err := ReadEvidence(dir); return err }
	for name, key := range map[string][3]string{
		"points":    {`"plan":{"points":[`, "{}", `]}`},
		"recorded":  {`"plan":{"recorded":[`, "1", `]}`},
		"samples":   {`"latency":[{"samples_ns":[`, "1", `]}]`},
		"latency":   {`"latency":[`, "{}", `]`},
		"pairs":     {`"pairs":[`, "{}", `]`},
		"placement": {`"placement":[`, "{}", `]`},
		"planned":   {`"planned":[`, "{}", `]`},
	} {
		cases = append(cases, hostile.File("many "+name, EvidenceName, func() []byte {
			return hostile.FillTo(maxEvidence, `{"schema":1,`+key[0], key[1]+",", key[1]+key[2]+"}")
		}, func(path string) error { return read(filepath.Dir(path)) }))
	}
	cases = append(cases,
		hostile.File("many keys", EvidenceName, func() []byte { return hostile.Numbered(maxEvidence, "{", `"k%d":1,`, `"k":1}`) }, func(path string) error { return read(filepath.Dir(path)) }),
		hostile.File("many brackets", EvidenceName, func() []byte { return []byte(strings.Repeat("[", maxEvidence)) }, func(path string) error { return read(filepath.Dir(path)) }),
	)
	for name, spoil := range map[string]func(*Evidence){
		"samples that nobody planned": func(e *Evidence) { e.Latency[0].SamplesNS = rising(maxSamples / 2) },
		"launches that nobody planned": func(e *Evidence) {
			for i := range maxRuns / 2 {
				e.Latency = append(e.Latency, LatencyRun{Launch: i, LatencyPoint: LatencyPoint{16, 1}, SamplesNS: []int64{1}})
				e.Cold, e.Memory = append(e.Cold, ColdStart{Launch: i}), append(e.Memory, MemoryPeak{Launch: i})
			}
		},
	} {
		cases = append(cases, hostile.Case{
			Name: name,
			Make: func(tb testing.TB, dir string) {
				e := smallInput(tb).Evidence[0]
				spoil(&e)
				require.NoError(tb, WriteEvidence(dir, e))
			},
			Answer: func(tb testing.TB, dir string) error {
				in := smallInput(tb)
				e, err := ReadEvidence(dir)
				require.NoError(tb, err)
				in.Evidence = []Evidence{e}
				v, err := Gate(in)
				require.Equal(tb, Fail, v.Result)
				return err
			},
		})
	}
	hostile.Bench(b, cases...)
}
