package e2e_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/cli"
	"github.com/embedgate/embedgate/export/exporttest"
)

// The program runs as its own process, this test binary under another name, so
// that measuring children and signals are real.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"embedgate": func() {
			os.Exit(cli.Main(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
		},
	})
}

func TestCommands(t *testing.T) { scripts(t, "testdata/script", shipped(t)) }

func TestCommandsOnTheRealModel(t *testing.T) {
	if testing.Short() {
		t.Skip("exports and measures the real model: run without -short")
	}
	t.Parallel()
	// Made here, so that its set-up is told here rather than in each script.
	c := exporttest.Candidate(t)
	exporttest.OrtLib(t)
	setUp := shipped(t)
	scripts(t, "testdata/long", func(e *testscript.Env) error {
		e.Setenv(envCandidate, c.Dir)
		return setUp(e)
	})
}

// shipped leaves in each script's folder the shipped policy, and a lax one.
func shipped(t *testing.T) func(*testscript.Env) error {
	t.Helper()
	b, err := os.ReadFile("../../policy.yaml")
	require.NoError(t, err)
	return func(e *testscript.Env) error {
		if err := os.WriteFile(filepath.Join(e.WorkDir, "policy.yaml"), b, 0o666); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(e.WorkDir, "lax.yaml"), []byte(lax(string(b))), 0o666)
	}
}

// scripts runs the scripts of a directory, each in a folder that setUp fills.
func scripts(t *testing.T, dir string, setUp func(*testscript.Env) error) {
	t.Helper()
	user, err := os.UserCacheDir()
	require.NoError(t, err)
	testscript.Run(t, testscript.Params{
		Dir: dir, RequireExplicitExec: true, RequireUniqueNames: true, TestWork: false,
		Setup: func(e *testscript.Env) error {
			// The shared cache: environments and exports are made once.
			e.Setenv("XDG_CACHE_HOME", user)
			e.Setenv("HOME", os.Getenv("HOME"))
			return setUp(e)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "subst": subst, "flip": flip, "encoder": encoder, "cut": cut,
			"spoil": spoil, "source": source, "pin": pin, "judged": judged, "force": forceToCPU,
		},
	})
}

// laxSections replace the shipped policy's: one variant, providers of which
// this machine has the first, budgets that a busy machine meets, and as few
// samples as a PASS needs. Tests are of the gate, not of this machine's speed.
// The gate divides a budget by how unsteady the machine was, and a process that
// waits for its turn has turned up 400 times as unsteady as a quiet one.
var laxSections = map[string]string{
	"variants": "  fp32: {precision: fp32}\n",
	"latency": `  launches: 1
  samples: 90
  budgets:
    - {tokens: 16, batch: 1, percentile: 95, budget: 1h, confidence: 0.99}
`,
	"cold_start": "  budget: 300s\n",
	"memory":     "  budget: 4GiB\n",
	"providers": `  cpu: {variants: [fp32], placement: {min_flops: 1, allowed_fallback: []}}
  coreml: {variants: [fp32], placement: {min_flops: 0.99, allowed_fallback: []}}
  cuda: {variants: [fp32], placement: {min_flops: 0.99, allowed_fallback: []}}
  directml: {variants: [fp32], placement: {min_flops: 0.99, allowed_fallback: []}}
`,
}

// lax is the shipped policy with those sections.
func lax(s string) string {
	s = strings.Replace(s, ", portability: true", "", 1) // no provider below names a processor
	var b strings.Builder
	skip := false
	for line := range strings.Lines(s) {
		// A top-level key begins a section; an empty line ends it.
		if key, _, ok := strings.Cut(line, ":"); ok && !strings.ContainsAny(key, " #") {
			if section, there := laxSections[key]; there {
				skip = true
				b.WriteString(key + ":\n" + section + "\n")
				continue
			}
			skip = false
		}
		if !skip {
			b.WriteString(line)
		}
	}
	return b.String()
}

// exits CODE COMMAND…: the command ends with exactly this exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG…]")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	if e, ok := err.(interface{ ExitCode() int }); ok {
		got = e.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if want := args[0]; json.Number(want).String() != jsonInt(got) {
		ts.Fatalf("exit code %d, wanted %s\n%s", got, want, ts.ReadFile("stderr"))
	}
}

func jsonInt(n int) string {
	b, _ := json.Marshal(n)
	return string(b)
}

// flip FILE: one bit in the middle of the file.
func flip(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	b, err := os.ReadFile(path)
	ts.Check(err)
	b[len(b)/2] ^= 4
	ts.Check(os.WriteFile(path, b, 0o666))
}

// subst FILE OLD NEW: NEW for the first OLD, which must be there.
func subst(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	b, err := os.ReadFile(path)
	ts.Check(err)
	if !strings.Contains(string(b), args[1]) {
		ts.Fatalf("subst: %s does not hold %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(path, []byte(strings.Replace(string(b), args[1], args[2], 1)), 0o666))
}
