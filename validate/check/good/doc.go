// Package good makes cases that every check must accept. The self-test shows
// them to the gate, and known-bad cases are made from them. It must not know
// the checks.
package good
