//go:build !linux

package publish

// renameNew renames a directory and fails where the new name is taken. The
// target's lock keeps other publishers away between the look and the rename.
func renameNew(from, to string) error { return renameChecked(from, to) }
