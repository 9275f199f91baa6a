package main

import (
	"os"
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
	found, err := benchmarks(os.DirFS("../.."))
	require.NoError(t, err)
	packages, err := packagesOf(bars, found)
	require.NoError(t, err)
	require.Contains(t, packages, "./cli/e2e")
}

func TestABarWithoutItsBenchmarkIsRefused(t *testing.T) {
	_, err := packagesOf([]bar{{benchmark: "Renamed/all-cores", what: "a ratio"}}, map[string]string{"Other": "cli"})
	require.ErrorContains(t, err, `got no BenchmarkRenamed in the repository, wanted the benchmark of the bar "a ratio"`)
}
