// Package measuretest is a small tokenizer for the tests of measuring. It must
// not be used outside of tests.
package measuretest
