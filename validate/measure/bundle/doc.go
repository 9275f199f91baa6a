// Package bundle makes a folder, whole or split into parts, with which a machine
// without network, Go or Python can measure a provider: the program, the
// candidate, the policy, its golden vectors and the runtime's libraries. The
// result of that machine is evidence, which names the digests of what it
// measured.
//
// It must not measure or judge, nor know where libraries come from: the caller
// has found them.
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
