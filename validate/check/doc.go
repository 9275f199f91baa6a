// Package check holds what all checks of the gate share: the case that is
// judged, the golden reference that it is compared with, the types of a check
// and of a known-bad case, and the formatting of findings. The checks
// themselves are in the packages below it. It must not know which checks there
// are.
package check
