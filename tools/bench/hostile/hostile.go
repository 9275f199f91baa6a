// Package hostile measures the time and memory to answer hostile files, which
// cause as much work as their format allows. Benchmarks of several packages
// share it. Their limits are 5 s and 500 MB for each file of up to 16 MiB. It
// must not know any file format.
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

// MiB is the unit of file sizes.
const MiB = 1 << 20

// Size is the size of the files that the limits are for.
const Size = 16 * MiB

// A Case is one hostile input.
type Case struct {
	Name string
	// Make writes the input into an empty folder.
	Make func(tb testing.TB, dir string)
	// Answer reads the input from there. An error is an answer too.
	Answer func(tb testing.TB, dir string) error
}

// The environment of a child process: whether it makes or answers the input, of
// which case, in which folder.
const (
	envAction    = "EMBEDGATE_HOSTILE_DOING"
	envCase      = "EMBEDGATE_HOSTILE_CASE"
	envDir       = "EMBEDGATE_HOSTILE_DIR"
	actionMake   = "make"
	actionAnswer = "answer"
)

// Cost is what an answer took.
type Cost struct {
	Seconds float64 // wall time
	CPU     float64 // processor seconds of the whole process, which hardly depend on other load
	Peak    int64   // largest resident set of the process that answered, in bytes
	Error   string  // the error of the answer
}

// Bench reports the worst of the cases as the benchmark's worst-s and peak-MB.
// Each case is answered in its own process, so that peaks do not mix. Making the
// input is not timed.
func Bench(b *testing.B, cases ...Case) {
	child(b, cases)
	for b.Loop() {
		var slowest, largest float64
		for _, c := range cases {
			cost := Measure(b, b.Name(), c)
			b.Logf("%.2f s (%.2f s of CPU), %.0f MB: %s: %s", cost.Seconds, cost.CPU, float64(cost.Peak)/1e6, c.Name, cost.Error)
			slowest, largest = max(slowest, cost.Seconds), max(largest, float64(cost.Peak)/1e6)
		}
		b.ReportMetric(slowest, "worst-s")
		b.ReportMetric(largest, "peak-MB")
	}
}

var line = regexp.MustCompile(`(?m)^hostile: (\S+) s, (\d+) bytes: (.*)$`)

// Measure starts children of this test binary that make a case's input and
// answer it. The benchmark of that name must call Bench with the case.
func Measure(tb testing.TB, benchmark string, c Case) Cost {
	dir := tb.TempDir()
	var cpu time.Duration
	run := func(action string) []byte {
		exe, err := os.Executable()
		require.NoError(tb, err)
		cmd := exec.CommandContext(tb.Context(), exe, "-test.run", "^$", "-test.bench", "^"+benchmark+"$", "-test.benchtime", "1x")
		cmd.Env = append(os.Environ(), envAction+"="+action, envCase+"="+c.Name, envDir+"="+dir)
		out, err := cmd.CombinedOutput()
		require.NoError(tb, err, "%s: %s", c.Name, out)
		cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		return out
	}
	run(actionMake)
	m := line.FindSubmatch(run(actionAnswer))
	require.NotNil(tb, m, c.Name)
	seconds, err := strconv.ParseFloat(string(m[1]), 64)
	require.NoError(tb, err)
	peak, err := strconv.ParseInt(string(m[2]), 10, 64)
	require.NoError(tb, err)
	return Cost{Seconds: seconds, CPU: cpu.Seconds(), Peak: peak, Error: string(m[3])}
}

// child does the action of a child process, and ends the process. In a process
// that is no child it returns.
func child(tb testing.TB, cases []Case) {
	if os.Getenv(envAction) == "" {
		return
	}
	for _, c := range cases {
		if c.Name != os.Getenv(envCase) {
			continue
		}
		dir := os.Getenv(envDir)
		if os.Getenv(envAction) == actionMake {
			c.Make(tb, dir)
			os.Exit(status(tb))
		}
		began := time.Now()
		err := c.Answer(tb, dir)
		took := time.Since(began)
		message := bytes.ReplaceAll(fmt.Append(nil, err), []byte("\n"), []byte(" "))
		fmt.Printf("\nhostile: %.4f s, %d bytes: %.200s\n", took.Seconds(), peak(), message)
		os.Exit(status(tb))
	}
	tb.Fatalf("no case %q", os.Getenv(envCase))
}

func status(tb testing.TB) int {
	if tb.Failed() {
		return 1
	}
	return 0
}

var highWater = regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB$`)

// peak is the largest resident set of this process, on Linux. A child's rusage
// would include its parent's memory from before the exec. On other systems it is
// the most memory that Go took from the system.
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

// Bytes is a case of bytes in memory, for readers that take no path. Reading the
// file is part of the cost.
func Bytes(name string, content func() []byte, answer func([]byte) error) Case {
	return File(name, "input", content, func(path string) error {
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return answer(b)
	})
}

// Fill repeats part between head and tail, up to Size bytes in all.
func Fill(head, part, tail string) []byte { return FillTo(Size, head, part, tail) }

// FillTo is Fill up to size bytes, for readers with a lower limit than Size.
func FillTo(size int, head, part, tail string) []byte {
	n := (size - len(head) - len(tail)) / len(part)
	return []byte(head + string(bytes.Repeat([]byte(part), n)) + tail)
}

// Numbered is FillTo with a format for part, which gets the number of the part.
func Numbered(size int, head, part, tail string) []byte {
	b := []byte(head)
	for i := 0; len(b)+len(tail)+2*len(part) < size; i++ {
		b = fmt.Appendf(b, part, i)
	}
	return append(b, tail...)
}
