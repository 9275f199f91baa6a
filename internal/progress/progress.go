// Package progress carries what a long piece of work says while it runs, from
// the library that does the work to whatever shows it. It must not know
// terminals: pipeline draws, and a library only calls a Sink.
package progress

import "fmt"

// Event is one thing said while work runs. Total is 0 when the end is unknown.
type Event struct {
	Message     string // what is being done, and why it takes long where it does
	Done, Total int64  // in Unit
	Unit        string // "bytes", "texts", "samples"; empty: counts are not shown
}

// Sink receives events. It may be called from several goroutines at once. The
// nil Sink throws events away.
type Sink func(Event)

// Say sends a message without a count.
func (s Sink) Say(format string, args ...any) {
	if s != nil {
		s(Event{Message: fmt.Sprintf(format, args...)})
	}
}

// Step sends a message with a count.
func (s Sink) Step(done, total int64, unit, format string, args ...any) {
	if s != nil {
		s(Event{Message: fmt.Sprintf(format, args...), Done: done, Total: total, Unit: unit})
	}
}
