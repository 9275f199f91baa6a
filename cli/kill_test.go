package cli_test

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/exporttest"
	"github.com/embedgate/embedgate/pipeline"
)

// tinyTexts are few, so that a run that nobody kills takes seconds.
const tinyTexts = `{"id":"a","group":"g","text":"How do I reset my password?"}
{"id":"b","group":"g","text":"The parcel was left with a neighbour."}
{"id":"c","group":"g","text":"What is the capital of Australia?"}
{"id":"d","group":"g","text":"a much longer text about music and water, so that padding has something to do"}
`

// tiny is a folder with a policy for a tiny random BERT and its golden.
type tiny struct {
	dir string
	env []string
}

func newTiny(t *testing.T) tiny {
	t.Helper()
	src, files := exporttest.TinyModel(t, exporttest.TinyOptions{})
	w := tiny{dir: t.TempDir(), env: append(os.Environ(),
		"TMPDIR="+t.TempDir(), "XDG_CACHE_HOME="+t.TempDir(), "EMBEDGATE_PYTHON="+exporttest.Python(t), "EMBEDGATE_ORT_LIB="+exporttest.OrtLib(t))}
	b, err := os.ReadFile("../policy.yaml")
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
	out, err := w.command("golden", "--texts", "texts.jsonl", "--out", "golden").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return w
}

func (w tiny) command(args ...string) *exec.Cmd {
	c := exec.Command("embedgate", args...)
	if c.Err != nil { // testscript.Main puts the program on the PATH of scripts alone
		c = exec.Command(os.Args[0])
		c.Args = append([]string{"embedgate"}, args...)
	}
	c.Dir, c.Env = w.dir, w.env
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
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
		out, err := w.command("verify", filepath.Join(target, e.Name())).CombinedOutput()
		require.NoError(t, err, "%s", out)
		there = true
	}
	return there
}

// runKilled starts a run and kills it, children included, when kill says so.
func (w tiny) runKilled(t *testing.T, target string, kill func(stderr *bufio.Reader)) {
	t.Helper()
	c := w.command("run", "--to", target, "--providers", "cpu")
	stderr, err := c.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	r := bufio.NewReader(stderr)
	kill(r)
	_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
	_, _ = r.WriteTo(&bytes.Buffer{})
	_ = c.Wait()
}

func TestARunThatIsKilledLeavesNoPartialRelease(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the program dozens of times: run without -short")
	}
	w := newTiny(t)
	for _, st := range pipeline.Stages {
		t.Run("when "+st.String()+" begins", func(t *testing.T) {
			target := "dist-" + st.String()
			w.runKilled(t, target, func(r *bufio.Reader) {
				for {
					line, err := r.ReadString('\n')
					if err != nil || strings.HasPrefix(line, st.String()) {
						return
					}
				}
			})
			w.whole(t, target)
			w.succeeds(t, target)
		})
	}
	began := time.Now()
	w.succeeds(t, "dist-timed")
	full := time.Since(began)
	moments := rand.New(rand.NewPCG(1, 2))
	published := 0
	for range 50 {
		after := time.Duration(moments.Float64() * 1.1 * float64(full))
		w.runKilled(t, "dist", func(*bufio.Reader) { time.Sleep(after) })
		if w.whole(t, "dist") {
			published++
			require.NoError(t, os.RemoveAll(filepath.Join(w.dir, "dist")))
		}
	}
	t.Logf("%d of 50 killed runs had published already", published)
	w.succeeds(t, "dist")
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

func TestAFullDiskLeavesNoPartialRelease(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the whole program: run without -short")
	}
	w := newTiny(t)
	target := filepath.Join(w.dir, "small")
	require.NoError(t, os.Mkdir(target, 0o755))
	require.NoError(t, syscall.Mount("tmpfs", target, "tmpfs", 0, "size=256k"), "a small file system needs root; .ci/run has it")
	mounted := true
	defer func() {
		if mounted {
			_ = syscall.Unmount(target, syscall.MNT_DETACH)
		}
	}()
	c := w.command("run", "--to", "small", "--providers", "cpu")
	out, err := c.CombinedOutput()
	require.Error(t, err)
	require.Equal(t, 4, c.ProcessState.ExitCode(), "%s", out)
	require.Contains(t, string(out), "no space left")
	left, err := filepath.Glob(filepath.Join(target, "[^.]*"))
	require.NoError(t, err)
	require.Empty(t, left)
	require.NoError(t, syscall.Unmount(target, syscall.MNT_DETACH))
	mounted = false
	w.succeeds(t, "small")
}
