package bundle

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/internal/files"
)

// A sparse archive of 10 KB can fill 3.1 GB of disk.
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

// All that a sparse file claims is true here, so that only the rule about holes
// refuses it: 10 KB of archive would become 32 MiB on disk.
func TestASparseBundleIsRefusedAndNothingIsLeft(t *testing.T) {
	const size = 32 << 20
	dir := sparseParts(t, size, files.HashBytes(make([]byte, size)))
	out := filepath.Join(t.TempDir(), "out")
	_, err := Join(t.Context(), dir, out)
	require.ErrorContains(t, err, "embedgate: got a sparse file")
	requireNothing(t, out)
}

// sparseParts is a bundle of one file with nothing but a hole of size bytes.
func sparseParts(t testing.TB, size int64, sha string) string {
	raw, err := json.Marshal(Manifest{Schema: schema, Files: map[string]candidate.File{"embedgate": {SHA256: sha, Bytes: size}}})
	require.NoError(t, err)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	require.NoError(t, w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: ManifestName, Size: int64(len(raw))}))
	_, err = w.Write(raw)
	require.NoError(t, err)
	data := append([]byte("0\n"), make([]byte, 510)...)
	require.NoError(t, w.WriteHeader(&tar.Header{
		Name: "embedgate", Typeflag: tar.TypeReg, Size: int64(len(data)), Format: tar.FormatPAX,
		PAXRecords: map[string]string{"GNU.spars3.major": "1", "GNU.spars3.minor": "0", "GNU.spars3.name": "embedgate", "GNU.spars3.realsize": strconv.FormatInt(size, 10)},
	}))
	_, err = w.Write(data)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	part := bytes.ReplaceAll(b.Bytes(), []byte("GNU.spars3."), []byte("GNU.sparse."))
	require.Less(t, len(part), 1<<14)
	dir := filepath.Join(t.TempDir(), "parts")
	require.NoError(t, os.Mkdir(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "part-000"), part, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, sumsName), []byte(files.HashBytes(part)+"  part-000\n"), 0o644))
	return dir
}
