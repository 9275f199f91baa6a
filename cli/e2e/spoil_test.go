package e2e_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/export/onnxfile/onnxedit"
	"github.com/embedgate/embedgate/internal/files"
)

// What a script's variables name: the candidate that spoil copies, and the
// model directory that source copies.
const (
	envCandidate = "CANDIDATE"
	envSource    = "SOURCE"
)

// spoil HOW DIR: a copy of $CANDIDATE in DIR, wrong in one way and sealed
// again, so that every digest in it is right.
func spoil(ts *testscript.TestScript, _ bool, args []string) {
	how, dir := args[0], ts.MkAbs(args[1])
	ts.Check(os.CopyFS(dir, os.DirFS(ts.Getenv(envCandidate))))
	c, err := candidate.ReadManifest(dir)
	ts.Check(err)
	model := filepath.Join(dir, "fp32.onnx")
	floats := func(change func([]float32)) {
		b, err := os.ReadFile(model)
		ts.Check(err)
		// Of a layer: most rows of the larger tables belong to no text.
		name, err := onnxedit.Largest(b, 1<<20)
		ts.Check(err)
		ts.Check(onnxedit.Floats(b, name, change))
		ts.Check(os.WriteFile(model, b, 0o666))
	}
	switch how {
	case "nothing":
		return
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
		id, err := files.HashFile(path)
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

// source DIR: a copy of the model's files in DIR, to be changed there.
func source(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: source DIR")
	}
	ts.Check(os.CopyFS(ts.MkAbs(args[0]), os.DirFS(ts.Getenv(envSource))))
}

var (
	sourceLine = regexp.MustCompile(`(?m)^  source: .*$`)
	pinLine    = regexp.MustCompile(`(?m)^    (\S+): [0-9a-f]{64}$`)
)

// pin POLICY DIR: the policy reads the model from DIR, with whatever digests
// the files there have.
func pin(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: pin POLICY DIR")
	}
	path := ts.MkAbs(args[0])
	b, err := os.ReadFile(path)
	ts.Check(err)
	s := sourceLine.ReplaceAllString(string(b), "  source: dir:"+args[1])
	s = pinLine.ReplaceAllStringFunc(s, func(line string) string {
		name := pinLine.FindStringSubmatch(line)[1]
		f, err := files.HashFile(filepath.Join(ts.MkAbs(args[1]), filepath.FromSlash(name)))
		ts.Check(err)
		return "    " + name + ": " + f.SHA256
	})
	ts.Check(os.WriteFile(path, []byte(s), 0o666))
}
