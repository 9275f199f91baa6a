// Package gatetest runs the gate on changed evidence, for the tests of the
// checks. It must not be used outside of tests.
package gatetest
