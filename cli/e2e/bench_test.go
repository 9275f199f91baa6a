package e2e_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkNewcomer is `go run . run` with nothing in the cache, not even Go's
// own: what it fetches, builds and measures, then the same again. The bars are
// for two slow cores. What the run says of this machine, PASS or not, is not
// judged here.
func BenchmarkNewcomer(b *testing.B) {
	for b.Loop() {
		cache, dist := b.TempDir(), filepath.Join(b.TempDir(), "dist")
		first, said := newcomerRun(b, cache, dist)
		m := regexp.MustCompile(`export +done in ([0-9a-z.]+)`).FindSubmatch(said)
		require.NotNil(b, m, "%s", said)
		export, err := time.ParseDuration(string(m[1]))
		require.NoError(b, err)
		again, said := newcomerRun(b, cache, dist)
		require.Contains(b, string(said), "taken from the cache")

		b.ReportMetric(first.Seconds(), "first-s")
		b.ReportMetric(export.Seconds(), "export-s")
		b.ReportMetric(again.Seconds(), "again-s")
		b.ReportMetric(float64(sizeOf(b, filepath.Join(cache, "embedgate")))/1e6, "cache-MB")
	}
}

// newcomerRun returns how long the command took and what it wrote.
func newcomerRun(b *testing.B, cache, dist string) (time.Duration, []byte) {
	c := exec.CommandContext(b.Context(), "go", "run", ".", "run", "--to", dist)
	c.Dir = "../.."
	c.Env = append(os.Environ(), "XDG_CACHE_HOME="+cache, "GOCACHE="+filepath.Join(cache, "go-build"))
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	began := time.Now()
	err := c.Run()
	took := time.Since(began)
	lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
	b.Logf("%v: %s", took.Round(time.Second), bytes.Join(lines[max(0, len(lines)-3):], []byte("\n")))
	var failed *exec.ExitError
	if err != nil { // a FAIL or INCONCLUSIVE of this machine has its times, too
		require.ErrorAs(b, err, &failed)
		require.Contains(b, out.String(), "self-test: the gate decided")
	}
	return took, out.Bytes()
}

// sizeOf is the sum of a folder's files, in bytes.
func sizeOf(b *testing.B, dir string) (sum int64) {
	require.NoError(b, filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		i, err := d.Info()
		if err == nil {
			sum += i.Size()
		}
		return err
	}))
	return sum
}
