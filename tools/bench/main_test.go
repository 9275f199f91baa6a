package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMetricsAreReadInBaseUnits(t *testing.T) {
	got, err := metrics(strings.NewReader(`goos: linux
pkg: example.com/x
BenchmarkAppend19-2          	 2639631	       462.7 ns/op	       0 B/op	       0 allocs/op
BenchmarkTextToVector/all-cores-2  	  2	 788162446 ns/op	  1.056 p50-ratio
BenchmarkHostile-2  	  1	 1000 ns/op	  322.3 peak-MB	  23.75 MB
noise
PASS
`))
	require.NoError(t, err)
	require.InDelta(t, 462.7e-9, got["Append19 sec/op"], 1e-12)
	require.Equal(t, 1.056, got["TextToVector/all-cores p50-ratio"])
	require.Contains(t, got, "Append19 allocs/op")
	require.Equal(t, 322.3, got["Hostile peak-MB"])
	require.Equal(t, 23.75, got["Hostile MB"])
}

// A bar whose benchmark was renamed would be missing from then on.
func TestEveryBarHasItsBenchmark(t *testing.T) {
	var source strings.Builder
	for _, dir := range []string{
		"..", "../../cli", "../../providers/ort", "../../providers/tokenize", "../../validate",
		"../../export/candidate", "../../export/onnxfile", "../../golden", "../../pipeline/policy", "../../publish", "../../validate/measure/bundle",
	} {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), "_test.go") {
				b, err := os.ReadFile(dir + "/" + e.Name())
				require.NoError(t, err)
				source.Write(b)
			}
		}
	}
	for _, b := range bars {
		name, _, _ := strings.Cut(b.benchmark, "/")
		require.Regexp(t, regexp.MustCompile(`func Benchmark`+name+`\(b \*testing\.B\)`), source.String())
	}
}
