//go:build !linux

package publish

// renameNew renames a directory and fails where the new name is taken.
func renameNew(from, to string) error { return renameChecked(from, to) }
