package compute_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/golden/compute"
	"github.com/embedgate/embedgate/internal/fault"
)

const oneText = `{"id":"a","group":"g","text":"hello"}` + "\n"

// names lists what lies in a directory.
func names(t *testing.T, dir string) (l []string) {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		l = append(l, e.Name())
	}
	return l
}

func TestADirectoryThatIsNoGoldenIsNeverReplaced(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(out string) error
		only    []string
	}{
		"by a golden":               {func(out string) error { return os.Mkdir(out, 0o755) }, nil},
		"by a sample":               {func(out string) error { return os.Mkdir(out, 0o755) }, []string{"a"}},
		"when it is a file instead": {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			parent := t.TempDir()
			out := filepath.Join(parent, "precious")
			kept := out
			if c.prepare != nil {
				require.NoError(t, c.prepare(out))
				kept = filepath.Join(out, "thesis.txt")
			}
			require.NoError(t, os.WriteFile(kept, []byte("years of work"), 0o644))
			err := compute.Run(context.Background(), compute.Options{Python: "/nonexistent", Texts: []byte(oneText), Out: out, Only: c.only})
			require.Error(t, err)
			assert.Equal(t, fault.Usage, fault.KindOf(err))
			b, err := os.ReadFile(kept)
			require.NoError(t, err)
			assert.Equal(t, "years of work", string(b))
			assert.Equal(t, []string{"precious"}, names(t, parent), "nothing half made is left")
		})
	}
}

func TestAScriptThatFailsLeavesTheGoldenAsItWas(t *testing.T) {
	parent := t.TempDir()
	out := filepath.Join(parent, "golden")
	require.NoError(t, os.CopyFS(out, os.DirFS("../all-MiniLM-L6-v2")))
	before, err := golden.Read(out)
	require.NoError(t, err)
	python := filepath.Join(t.TempDir(), "python")
	require.NoError(t, os.WriteFile(python, []byte("#!/bin/sh\necho 'error: no such luck' >&2\nexit 2\n"), 0o755))

	err = compute.Run(context.Background(), compute.Options{Python: python, Texts: []byte(oneText), Out: out})
	require.ErrorContains(t, err, "no such luck")
	assert.Equal(t, fault.Usage, fault.KindOf(err))
	after, err := golden.Read(out)
	require.NoError(t, err)
	assert.Equal(t, before.Digest, after.Digest)
	assert.Equal(t, []string{"golden"}, names(t, parent))
}

func TestWhatIsNoWholeGoldenDoesNotReplaceOne(t *testing.T) {
	parent := t.TempDir()
	out := filepath.Join(parent, "golden")
	require.NoError(t, os.CopyFS(out, os.DirFS("../all-MiniLM-L6-v2")))
	// A fake script that reports success and wrote invalid files.
	python := filepath.Join(t.TempDir(), "python")
	require.NoError(t, os.WriteFile(python, []byte(`#!/bin/sh
while [ "$1" != --out ]; do shift; done
echo '{}' >"$2/golden.json"; : >"$2/golden.safetensors"
echo '{"event":"manifest"}'
`), 0o755))
	err := compute.Run(context.Background(), compute.Options{Python: python, Texts: []byte(oneText), Out: out})
	require.ErrorContains(t, err, "schema")
	_, err = golden.Read(out)
	require.NoError(t, err)
	assert.Equal(t, []string{"golden"}, names(t, parent))
}

func TestBadTextsAreRefusedBeforeAnythingRuns(t *testing.T) {
	err := compute.Run(context.Background(), compute.Options{Python: "/nonexistent", Texts: []byte(oneText + oneText), Out: filepath.Join(t.TempDir(), "x")})
	require.ErrorContains(t, err, "an id of its own")
	assert.Equal(t, fault.Usage, fault.KindOf(err))
}
