// Package speed proves that a model is within its budgets of latency, cold
// start and memory, and that an accelerator is faster than the CPU. It must not
// know about vectors or placement.
package speed
