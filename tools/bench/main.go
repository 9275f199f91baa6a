// Command bench runs the project's benchmarks and prints their results beside
// their limits, the bars, as one table. It judges no build, because machines are
// shared and noisy: it exits with 0 whatever was measured, and with 1 when a
// benchmark could not run.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"

	"github.com/embedgate/embedgate/report"
)

// bar is one line of the table: a metric that a benchmark reports.
type bar struct {
	benchmark, metric string // as go test prints them, without the -N of processors
	what              string
	unit              string
	scale             float64 // from the metric's base unit; 0: 1
	atLeast           bool
	limit             float64
}

// bars are all bars, in the table's order. A benchmark's doc comment says how
// each is measured.
var bars = slices.Concat(speedAndPrecision, hostileBars())

var speedAndPrecision = []bar{
	{"Newcomer", "first-s", "`go run . run`, nothing cached", "s", 0, false, 180},
	{"Newcomer", "export-s", "five variants exported, with the environment made", "s", 0, false, 45},
	{"Newcomer", "cache-MB", "the cache folder after it", "MB", 0, false, 450},
	{"Newcomer", "again-s", "`go run . run` again, everything cached", "s", 0, false, 75},
	{"Reference", "golden-wrong", "tokens: golden texts with other ids", "", 0, false, 0},
	{"Reference", "fuzz-wrong", "tokens: of 20,000 random texts, those with other ids", "", 0, false, 0},
	{"Reference", "code-points-wrong", "tokens: the sum over every code point differs", "", 0, false, 0},
	{"Append19", "sec/op", "tokens: a text of 19", "µs", 1e6, false, 2},
	{"Append19", "allocs/op", "tokens: allocations for 19", "", 0, false, 6},
	{"Append256", "sec/op", "tokens: a text of 256", "µs", 1e6, false, 25},
	{"TextToVector/all-cores", "p50-ratio", "text to vector ÷ bare Run, 16 tokens, all cores", "×", 0, false, 1.03},
	{"TextToVector/one-thread", "p50-ratio", "text to vector ÷ bare Run, 16 tokens, one thread", "×", 0, false, 1.03},
	{"GoOverhead", "overhead-µs", "Go's overhead of a text", "µs", 0, false, 30},
	{"GoOverhead", "extra-allocs", "allocations of a text beyond Run's", "", 0, false, 5},
	{"ReleaseOverPlain/all-cores", "ratio-16", "release ÷ plain export, 16 tokens, all cores", "×", 0, false, 0.94},
	{"ReleaseOverPlain/all-cores", "ratio-128", "release ÷ plain export, 128 tokens, all cores", "×", 0, false, 0.94},
	{"ReleaseOverPlain/one-thread", "ratio-16", "release ÷ plain export, 16 tokens, one thread", "×", 0, false, 0.94},
	{"ReleaseOverPlain/one-thread", "ratio-128", "release ÷ plain export, 128 tokens, one thread", "×", 0, false, 0.94},
	{"Int8OverFP32", "ratio-16", "int8 ÷ fp32, 16 tokens, one thread", "×", 0, false, 0.52},
	{"Int8OverFP32", "ratio-128", "int8 ÷ fp32, 128 tokens, one thread", "×", 0, false, 0.60},
	{"Int8OverFP32", "ratio-256", "int8 ÷ fp32, 256 tokens, one thread", "×", 0, false, 0.66},
	{"Int8OverFP32", "vnni-ratio-16", "the same on a processor with VNNI, 16 tokens", "×", 0, false, 0.45},
	{"Int8OverFP32", "vnni-ratio-128", "the same on a processor with VNNI, 128 tokens", "×", 0, false, 0.52},
	{"Int8OverFP32", "min-cosine", "int8: smallest cosine of a golden text", "", 0, true, 0.992},
	{"Int8OverFP32", "mean-cosine", "int8: mean cosine of the golden texts", "", 0, true, 0.9985},
	{"Int8OverFP32", "top10", "int8: shared top-10 neighbours, golden texts", "", 0, true, 0.955},
	{"Int8OverFP32", "MB", "int8: size of the file", "MB", 0, false, 25},
	{"Int8Made", "sec/op", "int8: made from the weights", "s", 0, false, 20},
	{"GoldenCorpus", "useful/computed", "useful ÷ computed tokens, golden in batches of 32", "", 0, true, 0.97},
}

// hostileBars has one bar for the time and one for the memory of each kind of
// hostile file: tools/bench/hostile.
func hostileBars() (bars []bar) {
	for _, input := range []struct{ benchmark, what string }{
		{"HostileModel", "a model file"},
		{"HostileEvidence", "evidence, read and judged"},
		{"HostileGolden", "a golden"},
		{"HostilePolicy", "a policy"},
		{"HostileCandidate", "a candidate.json"},
		{"HostileTokenizer", "a tokenizer.json"},
		{"HostileRelease", "a release.json"},
		{"HostileBundle", "a bundle in parts"},
	} {
		bars = append(bars,
			bar{benchmark: input.benchmark, metric: "worst-s", what: "hostile: " + input.what + ", time", unit: "s", limit: 5},
			bar{benchmark: input.benchmark, metric: "peak-MB", what: "hostile: " + input.what + ", largest process", unit: "MB", limit: 500})
	}
	return bars
}

func main() {
	if err := run(os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(stdout, stderr io.Writer) error {
	found, err := benchmarks(os.DirFS("."))
	if err != nil {
		return err
	}
	packages, err := packagesOf(bars, found)
	if err != nil {
		return err
	}
	fmt.Fprintln(stderr, "running the benchmarks of", strings.Join(packages, " and "), "(some minutes)")
	args := append([]string{"test", "-run", "^$", "-bench", ".", "-benchmem"}, packages...)
	cmd := exec.Command("go", args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&out, stderr), stderr
	failed := cmd.Run()
	measured, err := metrics(&out)
	if err != nil {
		return err
	}
	var table []report.Bar
	for _, b := range bars {
		v, ok := measured[b.benchmark+" "+b.metric]
		if b.scale != 0 {
			v *= b.scale
		}
		table = append(table, report.Bar{What: b.what, Measured: v, Unit: b.unit, AtLeast: b.atLeast, Limit: b.limit, Missing: !ok})
	}
	return errors.Join(report.Bars(stdout, table, report.Options{}), failed)
}

// metrics reads go test's benchmark lines: "Name metric" → value, in base units
// and in those that the benchmark reports.
func metrics(r io.Reader) (map[string]float64, error) {
	all := map[string]float64{}
	reader := benchfmt.NewReader(r, "go test")
	for reader.Scan() {
		result, ok := reader.Result().(*benchfmt.Result)
		if !ok {
			continue // a line that is not of a benchmark
		}
		base, parts := result.Name.Parts()
		name := string(base)
		for _, p := range parts {
			if s := string(p); !strings.HasPrefix(s, "-") { // "-2" is GOMAXPROCS
				name += s
			}
		}
		for _, v := range result.Values {
			all[name+" "+v.Unit] = v.Value
			if v.OrigUnit != "" { // "peak-MB", which the reader turns into "peak-B"
				all[name+" "+v.OrigUnit] = v.OrigValue
			}
		}
	}
	return all, reader.Err()
}
