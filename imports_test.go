package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"testing"

	"os"

	"github.com/stretchr/testify/require"
)

const module = "github.com/embedgate/embedgate/"

// onlyThere says which folders alone may import a library. A folder covers
// what lies below it. Reasons: docs/design.md, "Layout".
var onlyThere = map[string][]string{
	"github.com/spf13/cobra":            {"cli"},
	"github.com/goccy/go-yaml":          {"pipeline", "internal/workflowtest"},
	"github.com/schollz/progressbar":    {"pipeline"},
	"github.com/yalue/onnxruntime_go":   {"providers/ort"},
	"github.com/sugarme/tokenizer":      {"providers/tokenize"},
	"github.com/olekukonko/tablewriter": {"report"},
	"gonum.org/v1/gonum":                {"validate"},
	"oras.land/oras-go":                 {"publish"},
	"gonum.org/v1/plot":                 {"report"},
	"google.golang.org/protobuf":        {"export/onnxfile"},
}

// mustNotKnow says which parts of embedgate a folder must not import, tests
// excepted.
var mustNotKnow = map[string][]string{
	"internal/fault":      {""},
	"internal/progress":   {""},
	"internal/strictjson": {""},
	"internal/files":      {""},
	"internal/procgroup":  {""},
	"pipeline/policy":     {"providers", "validate", "publish", "report", "cli", "golden"},
	"export":              {"providers", "validate", "publish", "report", "cli", "pipeline/policy"},
	"golden":              {"providers", "validate", "publish", "report", "cli", "pipeline/policy"},
	"providers":           {"validate", "publish", "report", "cli", "pipeline/policy", "golden"},
	"providers/tokenize":  {"providers/ort", "export"},
	"validate/stats":      {""},
	"validate":            {"publish", "report", "cli"},
	"publish":             {"report", "cli", "providers/ort"},
	"report":              {"providers/ort", "cli", "export/pyenv"},
}

// judgingIsPure: the gate's own package measures nothing and runs nothing.
var judgingIsPure = []string{"providers/ort", "providers/tokenize", "validate/measure", "export/pyenv", "export/source"}

type imported struct{ dir, file, path string }

func goImports(t *testing.T, root fs.FS, tests bool) (all []imported) {
	require.NoError(t, fs.WalkDir(root, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || (p != "." && strings.HasPrefix(d.Name(), "."))) {
			return fs.SkipDir
		}
		if d.IsDir() || path.Ext(p) != ".go" || (!tests && strings.HasSuffix(p, "_test.go")) {
			return nil
		}
		src, err := fs.ReadFile(root, p)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), p, src, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, i := range f.Imports {
			v, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			all = append(all, imported{path.Dir(p), p, v})
		}
		return nil
	}))
	return all
}

func under(p, dir string) bool { return dir == "" || p == dir || strings.HasPrefix(p, dir+"/") }

func faults(all []imported) (bad []string) {
	for _, i := range all {
		for lib, dirs := range onlyThere {
			if !under(i.path, lib) && !strings.HasPrefix(i.path, lib+"/") {
				continue
			}
			ok := false
			for _, d := range dirs {
				ok = ok || under(i.dir, d)
			}
			if !ok {
				bad = append(bad, i.file+" imports "+i.path+", which only "+strings.Join(dirs, ", ")+" may")
			}
		}
		own, isOwn := strings.CutPrefix(i.path, module)
		if !isOwn || strings.HasSuffix(i.file, "_test.go") || under(i.dir, "export/exporttest") || under(i.dir, "providers/providertest") {
			continue
		}
		for dir, not := range mustNotKnow {
			for _, n := range not {
				if under(i.dir, dir) && under(own, n) && !under(own, dir) {
					bad = append(bad, i.file+" imports "+own+", which "+dir+" must not know")
				}
			}
		}
		for _, n := range judgingIsPure {
			if under(i.dir, "validate") && !under(i.dir, "validate/measure") && under(own, n) {
				bad = append(bad, i.file+" imports "+own+", but judging never measures")
			}
		}
	}
	return bad
}

func TestThePackagesKeepTheImportRules(t *testing.T) {
	all := goImports(t, os.DirFS("."), true)
	require.NotEmpty(t, all)
	require.Empty(t, faults(all))
}

func TestTheImportRulesFindABreach(t *testing.T) {
	for name, i := range map[string]imported{
		"a table outside report":       {"cli", "cli/x.go", "github.com/olekukonko/tablewriter"},
		"a runtime in the gate":        {"validate/gate", "validate/gate/x.go", module + "providers/ort"},
		"an exporter that knows gates": {"export", "export/x.go", module + "validate"},
		"a fault that knows anything":  {"internal/fault", "internal/fault/x.go", module + "golden"},
	} {
		t.Run(name, func(t *testing.T) { require.Len(t, faults([]imported{i}), 1) })
	}
}
