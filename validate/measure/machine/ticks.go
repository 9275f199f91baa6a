package machine

// ticks is the time of all cores since boot, in the kernel's ticks.
type ticks struct {
	steal, total int64
	ok           bool
}

// Since returns the ticks after before; steal is -1 where the system does not
// count it.
func (t ticks) Since(before ticks) (steal, total int64) {
	if !t.ok || !before.ok {
		return -1, 0
	}
	return t.steal - before.steal, t.total - before.total
}
