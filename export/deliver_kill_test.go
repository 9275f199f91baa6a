package export

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/export/onnxfile/onnxedit"
	"github.com/embedgate/embedgate/internal/files"
)

// deliverEnv names, to this test binary started again, the candidates to
// deliver in turn and where, until it is killed.
const deliverEnv = "EMBEDGATE_TEST_DELIVER"

func TestMain(m *testing.M) {
	raw, ok := os.LookupEnv(deliverEnv)
	if !ok {
		os.Exit(m.Run())
	}
	dirs := strings.Split(raw, string(filepath.ListSeparator))
	for i := 0; ; i++ {
		c, err := candidate.Read(dirs[1+i%2])
		if err != nil {
			panic(err)
		}
		if err := (Options{Out: dirs[0]}).deliver(context.Background(), &Result{Candidate: c}); err != nil {
			panic(err)
		}
	}
}

// small seals a candidate without the help of Python.
func small(t *testing.T, model string) candidate.Candidate {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "fp32.onnx"), onnxedit.Model{}.Bytes(), 0o666))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tokenizer.json"), []byte("{}"), 0o666))
	const emptyObject = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
	c, err := candidate.Seal(dir, candidate.Manifest{
		Model:     model,
		Source:    candidate.Source{Spec: "dir:m", Files: map[string]string{"model.safetensors": strings.Repeat("0", 64), "tokenizer.json": emptyObject}},
		Embedding: candidate.Embedding{Pooling: candidate.PoolMean, Normalize: true, MaxTokens: 16, Dimension: 3},
		Versions:  map[string]string{"torch": "1"},
		Variants:  map[string]candidate.Variant{"fp32": {File: "fp32.onnx", Precision: candidate.FP32, Opset: 18, Forward: "plain"}},
	})
	require.NoError(t, err)
	return c
}

func TestADeliveryThatIsKilledLeavesTheOldCandidateOrTheNewOne(t *testing.T) {
	a, b := small(t, "a"), small(t, "b")
	out := filepath.Join(t.TempDir(), "out")
	require.NoError(t, Options{Out: out}.deliver(t.Context(), &Result{Candidate: a}))
	exe, err := os.Executable()
	require.NoError(t, err)
	kills := 40
	if testing.Short() {
		kills = 5
	}
	for i := range kills {
		c := exec.Command(exe)
		c.Env = append(os.Environ(), deliverEnv+"="+strings.Join([]string{out, a.Dir, b.Dir}, string(filepath.ListSeparator)))
		c.Stderr = t.Output()
		require.NoError(t, c.Start())
		time.Sleep(20*time.Millisecond + time.Duration(i)*1700*time.Microsecond)
		require.NoError(t, c.Process.Kill())
		require.Error(t, c.Wait())
		require.Equal(t, -1, c.ProcessState.ExitCode(), "it was killed and did not fail before")
		if runtime.GOOS == "linux" { // which can exchange two folders
			require.DirExists(t, out, "after kill %d", i)
		}
		require.NoError(t, files.RestoreDir(out)) // what Run does first
		left, err := candidate.Read(out)
		require.NoError(t, err, "after kill %d", i)
		require.Contains(t, []string{a.Digest, b.Digest}, left.Digest)
		got := &Result{Candidate: a}
		require.NoError(t, Options{Out: out}.deliver(t.Context(), got))
		require.Equal(t, a.Digest, got.Candidate.Digest)
	}
}

// Where folders cannot be exchanged, the old one lies beside for a moment. A
// run that stops then loses nothing: the next one finds it again, whatever
// becomes of that run.
func TestACandidateThatAKilledDeliveryMovedAsideIsRestored(t *testing.T) {
	a := small(t, "a")
	root := t.TempDir()
	out := filepath.Join(root, "out")
	require.NoError(t, Options{Out: out}.deliver(t.Context(), &Result{Candidate: a}))
	require.NoError(t, os.Rename(out, filepath.Join(root, ".out.embedgate-old")))
	_, err := Run(t.Context(), Options{Out: out, Spec: "nonsense"})
	require.Error(t, err)
	got, err := candidate.Read(out)
	require.NoError(t, err)
	require.Equal(t, a.Digest, got.Digest)
	entries, err := os.ReadDir(root)
	require.NoError(t, err)
	require.Len(t, entries, 1)
}
