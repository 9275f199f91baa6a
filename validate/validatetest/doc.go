// Package validatetest is a small model's golden, policy, candidate and good
// evidence, for the tests of the packages under validate. It must not know the
// gate, whose own tests use it.
package validatetest
