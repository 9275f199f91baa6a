package main

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

const module = "github.com/embedgate/embedgate/"

// A libraryRule says which folders alone may import a library, and why. A
// folder covers what lies below it.
type libraryRule struct {
	library string
	dirs    []string
	reason  string
}

var libraryRules = []libraryRule{
	{"github.com/spf13/cobra", []string{"cli"}, "flags are read in one place, and everything else takes plain values"},
	{"github.com/goccy/go-yaml", []string{"pipeline/policy", "internal/workflowtest"}, "the policy is the only YAML that a user writes"},
	{"github.com/schollz/progressbar", []string{"internal/progress"}, "libraries say what they do, and one printer decides how it looks"},
	{"github.com/yalue/onnxruntime_go", []string{"providers/ort"}, "one package knows ONNX Runtime's C API, its process-wide state and its memory"},
	{"github.com/sugarme/tokenizer", []string{"providers/tokenize"}, "it panics on malformed files, which that package keeps from everyone else"},
	{"github.com/olekukonko/tablewriter", []string{"report"}, "all tables look alike"},
	{"gonum.org/v1/gonum", []string{"validate"}, "statistics decide releases, and are tested in one place"},
	{"gonum.org/v1/plot", []string{"report"}, "all figures look alike"},
	{"oras.land/oras-go", []string{"publish"}, "registries are a publish target and nothing else"},
	{"google.golang.org/protobuf", []string{"export/onnxfile"}, "model files are hostile: one parser with limits reads them"},
}

// A wall says which parts of embedgate a folder must not import, tests
// excepted, and why. except are parts of them that it may.
type wall struct {
	dir    string
	not    []string
	except []string
	reason string
}

var walls = []wall{
	{dir: "internal", not: []string{""}, except: []string{"internal", "export/cache"}, reason: "everyone uses it, so it must not know anyone; the workflow's test fetches a tool into the cache"},
	{dir: "internal/fault", not: []string{""}, reason: "every error carries it"},
	{dir: "pipeline/policy", not: []string{"providers", "validate", "publish", "report", "cli", "golden"}, reason: "a policy says what is wanted, whoever does it"},
	{dir: "export", not: []string{"providers", "validate", "publish", "report", "cli", "pipeline", "golden"}, reason: "an export must not depend on what is later demanded of it"},
	{dir: "golden", not: []string{"providers", "validate", "publish", "report", "cli", "pipeline"}, reason: "the golden is computed without what it judges"},
	{dir: "providers", not: []string{"validate", "publish", "report", "cli", "pipeline", "golden"}, reason: "a provider computes vectors and does not know that it is judged"},
	{dir: "providers/tokenize", not: []string{"providers/ort", "export"}, reason: "it is also used without a runtime"},
	{dir: "validate", not: []string{"publish", "report", "cli", "pipeline"}, except: []string{"pipeline/policy"}, reason: "judging does not depend on who asks, or on what is done with the answer"},
	{dir: "validate/stats", not: []string{""}, reason: "it knows numbers, and no policy"},
	{dir: "validate/evidence", not: []string{"validate"}, except: []string{"validate/stats"}, reason: "evidence is raw: it does not know how it is judged"},
	{dir: "validate/verdict", not: []string{"validate"}, except: []string{"validate/evidence", "validate/stats"}, reason: "a verdict is read by programs that judge nothing"},
	{dir: "validate/check", not: []string{"validate"}, except: []string{"validate/check", "validate/evidence", "validate/verdict", "validate/stats"}, reason: "a check does not know which other checks there are, or who asks it"},
	{dir: "validate/check/good", not: []string{"validate/check/binding", "validate/check/numbers", "validate/check/placement", "validate/check/speed"}, reason: "known-good cases are made without the checks that must accept them"},
	{dir: "validate/measure", not: []string{"validate"}, except: []string{"validate/measure", "validate/evidence", "validate/stats"}, reason: "measuring never judges: no threshold and no verdict is known there"},
	{dir: "publish", not: []string{"report", "cli", "providers/ort", "validate/measure"}, reason: "a release is made of files that were measured before"},
	{dir: "publish/store", not: []string{"export", "golden", "providers", "validate", "pipeline", "publish"}, reason: "it is what every store must do, whatever is in a release"},
	{dir: "publish/dirstore", not: []string{"golden", "providers", "validate", "pipeline", "publish"}, except: []string{"publish/store"}, reason: "a store writes files and does not know what makes a release right"},
	{dir: "pipeline/inspect", not: []string{""}, reason: "it is a result, and says nothing of how it is found"},
	{dir: "embed", not: []string{"cli", "report", "pipeline", "validate/gate", "validate/check", "validate/measure"}, reason: "other programs import it: it opens what was proven and proves nothing"},
	{dir: "report", not: []string{"providers", "export", "cli", "pipeline"}, except: []string{"pipeline/inspect"}, reason: "it formats results, and must be able to do so on a machine that has nothing"},
	{dir: "cli", not: []string{"providers", "export", "golden", "publish"}, reason: "a command reads flags, calls the pipeline and prints; what it does can then be called without it"},
}

// purePackages judge: they are functions of their input.
var purePackages = []string{"validate/gate", "validate/check", "validate/evidence", "validate/verdict", "validate/stats"}

// impure is what they must not import, since it runs or fetches something.
var impure = []string{"providers/ort", "providers/tokenize", "providers/library", "validate/measure", "export/pyenv", "export/source"}

