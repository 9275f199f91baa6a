// Package binding proves that evidence is about this candidate, policy and
// golden, that it is complete, that a machine can have measured its numbers,
// and that no provider is predicted to split the file. It must not judge
// vectors, placement records or times.
package binding
