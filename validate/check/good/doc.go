// Package good makes cases that every check must accept. The self-test judges
// them, and makes the known-bad cases from them. It must not know the checks.
package good