// testPackages are for tests alone, and may import what those may.
var testPackages = []string{"export/exporttest", "providers/providertest", "providers/ort/internal/modeltest", "providers/ort/internal/benchtest", "publish/storetest", "validate/validatetest", "validate/gate/gatetest", "validate/measure/measuretest"}

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

func underAny(p string, dirs []string) bool {
	return slices.ContainsFunc(dirs, func(d string) bool { return under(p, d) })
}

func breaches(all []imported) (bad []string) {
	for _, i := range all {
		for _, r := range libraryRules {
			if under(i.path, r.library) && !underAny(i.dir, r.dirs) {
				bad = append(bad, fmt.Sprintf("%s imports %s, which only %s may: %s", i.file, i.path, strings.Join(r.dirs, " and "), r.reason))
			}
		}
		own, isOwn := strings.CutPrefix(i.path, module)
		if !isOwn || strings.HasSuffix(i.file, "_test.go") || underAny(i.dir, testPackages) {
			continue
		}
		if underAny(own, testPackages) {
			bad = append(bad, fmt.Sprintf("%s imports %s, which is for tests", i.file, own))
		}
		for _, w := range walls {
			if under(i.dir, w.dir) && underAny(own, w.not) && !underAny(own, w.except) && !under(own, w.dir) {
				bad = append(bad, fmt.Sprintf("%s imports %s, which %s must not know: %s", i.file, own, w.dir, w.reason))
			}
		}
		if underAny(i.dir, purePackages) && underAny(own, impure) {
			bad = append(bad, fmt.Sprintf("%s imports %s, but judging measures and fetches nothing", i.file, own))
		}
	}
	return bad
}

func TestThePackagesKeepTheImportRules(t *testing.T) {
	all := goImports(t, os.DirFS("."), true)
	require.NotEmpty(t, all)
	require.Empty(t, breaches(all))
}

func TestTheImportRulesFindABreach(t *testing.T) {
	for name, i := range map[string]imported{
		"a table outside report":         {"cli", "cli/x.go", "github.com/olekukonko/tablewriter"},
		"a runtime in the gate":          {"validate/gate", "validate/gate/x.go", module + "providers/ort"},
		"an exporter that knows gates":   {"export", "export/x.go", module + "validate/gate"},
		"a printer that knows a model":   {"internal/progress", "internal/progress/x.go", module + "golden"},
		"a command that opens providers": {"cli", "cli/x.go", module + "providers"},
		"a report that reads models":     {"report", "report/x.go", module + "export/onnxfile"},
		"a measurement that judges":      {"validate/measure/child", "validate/measure/child/x.go", module + "validate/verdict"},
		"a test's package in a product":  {"publish", "publish/x.go", module + "export/exporttest"},
	} {
		t.Run(name, func(t *testing.T) { require.Len(t, breaches([]imported{i}), 1) })
	}
	for name, i := range map[string]imported{
		"a test":              {"report", "report/x_test.go", module + "providers"},
		"evidence, measuring": {"validate/measure", "validate/measure/x.go", module + "validate/evidence"},
		"a wall's own side":   {"cli", "cli/x.go", module + "pipeline"},
	} {
		t.Run(name, func(t *testing.T) { require.Empty(t, breaches([]imported{i})) })
	}
}

// mostFiles is how many Go files a folder may hold, tests included: more are
// not found again.
const mostFiles = 20

func TestNoPackageHasTooManyFilesOrNoDescription(t *testing.T) {
	require.Empty(t, untidy(t, os.DirFS(".")))
}

func TestACrowdedOrUndescribedPackageIsFound(t *testing.T) {
	fsys := fstest.MapFS{"silent/a.go": {Data: []byte("// a comment about something else\npackage silent\n")}}
	for i := range mostFiles + 1 {
		fsys[fmt.Sprintf("crowded/f%d.go", i)] = &fstest.MapFile{Data: []byte("// Package crowded is large.\npackage crowded\n")}
	}
	fsys["good/a.go"] = &fstest.MapFile{Data: []byte("// Package good is small.\npackage good\n")}
	require.Equal(t, []string{"crowded has 21 files, wanted at most 20", "silent has no comment that says what it is for"}, untidy(t, fsys))
}

// untidy says which folders hold too many files, or a package that nothing
// describes.
func untidy(t *testing.T, fsys fs.FS) (bad []string) {
	files, described := map[string]int{}, map[string]bool{}
	require.NoError(t, fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == "build" || (p != "." && strings.HasPrefix(d.Name(), "."))) {
			return fs.SkipDir
		}
		if d.IsDir() || path.Ext(p) != ".go" {
			return nil
		}
		src, err := fs.ReadFile(fsys, p)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), p, src, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		dir := path.Dir(p)
		files[dir]++
		doc := f.Doc.Text()
		described[dir] = described[dir] || strings.HasPrefix(doc, "Package "+f.Name.Name+" ") || strings.HasPrefix(doc, "Embedgate ") || strings.HasPrefix(doc, "Command ")
		return nil
	}))
	for _, dir := range slices.Sorted(maps.Keys(files)) {
		if files[dir] > mostFiles {
			bad = append(bad, fmt.Sprintf("%s has %d files, wanted at most %d", dir, files[dir], mostFiles))
		}
		if !described[dir] {
			bad = append(bad, dir+" has no comment that says what it is for")
		}
	}
	return bad
}
