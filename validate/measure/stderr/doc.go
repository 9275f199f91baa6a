// Package stderr reads a measuring child's stderr: its last lines, the signal
// that a crash report names, and the plan of devices that some runtimes write
// there. It must not know what is done with them.
package stderr
