// Package cores tells how many processors this process may keep busy: those of
// its affinity mask, or fewer where a cgroup grants less time than they have. It
// must not know what runs on them.
package cores

import (
	"io/fs"
	"os"
	"runtime"
)

// Limit is what a process may use.
type Limit struct {
	// Whole is how many threads can compute at once without being stopped: at
	// least 1.
	Whole int
	// Quota is the time that the cgroup grants, in processors. It is 0 where
	// there is none, or one that does not limit the processors of the machine.
	Quota float64
}

// Here is the limit of this process. The Go runtime knows of a quota, too, but
// rounds it up and never goes below 2: two threads that spin under a quota of 1
// use up each period's time in half of it and then are stopped.
func Here() Limit {
	return limit(os.DirFS("/"), min(runtime.NumCPU(), runtime.GOMAXPROCS(0)), runtime.NumCPU())
}

// limit is Here for a file system and a number of processors. Usable are those
// that are used without a quota, of all that the affinity mask allows.
func limit(root fs.FS, usable, all int) Limit {
	l := Limit{Whole: max(usable, 1)}
	if q, ok := quota(root); ok && q < float64(all) {
		l.Quota = q
		l.Whole = max(1, min(l.Whole, int(q))) // a part of a processor is not enough for a thread
	}
	return l
}
