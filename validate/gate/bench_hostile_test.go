package gate_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/tools/bench/hostile"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/gate"
	"github.com/embedgate/embedgate/validate/validatetest"
	"github.com/embedgate/embedgate/validate/verdict"
)

// BenchmarkHostileEvidence measures hostile files: some are refused when they
// are read, others are read and judged.
func BenchmarkHostileEvidence(b *testing.B) {
	var cases []hostile.Case
	read := func(dir string) error { _, err := evidence.Read(dir); return err }
	for name, key := range map[string][3]string{
		"points":    {`"plan":{"points":[`, "{}", `]}`},
		"recorded":  {`"plan":{"recorded":[`, "1", `]}`},
		"samples":   {`"latency":[{"samples_ns":[`, "1", `]}]`},
		"latency":   {`"latency":[`, "{}", `]`},
		"pairs":     {`"pairs":[`, "{}", `]`},
		"placement": {`"placement":[`, "{}", `]`},
		"planned":   {`"planned":[`, "{}", `]`},
	} {
		cases = append(cases, hostile.File("many "+name, evidence.FileName, func() []byte {
			return hostile.FillTo(evidence.MaxEvidence, `{"schema":1,`+key[0], key[1]+",", key[1]+key[2]+"}")
		}, func(path string) error { return read(filepath.Dir(path)) }))
	}
	cases = append(cases,
		hostile.File("many keys", evidence.FileName, func() []byte { return hostile.Numbered(evidence.MaxEvidence, "{", `"k%d":1,`, `"k":1}`) }, func(path string) error { return read(filepath.Dir(path)) }),
		hostile.File("many brackets", evidence.FileName, func() []byte { return []byte(strings.Repeat("[", evidence.MaxEvidence)) }, func(path string) error { return read(filepath.Dir(path)) }),
	)
	for name, spoil := range map[string]func(*evidence.Evidence){
		"samples that were not planned": func(e *evidence.Evidence) { e.Latency[0].SamplesNS = validatetest.Rising(evidence.MaxSamples / 2) },
		"launches that were not planned": func(e *evidence.Evidence) {
			for i := range evidence.MaxRuns / 2 {
				e.Latency = append(e.Latency, evidence.LatencyRun{Launch: i, LatencyPoint: evidence.LatencyPoint{Tokens: 16, Batch: 1}, SamplesNS: []int64{1}})
				e.Cold, e.Memory = append(e.Cold, evidence.ColdStart{Launch: i}), append(e.Memory, evidence.MemoryPeak{Launch: i})
			}
		},
	} {
		cases = append(cases, hostile.Case{
			Name: name,
			Make: func(tb testing.TB, dir string) {
				e := validatetest.SmallInput(tb).Evidence[0]
				spoil(&e)
				require.NoError(tb, evidence.Write(dir, e))
			},
			Answer: func(tb testing.TB, dir string) error {
				in := validatetest.SmallInput(tb)
				e, err := evidence.Read(dir)
				require.NoError(tb, err)
				in.Evidence = []evidence.Evidence{e}
				v, err := gate.Gate(in)
				require.Equal(tb, verdict.Fail, v.Result)
				return err
			},
		})
	}
	hostile.Bench(b, cases...)
}
