// Package check holds what every check of the gate shares: the case that is
// judged, the golden reference that it is compared with, a check's and a
// known-bad case's form, and the words of findings. The checks themselves are
// in the packages below it. It must not know which checks there are.
package check
