// Package numbers proves that a model computes what it should: token ids,
// vectors, their precision, and that they depend neither on the batch nor on
// the processor. It must not know about time or placement.
package numbers
