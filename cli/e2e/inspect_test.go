package e2e_test

import (
	"os"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/embedgate/embedgate/export/onnxfile/onnxedit"
)

// encoder FILE ROWS COLS MASK: a small sentence encoder as an ONNX file, its
// axes sizes or symbols. MASK is one of onnxedit's, or "external" for one
// whose weights are elsewhere.
func encoder(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: encoder FILE ROWS COLS MASK")
	}
	g := onnxedit.Encoder{Rows: args[1], Cols: args[2], Mask: onnxedit.Mask(args[3])}.Graph()
	if args[3] == "external" {
		g.Initializers[0].Raw, g.Initializers[0].External = nil, "weights.bin"
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), g.Bytes(), 0o666))
}

// cut FILE: its second half goes.
func cut(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: cut FILE")
	}
	i, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), i.Size()/2))
}
