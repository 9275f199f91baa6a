package bundle

import (
	"archive/tar"
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// Some 10 KB of archive filled 3.1 GB of disk.
func TestASparseFileIsRefusedBeforeItIsWritten(t *testing.T) {
	const size = 3 << 30
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	data := append([]byte("0\n"), make([]byte, 510)...) // no fragment: all of it is a hole
	require.NoError(t, w.WriteHeader(&tar.Header{
		Name: "embedgate", Typeflag: tar.TypeReg, Size: int64(len(data)), Format: tar.FormatPAX,
		// Go's writer makes no sparse files; the word is put right below.
		PAXRecords: map[string]string{"GNU.spars3.major": "1", "GNU.spars3.minor": "0", "GNU.spars3.name": "embedgate", "GNU.spars3.realsize": "3221225472"},
	}))
	_, err := w.Write(data)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	h, err := tar.NewReader(bytes.NewReader(bytes.ReplaceAll(b.Bytes(), []byte("GNU.spars3."), []byte("GNU.sparse.")))).Next()
	require.NoError(t, err)
	require.EqualValues(t, size, h.Size, "it is a sparse file indeed")
	require.True(t, sparse(h))
	h, err = tar.NewReader(bytes.NewReader(b.Bytes())).Next()
	require.NoError(t, err)
	require.False(t, sparse(h))
}
