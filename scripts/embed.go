// Package scripts carries the Python scripts and their hashed requirements
// inside the binary, so that a fresh machine needs no checkout. It must not
// run anything.
package scripts

import "embed"

// FS holds *.py and requirements-*.txt at its root.
//
//go:embed *.py *.txt
var FS embed.FS
