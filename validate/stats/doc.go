// Package stats is the arithmetic behind the gate's answers: exact binomial
// tails, the decision on a percentile budget, effective sample sizes,
// percentiles, rank correlation and signs of a noisy machine. Everything is a
// pure function of its arguments. It must not know evidence, policy or any
// other package of embedgate.
package stats
