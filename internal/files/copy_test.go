package files_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/internal/files"
)

func TestACopyIsTheWantedBytesOrNotThere(t *testing.T) {
	broken := errors.New("broken")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	want := files.IdentityOf([]byte("hello"))
	for name, c := range map[string]struct {
		ctx  context.Context
		src  io.Reader
		want string
	}{
		"the same bytes":          {t.Context(), strings.NewReader("hello"), ""},
		"other bytes":             {t.Context(), strings.NewReader("jello"), "wanted " + want.String()},
		"a byte more":             {t.Context(), strings.NewReader("hello!"), "(6 bytes), wanted"},
		"a source without an end": {t.Context(), endless{}, "(6 bytes), wanted"},
		"a byte less":             {t.Context(), strings.NewReader("hell"), "(4 bytes), wanted"},
		"a source that breaks":    {t.Context(), iotest.ErrReader(broken), "broken"},
		"a context that ended":    {cancelled, strings.NewReader("hello"), "canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			to := filepath.Join(t.TempDir(), "deep", "f")
			err := files.CopyVerified(c.ctx, c.src, to, want, 0o644)
			if c.want == "" {
				require.NoError(t, err)
				b, err := os.ReadFile(to)
				require.NoError(t, err)
				require.Equal(t, "hello", string(b))
				require.ErrorIs(t, files.CopyVerified(c.ctx, strings.NewReader("hello"), to, want, 0o644), fs.ErrExist)
				require.FileExists(t, to, "a file that was there stays")
				return
			}
			require.ErrorContains(t, err, c.want)
			require.NoFileExists(t, to)
			var read *files.ReadError
			assert.Equal(t, errors.Is(err, broken), errors.As(err, &read), "the source's errors are told from the target's")
			var digest *files.DigestError
			assert.Equal(t, strings.Contains(c.want, "wanted"), errors.As(err, &digest))
		})
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

func TestAFileIsCopiedUpToTheLimit(t *testing.T) {
	dir := t.TempDir()
	from, to := put(t, dir, "from", "12345"), filepath.Join(dir, "to")
	_, err := files.CopyFile(t.Context(), from, to, 4, 0o644)
	require.EqualError(t, err, "got 5 bytes, wanted a regular file of at most 4 bytes")
	require.NoFileExists(t, to)
	id, err := files.CopyFile(t.Context(), from, to, 5, 0o644)
	require.NoError(t, err)
	assert.Equal(t, files.IdentityOf([]byte("12345")), id)
	_, err = files.CopyFile(t.Context(), from, filepath.Join(from, "below a file"), 5, 0o644)
	require.Error(t, err)
	var read *files.ReadError
	require.NotErrorAs(t, err, &read)
}

func TestAWrittenFileIsReplacedWholeAndNothingIsBesideIt(t *testing.T) {
	for name, write := range map[string]func(string, []byte) error{"flushed": files.WriteAtomic, "scratch": files.WriteAtomicScratch} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			p := filepath.Join(dir, "f")
			require.NoError(t, write(p, []byte("one")))
			require.NoError(t, write(p, []byte("two")))
			b, err := os.ReadFile(p)
			require.NoError(t, err)
			require.Equal(t, "two", string(b))
			require.Error(t, write(dir, []byte("x")), "a folder is no place for a file")
			require.Error(t, write(filepath.Join(p, "x"), nil))
			e, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Len(t, e, 1)
		})
	}
}
