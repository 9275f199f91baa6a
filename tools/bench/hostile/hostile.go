// Package hostile measures what it costs to answer files that ask for as much
// work as they can: benchmarks of several packages share it, and their bars are
// 5 s and 500 MB for each file of up to 16 MiB.
package hostile

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// MiB is a file's unit.
const MiB = 1 << 20

// Size is how large a file the bars are for.
const Size = 16 * MiB

// A Case is one hostile input.
type Case struct {
	Name string
	// Make writes it into an empty folder.
	Make func(tb testing.TB, dir string)
	// Answer reads it from there. That it is refused is an answer, too.
	Answer func(tb testing.TB, dir string) error
}

// What a child process is told: to make or to answer the case of a name, in a
// folder.
const (
	doing   = "EMBEDGATE_HOSTILE_DOING"
	which   = "EMBEDGATE_HOSTILE_CASE"
	where   = "EMBEDGATE_HOSTILE_DIR"
	making  = "make"
	answers = "answer"
)

// Cost is what answering took.
type Cost struct {
	Seconds float64 // by the clock
	CPU     float64 // seconds of the whole process: what counts where others compute, too
	Peak    int64   // bytes of the process that answered, all of it
	Said    string  // the refusal
}

// Bench reports the worst of the cases as the benchmark's worst-s and peak-MB.
// Each is answered in a process of its own, so that its peak is its own. The
// clock runs while it is answered and not while it is made.
func Bench(b *testing.B, cases ...Case) {
	child(b, cases)
	for b.Loop() {
		var slowest, largest float64
		for _, c := range cases {
			cost := Measure(b, b.Name(), c)
			b.Logf("%.2f s (%.2f s of CPU), %.0f MB: %s: %s", cost.Seconds, cost.CPU, float64(cost.Peak)/1e6, c.Name, cost.Said)
			slowest, largest = max(slowest, cost.Seconds), max(largest, float64(cost.Peak)/1e6)
		}
		b.ReportMetric(slowest, "worst-s")
		b.ReportMetric(largest, "peak-MB")
	}
}

var line = regexp.MustCompile(`(?m)^hostile: (\S+) s, (\d+) bytes: (.*)$`)

// Measure has children of this test binary make a case and answer it. The
// benchmark of that name must call Bench with the case.
func Measure(tb testing.TB, benchmark string, c Case) Cost {
	dir := tb.TempDir()
	var cpu time.Duration
	run := func(do string) []byte {
		exe, err := os.Executable()
		require.NoError(tb, err)
		cmd := exec.CommandContext(tb.Context(), exe, "-test.run", "^$", "-test.bench", "^"+benchmark+"$", "-test.benchtime", "1x")
		cmd.Env = append(os.Environ(), doing+"="+do, which+"="+c.Name, where+"="+dir)
		out, err := cmd.CombinedOutput()
		require.NoError(tb, err, "%s: %s", c.Name, out)
		cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		return out
	}
	run(making)
	m := line.FindSubmatch(run(answers))
	require.NotNil(tb, m, c.Name)
	seconds, err := strconv.ParseFloat(string(m[1]), 64)
	require.NoError(tb, err)
	peak, err := strconv.ParseInt(string(m[2]), 10, 64)
	require.NoError(tb, err)
	return Cost{Seconds: seconds, CPU: cpu.Seconds(), Peak: peak, Said: string(m[3])}
}

// child does what a child was told, and ends the process.
func child(tb testing.TB, cases []Case) {
	if os.Getenv(doing) == "" {
		return
	}
	for _, c := range cases {
		if c.Name != os.Getenv(which) {
			continue
		}
		dir := os.Getenv(where)
		if os.Getenv(doing) == making {
			c.Make(tb, dir)
			os.Exit(status(tb))
		}
		began := time.Now()
		err := c.Answer(tb, dir)
		took := time.Since(began)
		said := bytes.ReplaceAll(fmt.Append(nil, err), []byte("\n"), []byte(" "))
		fmt.Printf("\nhostile: %.4f s, %d bytes: %.200s\n", took.Seconds(), peak(), said)
		os.Exit(status(tb))
	}
	tb.Fatalf("no case %q", os.Getenv(which))
}

func status(tb testing.TB) int {
	if tb.Failed() {
		return 1
	}
	return 0
}

var highWater = regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB$`)

// peak is the largest resident set that this process had, on Linux. The rusage
// of a child would hold its parent's, too, from before the exec. Elsewhere it is
// what Go has ever taken from the system.
func peak() int64 {
	if b, err := os.ReadFile("/proc/self/status"); err == nil {
		if m := highWater.FindSubmatch(b); m != nil {
			if kb, err := strconv.ParseInt(string(m[1]), 10, 64); err == nil {
				return kb * 1024
			}
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.Sys)
}

// File is a case of one file, answered by its path.
func File(name, file string, content func() []byte, answer func(path string) error) Case {
	return Case{
		Name: name,
		Make: func(tb testing.TB, dir string) {
			require.NoError(tb, os.WriteFile(filepath.Join(dir, file), content(), 0o644))
		},
		Answer: func(_ testing.TB, dir string) error { return answer(filepath.Join(dir, file)) },
	}
}

// Bytes is a case of bytes in memory, for what takes no path. Reading them counts.
func Bytes(name string, content func() []byte, answer func([]byte) error) Case {
	return File(name, "input", content, func(path string) error {
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return answer(b)
	})
}

// Fill is part over and over between head and tail, up to Size bytes in all.
func Fill(head, part, tail string) []byte { return FillTo(Size, head, part, tail) }

// FillTo is Fill up to size bytes: the most that a reader takes, where that is less.
func FillTo(size int, head, part, tail string) []byte {
	n := (size - len(head) - len(tail)) / len(part)
	return []byte(head + string(bytes.Repeat([]byte(part), n)) + tail)
}

// Numbered is Fill where part is a format that takes the part's number.
func Numbered(size int, head, part, tail string) []byte {
	b := []byte(head)
	for i := 0; len(b)+len(tail)+2*len(part) < size; i++ {
		b = fmt.Appendf(b, part, i)
	}
	return append(b, tail...)
}
