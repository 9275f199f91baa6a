// Package machine reads what decides the speed of the machine that this
// process runs on, and nothing that names the machine or its user. It must not
// know what is measured.
package machine
