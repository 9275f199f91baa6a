package e2e_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/exporttest"
)

// tinyTexts are few, so that a run that nobody kills takes seconds.
const tinyTexts = `{"id":"a","group":"g","text":"How do I reset my password?"}
{"id":"b","group":"g","text":"The parcel was left with a neighbour."}
{"id":"c","group":"g","text":"What is the capital of Australia?"}
{"id":"d","group":"g","text":"a much longer text about music and water, so that padding has something to do"}
`

// tiny is a folder with a policy for a tiny random BERT and its golden.
type tiny struct {
	dir, cache string
	env        []string
}

func newTiny(t *testing.T) tiny {
	t.Helper()
	src, files := exporttest.TinyModel(t, exporttest.TinyOptions{})
	w := tiny{dir: t.TempDir(), cache: t.TempDir()}
	w.env = append(os.Environ(),
		"TMPDIR="+t.TempDir(), "XDG_CACHE_HOME="+w.cache, "EMBEDGATE_PYTHON="+exporttest.Python(t), "EMBEDGATE_ORT_LIB="+exporttest.OrtLib(t))
	b, err := os.ReadFile("../../policy.yaml")
	require.NoError(t, err)
	s := lax(string(b))
	head, rest, _ := strings.Cut(s, "model:\n")
	_, rest, _ = strings.Cut(rest, "\nvariants:")
	pins := ""
	for _, f := range slices.Sorted(maps.Keys(files)) {
		pins += fmt.Sprintf("    %s: %s\n", f, files[f])
	}
	s = head + "model:\n  name: tiny-bert\n  source: dir:" + src + "\n  golden: golden\n  files:\n" + pins + "\nvariants:" + rest
	// Four texts have three neighbours.
	s = strings.Replace(s, "top_k: 10", "top_k: 2", 1)
	require.NoError(t, os.WriteFile(filepath.Join(w.dir, "policy.yaml"), []byte(s), 0o666))
	require.NoError(t, os.WriteFile(filepath.Join(w.dir, "texts.jsonl"), []byte(tinyTexts), 0o666))
	w.goldenOf(t, "policy.yaml", "tiny-bert\x00"+pins)
	return w
}

func (w tiny) command(args ...string) *exec.Cmd {
	c := exec.Command("embedgate", args...)
	if c.Err != nil { // testscript.Main puts the program on the PATH of scripts alone
		c = exec.Command(os.Args[0])
		c.Args = append([]string{"embedgate"}, args...)
	}
	c.Dir, c.Env = w.dir, w.env
	return c
}

// whole requires that what is in target is a verified release, or nothing.
func (w tiny) whole(t *testing.T, target string) (there bool) {
	t.Helper()
	entries, _ := os.ReadDir(filepath.Join(w.dir, target))
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		out, err := w.command("verify", "--golden", "golden", filepath.Join(target, e.Name())).CombinedOutput()
		require.NoError(t, err, "%s", out)
		there = true
	}
	return there
}

func (w tiny) succeeds(t *testing.T, target string) {
	t.Helper()
	out, err := w.command("run", "--to", target, "--providers", "cpu").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.True(t, w.whole(t, target))
	left, err := filepath.Glob(filepath.Join(w.dir, target, ".tmp-*"))
	require.NoError(t, err)
	require.Empty(t, left, "the next run cleans what a dead one left")
}
