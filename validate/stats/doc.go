// Package stats has the statistics of the gate: exact binomial tails, the
// decision on a percentile budget, effective sample sizes, percentiles, rank
// correlation and the noise of a machine. Everything is a
// pure function of its arguments. It must not know evidence, policy or any
// other package of embedgate.
//
// float64(x * y) around a product that is summed keeps the compiler from fusing
// both into one rounding, as it does on ARM: a verdict is the same everywhere.
package stats
