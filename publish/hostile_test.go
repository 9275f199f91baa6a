package publish

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/validate/check"
)

// Each of these files may be in a release. Only their number is wrong, and it is
// refused before any file is opened.
func TestAReleaseOfManyFilesIsRefusedByTheirNumber(t *testing.T) {
	const many = 20_000 // about 2.5 MB
	f := newFixture(t)
	dir := f.publish(t)
	forge(t, dir, func(m *Manifest) {
		for i := range many {
			m.Files[fmt.Sprintf("%s/extra-%05d.json", ModelDir, i)] = candidate.File{SHA256: m.Verdict, Bytes: 1}
		}
	})
	began := time.Now()
	require.Regexp(t, `manifest: release.json: got 200\d\d files, wanted at most 1000`, damaged(t, dir))
	require.Less(t, time.Since(began), 30*time.Second)
}

func TestALargeManifestIsRefusedBeforeItIsRead(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, ManifestName), make([]byte, maxManifest+1), 0o644))
	require.Contains(t, damaged(t, dir), "wanted a regular file of at most 4194304")
}

// The gate takes no context.
func TestRecheckEndsWithItsContext(t *testing.T) {
	f := newFixture(t)
	v := f.judge(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := recheck(ctx, check.Input{Policy: f.Policy, Golden: f.Set, Candidate: f.Candidate, Channel: "local"}, v, func(string) bool { return true })
	require.ErrorIs(t, err, context.Canceled)
}
