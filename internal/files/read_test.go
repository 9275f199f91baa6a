package files_test

import (
	"bytes"
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

func put(t *testing.T, dir, name, text string) string {
	t.Helper()
	p := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(p, []byte(text), 0o666))
	return p
}

func TestAReadIsOfARegularFileUpToTheLimit(t *testing.T) {
	dir := t.TempDir()
	five := put(t, dir, "five", "12345")
	put(t, dir, "six", "123456")
	require.NoError(t, os.Symlink("five", filepath.Join(dir, "link")))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder"), 0o777))
	plain := func(name string) ([]byte, error) { return files.ReadCapped(filepath.Join(dir, name), 5) }
	linked := func(name string) ([]byte, error) { return files.ReadCappedLinked(filepath.Join(dir, name), 5) }
	inFS := func(name string) ([]byte, error) { return files.ReadCappedFS(os.DirFS(dir), name, 5) }
	for what, read := range map[string]func(string) ([]byte, error){"a path": plain, "a path that may be a link": linked, "a file system": inFS} {
		t.Run(what, func(t *testing.T) {
			b, err := read("five")
			require.NoError(t, err)
			assert.Equal(t, "12345", string(b))
			_, err = read("six")
			require.EqualError(t, err, "got 6 bytes, wanted a regular file of at most 5 bytes")
			unfit := new(files.Unfit)
			require.ErrorAs(t, err, &unfit)
			assert.True(t, unfit.TooLarge())
			_, err = read("folder")
			require.EqualError(t, err, "got a directory, wanted a regular file of at most 5 bytes")
			require.ErrorAs(t, err, &unfit)
			assert.False(t, unfit.TooLarge())
			_, err = read("absent")
			require.ErrorIs(t, err, fs.ErrNotExist)
		})
	}
	_, err := plain("link")
	require.EqualError(t, err, "got a symbolic link, wanted a regular file of at most 5 bytes")
	b, err := linked("link")
	require.NoError(t, err)
	assert.Equal(t, "12345", string(b))

	_, err = files.HashFile(filepath.Join(dir, "link"))
	require.ErrorContains(t, err, "link: got a symbolic link, wanted a regular file")
	_, err = files.HashFile(dir)
	require.ErrorContains(t, err, "got a directory, wanted a regular file")
	id, err := files.HashFile(five)
	require.NoError(t, err)
	assert.Equal(t, files.IdentityOf([]byte("12345")), id)
}

func TestACappedReaderTellsOfOneByteTooMany(t *testing.T) {
	for size := range 8 {
		text := strings.Repeat("x", size)
		b, err := io.ReadAll(files.Capped(iotest.OneByteReader(strings.NewReader(text)), 5))
		if size <= 5 {
			require.NoError(t, err, size)
			require.Equal(t, text, string(b))
			continue
		}
		require.EqualError(t, err, "got more than 5 bytes, wanted a regular file of at most 5 bytes")
		require.Len(t, b, 5)
		_, err = io.Copy(io.Discard, files.Capped(bytes.NewBufferString(text), 5))
		require.ErrorContains(t, err, "more than 5 bytes")
	}
}

func TestAFileThatIsReadTakesItsSizeInMemory(t *testing.T) {
	p := put(t, t.TempDir(), "f", strings.Repeat("x", 1<<20))
	b, err := files.ReadCapped(p, 1<<30)
	require.NoError(t, err)
	require.Len(t, b, 1<<20)
	require.Less(t, cap(b), 1<<20+8192)
}
