package gate_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Judging depends on its input alone. In the packages that judge, only the
// files named io.go and *_io.go may import what reads or writes anything else.
func TestJudgingHasNoClockFileNetworkOrEnvironment(t *testing.T) {
	var files []string
	for _, dir := range []string{".", "../stats", "../evidence", "../verdict", "../check", "../check/*"} {
		all, err := filepath.Glob(dir + "/*.go")
		require.NoError(t, err)
		require.NotEmpty(t, all, dir)
		files = append(files, all...)
	}
	seen := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, "_io.go") || filepath.Base(name) == "io.go" {
			continue
		}
		seen++
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		for _, i := range f.Imports {
			path, err := strconv.Unquote(i.Path.Value)
			require.NoError(t, err)
			for _, world := range []string{"os", "net", "syscall", "math/rand", "crypto/rand", "runtime", "unsafe", "plugin", "io/ioutil", "github.com/embedgate/embedgate/internal/files"} {
				assert.False(t, path == world || strings.HasPrefix(path, world+"/"), "%s imports %s", name, path)
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" {
					assert.Contains(t, []string{"Duration", "Millisecond", "Nanosecond"}, s.Sel.Name, "%s uses time.%s", name, s.Sel.Name)
				}
			}
			return true
		})
	}
	assert.Greater(t, seen, 40)
}
