// Package scripts carries the Python scripts and their hashed requirements
// inside the binary, so that a fresh machine needs no checkout. It must not
// run anything.
package scripts

import "embed"

// FS holds the scripts as they lie here, without their tests: export and golden
// find the modules of shared beside their own folder.
//
//go:embed export/*.py golden/*.py shared/*.py requirements/*.txt
var FS embed.FS
