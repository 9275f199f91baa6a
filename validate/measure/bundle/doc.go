// Package bundle makes a folder, or parts of it, that lets a machine without
// network, Go or Python measure a provider: the program, the candidate, the
// policy, its golden vectors and the runtime's libraries. It stands under
// publish because it is the other thing that leaves this machine as files with
// their digests; export may not know policies and providers, which it needs.
//
// It must not measure or judge, nor know where libraries come from: the caller
// found them. What comes back is evidence, which is bound by its own digests.
package bundle

import "github.com/embedgate/embedgate/internal/fault"

func usage(thing, got, wanted, next string) error {
	return &fault.Error{Kind: fault.Usage, Thing: thing, Got: got, Wanted: wanted, Next: next}
}

func cannotWrite(thing string, err error) error {
	return &fault.Error{
		Kind: fault.Missing, Thing: thing, Wanted: "room for the bundle and leave to write it", Err: err,
		Next: "free some space or name another --out; nothing half written was left",
	}
}
