// Package support says, from a model file alone, what a provider would take of
// it: which nodes, in how many partitions, and why not the others. What a
// provider supports is data, in one table a provider, each with its source. A
// provider without a table has no prediction; it is not guessed.
//
// A prediction is no proof. It refuses early, on any machine, a model that the
// provider would split; whether the rest ran there is measured. The package must
// not know how a model is opened, measured or judged.
package support
