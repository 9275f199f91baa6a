// Package cputest holds the tests of sessions on the CPU that use real models
// or run the whole conformance suite, and the benchmarks that compare models.
// They see providers/ort as its callers do. It has no code.
package cputest
