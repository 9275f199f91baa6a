package candidate_test

import (
	"path/filepath"
	"testing"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/tools/bench/hostile"
)

// BenchmarkHostileCandidate is the worst of candidate.json files. Over 4 MiB
// they are not read.
func BenchmarkHostileCandidate(b *testing.B) {
	var cases []hostile.Case
	for name, c := range map[string]struct {
		size             int
		head, part, tail string
	}{
		"many files":    {4 * hostile.MiB, `{"schema":1,"files":{`, `"f%d.json":{},`, `"a":{}}}`},
		"many variants": {4 * hostile.MiB, `{"schema":1,"variants":{`, `"v%d":{},`, `"a":{}}}`},
		"many choices":  {4 * hostile.MiB, `{"schema":1,"variants":{"int8":{"choices":[`, `{"weight":"w%d"},`, `{}]}}}`},
		"many units":    {4 * hostile.MiB, `{"schema":1,"variants":{"int8":{"choices":[{"outliers":[`, `%d,`, `1]}]}}}`},
		"16 MiB":        {hostile.Size, `{"files":{`, `"f%d":{},`, `"a":{}}}`},
	} {
		cases = append(cases, hostile.File(name, candidate.ManifestName, func() []byte { return hostile.Numbered(c.size, c.head, c.part, c.tail) }, func(path string) error {
			_, err := candidate.Read(filepath.Dir(path))
			return err
		}))
	}
	hostile.Bench(b, cases...)
}
