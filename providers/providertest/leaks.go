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
)

// usage is what a process holds. A field is -1 where the system does not tell.
type usage struct{ files, threads, rss, goroutines int }

func held() usage {
	debug.FreeOSMemory() // collects, so that Go's own garbage is not counted
	u := usage{files: entries("/proc/self/fd"), threads: entries("/proc/self/task"), rss: -1, goroutines: runtime.NumGoroutine()}
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
	slackRound = 8 << 10 // bytes a round
	slackCount = 8       // files, threads, goroutines
)

// readings are taken at the end of each half, and their medians compared: a
// driver that frees late holds more or less from round to round.
const readings = 5

// lastOf adds a reading and keeps the last few.
func lastOf(all []usage) []usage {
	all = append(all, held())
	return all[max(0, len(all)-readings):]
}

// middle is the median of each field.
func middle(all []usage) usage {
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
		rss: of(func(u usage) int { return u.rss }), goroutines: of(func(u usage) int { return u.goroutines }),
	}
}

func leaks(t T, open Open, f Facts) {
	round := func() {
		s := open(t)
		run(t, s, single(f, min(8, f.MaxTokens), 1))
		run(t, s, rows(f, 3, min(5, f.MaxTokens), 2))
		mustClose(t, s)
	}
	budget := f.Budget
	if budget == 0 {
		budget = time.Minute
	}
	for range f.Settle {
		round()
	}
	began := time.Now()
	half := 0
	var before []usage
	for half < max(f.Rounds/2, readings) && (half < readings || time.Since(began) < budget/2) {
		round()
		half++
		before = lastOf(before)
	}
	if 2*half < f.Rounds {
		t.Logf("%d rounds and not %d, because a round takes %v", 2*half, f.Rounds, (time.Since(began) / time.Duration(half)).Round(time.Millisecond))
	}
	var after []usage
	for left := half; left > 0; left-- {
		round()
		if left <= readings {
			after = lastOf(after)
		}
	}
	compare(t, half, middle(before), middle(after))
}

// compare holds the second half of the rounds against the first.
func compare(t T, half int, before, after usage) {
	t.Logf("after %d rounds: %+v; after %d: %+v", half, before, 2*half, after)
	assert.LessOrEqual(t, after.files, before.files+slackCount, "open files")
	assert.LessOrEqual(t, after.threads, before.threads+slackCount, "threads")
	assert.LessOrEqual(t, after.goroutines, before.goroutines+slackCount, "goroutines")
	assert.LessOrEqual(t, after.rss, before.rss+slackBytes+half*slackRound, "resident memory in bytes")
}
