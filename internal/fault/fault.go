// Package fault is the one shape of an error that a person must act on: it
// names the thing, what was got, what was wanted and the next step, and says
// which kind of trouble it is. It must not know exit codes' callers, printing
// or any other package of embedgate; cli maps a Kind to an exit code, once.
package fault

import (
	"errors"
	"strings"
)

// Kind says whose turn it is when an error occurs.
type Kind uint8

const (
	Internal Kind = iota // a bug or an unforeseen failure: exit 5
	Usage                // the user's input, policy or file is wrong: exit 2
	Missing              // this machine lacks something: exit 4
	Refused              // a gate failed: exit 1
	Unsure               // a gate is inconclusive: exit 3
)

// Error is an error that can be acted on. Empty fields are left out of the
// message.
type Error struct {
	Kind   Kind
	Thing  string // what the error is about: "policy.yaml:12", "model.safetensors"
	Got    string // what was found there
	Wanted string // what was wanted instead
	Next   string // the next step, as a command or an instruction
	Err    error  // the cause, if there is one
}

// Error renders "thing: got X, wanted Y: cause; next: Z".
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Thing)
	sep := ": "
	if e.Thing == "" {
		sep = ""
	}
	if e.Got != "" {
		b.WriteString(sep + "got " + e.Got)
		sep = ", "
	}
	if e.Wanted != "" {
		b.WriteString(sep + "wanted " + e.Wanted)
		sep = ": "
	}
	if e.Err != nil {
		if b.Len() > 0 {
			sep = ": "
		}
		b.WriteString(sep + e.Err.Error())
	}
	if e.Next != "" {
		b.WriteString("; next: " + e.Next)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of the first *Error in err's chain, or Internal.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}
