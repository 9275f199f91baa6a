//go:build !linux && !darwin

package files

import "errors"

func exchange(_, _ string) error { return errors.ErrUnsupported }

func renameNew(_, _ string) error { return errors.ErrUnsupported }
