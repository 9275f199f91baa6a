package bundle

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/tools/bench/hostile"
)

// BenchmarkHostileBundle measures hostile bundles in parts.
func BenchmarkHostileBundle(b *testing.B) {
	join := func(tb testing.TB, dir string) error {
		_, err := Join(tb.Context(), dir, filepath.Join(dir, "joined"))
		return err
	}
	many := func(name func(int) string) func(testing.TB, string) {
		return func(tb testing.TB, dir string) {
			m := Manifest{Schema: schema, Files: map[string]candidate.File{}}
			for i := range 30_000 { // some 3 MB of the manifest's 4
				m.Files[name(i)] = candidate.File{SHA256: files.HashBytes(nil)}
			}
			require.NoError(tb, os.CopyFS(dir, os.DirFS(archive(tb, m))))
		}
	}
	hostile.Bench(b,
		hostile.Case{Name: "many files", Make: many(func(i int) string {
			return "f" + files.HashBytes([]byte{byte(i), byte(i >> 8)})[:20]
		}), Answer: join},
		hostile.Case{Name: "many folders", Make: many(func(i int) string { return files.HashBytes([]byte{byte(i), byte(i >> 8)})[:8] + "/a/b/c/d" }), Answer: join},
		hostile.Case{Name: "many sums", Make: func(tb testing.TB, dir string) {
			require.NoError(tb, os.WriteFile(filepath.Join(dir, sumsName), hostile.Fill("", files.HashBytes(nil)+"  part-000\n", ""), 0o644))
		}, Answer: join},
		hostile.Case{Name: "a sparse file", Make: func(tb testing.TB, dir string) {
			require.NoError(tb, os.CopyFS(dir, os.DirFS(sparseParts(tb, 400<<20, files.HashBytes(nil)))))
		}, Answer: join},
	)
}
