// Package e2e_test runs the commands as their users do: as processes, on real
// models, with real signals. testdata holds one testscript or more for each
// command.
package e2e_test
