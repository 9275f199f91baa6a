// Package providers says what can run a model: the catalogue of execution
// providers as data, the contract of a Session, and the Embedder that makes
// vectors of texts with any Session. It must not know a runtime, how a
// model was made, thresholds, evidence or terminals: runtimes live below it in
// packages of their own and implement Session.
package providers
