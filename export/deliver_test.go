package export

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/internal/fault"
)

func TestDeliverReplacesACandidateAloneAndNothingInsideARelease(t *testing.T) {
	put := func(t *testing.T, path, text string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o666))
	}
	manifest := `{"schema":1,"model":"m","source":{"spec":"dir:m","files":{"tokenizer.json":""}},"embedding":{"pooling":"mean","normalize":true,"max_tokens":16,"dimension":3},` +
		`"versions":{},"variants":{"fp32":{"file":"fp32.onnx","precision":"fp32","opset":18,"forward":"plain","inputs":null,"outputs":null}},` +
		`"files":{"fp32.onnx":{"sha256":"","bytes":0},"tokenizer.json":{"sha256":"","bytes":0}}}`
	old := func(t *testing.T, dir string) {
		put(t, filepath.Join(dir, candidate.ManifestName), manifest)
		put(t, filepath.Join(dir, "fp32.onnx"), "")
		put(t, filepath.Join(dir, "tokenizer.json"), "")
	}
	for name, c := range map[string]struct {
		make func(t *testing.T, root string) (out string)
		want string // "" where it may be replaced
	}{
		"what is not there":  {func(t *testing.T, root string) string { return filepath.Join(root, "deep", "out") }, ""},
		"an empty directory": {func(t *testing.T, root string) string { return root }, ""},
		"a candidate":        {func(t *testing.T, root string) string { old(t, root); return root }, ""},
		"a candidate with somebody's file": {func(t *testing.T, root string) string {
			old(t, root)
			put(t, filepath.Join(root, "thesis.txt"), "years of work")
			return root
		}, "thesis.txt"},
		"a candidate with a file in a folder": {func(t *testing.T, root string) string {
			old(t, root)
			put(t, filepath.Join(root, "notes", "thesis.txt"), "years of work")
			return root
		}, "notes/thesis.txt"},
		"a candidate from which a file is gone": {func(t *testing.T, root string) string {
			old(t, root)
			require.NoError(t, os.Remove(filepath.Join(root, "tokenizer.json")))
			return root
		}, "tokenizer.json"},
		"a release's model": {func(t *testing.T, root string) string {
			put(t, filepath.Join(root, releaseName), "{}")
			old(t, filepath.Join(root, "model"))
			return filepath.Join(root, "model")
		}, "inside the release"},
		"a release": {func(t *testing.T, root string) string {
			put(t, filepath.Join(root, releaseName), "{}")
			return root
		}, "inside the release"},
		"a new place deep in a release": {func(t *testing.T, root string) string {
			put(t, filepath.Join(root, releaseName), "{}")
			return filepath.Join(root, "a", "b")
		}, "inside the release"},
		"a release behind a link": {func(t *testing.T, root string) string {
			put(t, filepath.Join(root, "r", releaseName), "{}")
			require.NoError(t, os.Symlink(filepath.Join(root, "r"), filepath.Join(root, "link")))
			return filepath.Join(root, "link", "model")
		}, "inside the release"},
		"a link": {func(t *testing.T, root string) string {
			require.NoError(t, os.Symlink(t.TempDir(), filepath.Join(root, "link")))
			return filepath.Join(root, "link")
		}, "no directory"},
		"a file": {func(t *testing.T, root string) string {
			put(t, filepath.Join(root, "f"), "mine")
			return filepath.Join(root, "f")
		}, "no directory"},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Out: c.make(t, t.TempDir())}
			_, err := o.replaceable()
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
			require.Equal(t, fault.Usage, fault.KindOf(err))
			_, err = Run(t.Context(), o)
			require.ErrorContains(t, err, c.want, "before anything is fetched")
		})
	}
}
