// Package numbers proves that a model computes the right token ids and vectors,
// with the precision of its class, and that they depend neither on the batch
// nor on the processor. It must not know about time or placement.
package numbers
