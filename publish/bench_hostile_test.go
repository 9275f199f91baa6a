package publish

import (
	"path/filepath"
	"testing"

	"github.com/embedgate/embedgate/tools/bench/hostile"
)

// BenchmarkHostileRelease verifies the release.json files that cost most, each of
// the largest size that is read.
func BenchmarkHostileRelease(b *testing.B) {
	var cases []hostile.Case
	for name, c := range map[string][3]string{
		"many files":     {`{"schema":2,"files":{`, `"model/f%d.json":{},`, `"model/a":{}}}`},
		"many runs":      {`{"schema":2,"proven":{"model/a.onnx":[`, `{"provider":"p%d"},`, `{}]}}`},
		"many selected":  {`{"schema":2,"selection":[`, `{"provider":"p%d"},`, `{}]}`},
		"many file keys": {`{"schema":2,"files":{`, `"evidence/%d/evidence.json":{},`, `"a":{}}}`},
	} {
		cases = append(cases, hostile.File(name, ManifestName, func() []byte { return hostile.Numbered(maxManifest, c[0], c[1], c[2]) }, func(path string) error {
			_, err := Verify(b.Context(), filepath.Dir(path), Expect{})
			return err
		}))
	}
	hostile.Bench(b, cases...)
}
