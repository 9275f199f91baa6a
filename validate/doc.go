// Package validate is the gate: it judges evidence against golden vectors and
// policy, check by check, and shows itself known-bad evidence each time to
// prove that it still refuses it. It also holds the evidence and verdict files.
//
// Gate and every check are pure: a function of their input, without clock,
// file, network or environment, and they recompute every number from raw
// evidence. Only the files named *_io.go touch a disk. The package must not
// know how anything is exported, measured, printed or published.
package validate
