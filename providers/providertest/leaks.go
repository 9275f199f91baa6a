package providertest

import (
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/embedgate/embedgate/providers"
)

const leakRule = "rounds of open, run, close leak nothing"

// usage is what a process holds. A field is -1 where the system does not tell.
type usage struct{ files, threads, rss, heap, goroutines int }

func currentUsage() usage {
	debug.FreeOSMemory() // collects, so that Go's own garbage is not counted
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u := usage{
		files: entries("/proc/self/fd"), threads: entries("/proc/self/task"),
		rss: -1, heap: int(m.HeapAlloc), goroutines: runtime.NumGoroutine(),
	}
	if statm, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := strings.Fields(string(statm)); len(fields) > 1 {
			if pages, err := strconv.Atoi(fields[1]); err == nil {
				u.rss = pages * os.Getpagesize()
			}
		}
	}
	return u
}

func entries(dir string) int {
	list, err := os.ReadDir(dir)
	if err != nil {
		return -1
	}
	return len(list)
}

// What may grow over the second half of the rounds without being called a
// leak: allocators settle, and the Go runtime starts a thread now and then.
const (
	slackBytes = 16 << 20
	slackHeap  = 4 << 20
	slackRound = 8 << 10 // bytes a round
	slackCount = 8       // files, threads, goroutines
)

// readings are taken at the end of each half, and their medians compared: a
// driver that frees late holds more or less from round to round.
const readings = 5

// addReading adds a reading and keeps the last few.
func addReading(all []usage) []usage {
	all = append(all, currentUsage())
	return all[max(0, len(all)-readings):]
}

// median is the median of each field.
func median(all []usage) usage {
	of := func(field func(usage) int) int {
		v := make([]int, len(all))
		for i, u := range all {
			v[i] = field(u)
		}
		slices.Sort(v)
		return v[len(v)/2]
	}
	return usage{
		files: of(func(u usage) int { return u.files }), threads: of(func(u usage) int { return u.threads }),
		rss: of(func(u usage) int { return u.rss }), heap: of(func(u usage) int { return u.heap }),
		goroutines: of(func(u usage) int { return u.goroutines }),
	}
}

func leaks(t T, open Open, f Facts) {
	use := func(s providers.Session) {
		run(t, s, single(f, min(8, f.MaxTokens), 1))
		run(t, s, rows(f, 3, min(5, f.MaxTokens), 2))
	}
	whole := func() {
		s := open(t)
		use(s)
		mustClose(t, s)
	}
	if f.KeptBytes == 0 {
		watchGrowth(t, f, "rounds of open, run, close", 0, whole)
		return
	}
	// What the runtime keeps hides a small leak in whole rounds, so their parts
	// are watched alone: neither may keep anything.
	watchGrowth(t, f, "rounds of open, close", 0, func() { mustClose(t, open(t)) })
	s := open(t)
	watchGrowth(t, f, "rounds of run", 0, func() { use(s) })
	watchGrowth(t, f, "rounds of open, run, close beside another session", f.KeptBytes, whole)
	mustClose(t, s)
}

// watchGrowth repeats a round and compares what the process holds after the
// second half of the rounds with what it held after the first.
func watchGrowth(t T, f Facts, what string, kept int, round func()) {
	budget := f.Budget
	if budget == 0 {
		budget = time.Minute
	}
	for range f.SettleRounds {
		round()
	}
	began := time.Now()
	half := 0
	var before []usage
	for half < max(f.Rounds/2, readings) && (half < readings || time.Since(began) < budget/2) {
		round()
		half++
		before = addReading(before)
	}
	if 2*half < f.Rounds {
		t.Logf("%d %s and not %d, because one takes %v", 2*half, what, f.Rounds, (time.Since(began) / time.Duration(half)).Round(time.Millisecond))
	}
	var after []usage
	for left := half; left > 0; left-- {
		round()
		if left <= readings {
			after = addReading(after)
		}
	}
	compare(t, what, half, kept, median(before), median(after))
}

// compare compares the second half of the rounds with the first. A runtime may
// keep that many bytes a round.
func compare(t T, what string, half, kept int, before, after usage) {
	t.Logf("after %d %s: %+v; after %d: %+v", half, what, before, 2*half, after)
	assert.LessOrEqual(t, after.files, before.files+slackCount, "open files after %s", what)
	assert.LessOrEqual(t, after.threads, before.threads+slackCount, "threads after %s", what)
	assert.LessOrEqual(t, after.goroutines, before.goroutines+slackCount, "goroutines after %s", what)
	assert.LessOrEqual(t, after.heap, before.heap+slackHeap+half*slackRound, "bytes of Go's memory after %s", what)
	assert.LessOrEqual(t, after.rss, before.rss+slackBytes+half*(slackRound+kept), "resident memory in bytes after %s", what)
}
