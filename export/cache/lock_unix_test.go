//go:build unix

package cache_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/cache"
	"github.com/embedgate/embedgate/internal/fault"
)

func TestALockThatIsALinkOrAPipeIsRefused(t *testing.T) {
	away := filepath.Join(t.TempDir(), "away")
	for name, put := range map[string]func(path string) error{
		"a link to nothing":  func(path string) error { return os.Symlink(away, path) },
		"a link to a folder": func(path string) error { return os.Symlink(t.TempDir(), path) },
		"a FIFO":             func(path string) error { return syscall.Mkfifo(path, 0o666) },
		"a directory":        func(path string) error { return os.Mkdir(path, 0o777) },
	} {
		t.Run(name, func(t *testing.T) {
			p := filepath.Join(t.TempDir(), "thing")
			require.NoError(t, put(p+".lock"))
			_, err := cache.Lock(t.Context(), p, nil)
			require.ErrorContains(t, err, p+".lock")
			require.Equal(t, fault.Missing, fault.KindOf(err))
			require.NoFileExists(t, away, "nothing is made through a link")
		})
	}
}
