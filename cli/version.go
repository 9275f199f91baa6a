package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io/fs"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/embedgate/embedgate/scripts"
)

// versions is everything whose version can change a result.
type versions struct {
	Embedgate string            `json:"embedgate"`
	Go        string            `json:"go"`
	Platform  string            `json:"platform"`
	Modules   map[string]string `json:"modules"` // Go libraries in this binary that touch numbers
	Python    map[string]string `json:"python"`  // pinned in the embedded requirements
}

var tellModules = []string{"github.com/yalue/onnxruntime_go", "github.com/sugarme/tokenizer", "gonum.org/v1/gonum"}
var tellPython = []string{"onnxruntime", "torch", "transformers", "sentence-transformers", "tokenizers", "onnx", "onnxscript"}

func readVersions() versions {
	v := versions{Embedgate: "devel", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Modules: map[string]string{}, Python: map[string]string{}}
	if b, ok := debug.ReadBuildInfo(); ok {
		if b.Main.Version != "" && b.Main.Version != "(devel)" {
			v.Embedgate = b.Main.Version
		}
		for _, d := range b.Deps {
			for _, m := range tellModules {
				if d.Path == m {
					v.Modules[m] = d.Version
				}
			}
		}
	}
	files, _ := fs.Glob(scripts.FS, "requirements/*.txt")
	for _, f := range files {
		b, _ := fs.ReadFile(scripts.FS, f) // embedded: it cannot fail to be there
		for sc := bufio.NewScanner(strings.NewReader(string(b))); sc.Scan(); {
			pin, _, _ := strings.Cut(sc.Text(), " ")
			name, version, ok := strings.Cut(pin, "==")
			for _, p := range tellPython {
				if ok && name == p {
					v.Python[p] = version
				}
			}
		}
	}
	return v
}

func newVersion(s *streams) *cobra.Command {
	var f common
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the versions of everything that matters",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			v := readVersions()
			if f.json {
				e := json.NewEncoder(s.out)
				e.SetIndent("", "  ")
				return e.Encode(v)
			}
			fmt.Fprintf(s.out, "embedgate %s (%s, %s)\n", v.Embedgate, v.Go, v.Platform)
			for _, m := range tellModules {
				if v.Modules[m] != "" {
					fmt.Fprintf(s.out, "  %s %s\n", m, v.Modules[m])
				}
			}
			for _, p := range tellPython {
				fmt.Fprintf(s.out, "  %s %s (pinned)\n", p, v.Python[p])
			}
			return nil
		},
	}
	f.jsonFlag(c)
	return c
}
