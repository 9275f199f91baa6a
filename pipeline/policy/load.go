package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
)

// maxBytes is ten times what a long policy has. It bounds what a hostile file
// costs: the parser compares each key of a mapping with each other, which took
// minutes for 1 MiB of keys.
const maxBytes = 64 << 10

// Load reads and checks a policy file. Its errors are *fault.Error of kind
// Usage and name the file and, where the parser knows it, the line.
func Load(path string) (Policy, error) {
	f, err := os.Open(path)
	if err != nil {
		e := &fault.Error{Kind: fault.Usage, Thing: path, Wanted: "a policy file", Err: err}
		if errors.Is(err, os.ErrNotExist) {
			e.Got, e.Err = "no such file", nil
			e.Next = "run embedgate where policy.yaml is, or name one with --policy FILE"
		}
		return Policy{}, e
	}
	defer func() { _ = f.Close() }() // read only: nothing to lose
	b, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return Policy{}, &fault.Error{Kind: fault.Usage, Thing: path, Wanted: "a readable policy file", Err: err}
	}
	return Parse(path, b)
}

// Parse reads and checks the bytes of a policy file; name is used in errors.
func Parse(name string, b []byte) (Policy, error) {
	p, err := parse(b)
	if err != nil {
		return Policy{}, &fault.Error{
			Kind: fault.Usage, Thing: name, Err: err,
			Next: "correct the policy; docs/policy.md lists every key",
		}
	}
	p.Digest, p.Raw = files.HashBytes(b), bytes.Clone(b)
	return p, nil
}

func parse(b []byte) (p Policy, err error) {
	if len(b) > maxBytes {
		return p, fmt.Errorf("got over %d bytes, wanted a policy file", maxBytes)
	}
	if err := shallow(b); err != nil {
		return p, err
	}
	// The parser is a library that outsiders' bytes reach: a panic in it is
	// their file's fault, not ours.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("not YAML: %v", r)
		}
	}()
	tree, err := parser.ParseBytes(b, 0)
	if err != nil {
		return p, fmt.Errorf("not YAML: %s", yaml.FormatError(err, false, true))
	}
	if n := len(tree.Docs); n != 1 || tree.Docs[0].Body == nil {
		return p, fmt.Errorf("got %d YAML documents, wanted one that is not empty", n)
	}
	if a := findAlias(tree.Docs[0].Body); a != nil {
		return p, fmt.Errorf("line %d: anchors, aliases and merge keys are not used in a policy: a reader must see each value where it holds", a.GetToken().Position.Line)
	}
	if err := checkSchema(tree.Docs[0].Body); err != nil {
		return p, err
	}
	if err := checkNode(tree.Docs[0].Body, reflect.TypeFor[Policy](), ""); err != nil {
		return p, err
	}
	if err := yaml.NewDecoder(bytes.NewReader(b), yaml.Strict()).Decode(&p); err != nil {
		return p, errors.New(inWords(strings.TrimSpace(yaml.FormatError(err, false, true))))
	}
	return p, p.check()
}

type aliasFinder struct{ found ast.Node }

func (f *aliasFinder) Visit(n ast.Node) ast.Visitor {
	switch n.Type() {
	case ast.AliasType, ast.AnchorType, ast.MergeKeyType:
		f.found = n
	}
	if f.found != nil {
		return nil
	}
	return f
}

func findAlias(n ast.Node) ast.Node {
	f := &aliasFinder{}
	ast.Walk(f, n)
	return f.found
}

// A policy is shallow, and its lines are short: the parser's memory grows with
// the square of how deep brackets or dashes are nested.
const (
	maxDepth = 50
	maxLine  = 4000 // bytes
)

// shallow refuses what no person writes. It takes brackets in comments and
// quotes for brackets, which are closed there, too.
func shallow(b []byte) error {
	depth, n := 0, 0
	for line := range bytes.Lines(b) {
		n++
		if len(line) > maxLine {
			return fmt.Errorf("line %d: got %d bytes, wanted at most %d", n, len(line), maxLine)
		}
		for _, c := range line {
			switch c {
			case '[', '{':
				depth++
			case ']', '}':
				depth = max(depth-1, 0)
			}
			if depth > maxDepth {
				return fmt.Errorf("line %d: got brackets in brackets over %d deep, wanted fewer", n, maxDepth)
			}
		}
		if dashes := bytes.Count(line, []byte("- ")); dashes > maxDepth {
			return fmt.Errorf("line %d: got %d lists in lists, wanted at most %d", n, dashes, maxDepth)
		}
	}
	return nil
}
