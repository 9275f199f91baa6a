package cli

import (
	"context"
	"errors"

	"github.com/embedgate/embedgate/internal/fault"
)

// The exit codes, documented in the README. They are given here and nowhere
// else.
const (
	exitPass         = 0
	exitRefused      = 1
	exitUsage        = 2
	exitInconclusive = 3
	exitMissing      = 4
	exitInternal     = 5
	exitInterrupted  = 130
)

// exitCode maps an error to its exit code, once, at the edge.
func exitCode(ctx context.Context, err error) int {
	if err == nil {
		return exitPass
	}
	if ctx.Err() != nil || errors.Is(err, context.Canceled) {
		return exitInterrupted
	}
	switch fault.KindOf(err) {
	case fault.Refused:
		return exitRefused
	case fault.Usage:
		return exitUsage
	case fault.Unsure:
		return exitInconclusive
	case fault.Missing:
		return exitMissing
	default:
		return exitInternal
	}
}
