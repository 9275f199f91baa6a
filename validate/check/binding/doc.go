// Package binding proves that evidence is about this candidate, policy and
// golden, that it is complete, that a machine can have measured its numbers,
// and that a provider is known to take the file whole. It must not know what
// the vectors, records and times say.
package binding
