package pipeline

import (
	"os"
	"path/filepath"

	"github.com/embedgate/embedgate/export/cache"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/progress"
	"github.com/embedgate/embedgate/pipeline/setup"
)

// Options are the options that most commands have.
type Options struct {
	PolicyFile string
	Channel    string
	Python     string   // interpreter of the export environment; "": build one
	OrtLib     string   // ONNX Runtime's library; "": the export environment's
	Executable []string // the command line that starts a measuring child
	Show       *progress.Printer
}

// RunOptions are the options of Run.
type RunOptions struct {
	Options
	Target    string   // where the release goes: "dist"
	Candidate string   // a candidate directory to use instead of exporting; "": export
	Report    string   // where evidence and verdict are kept; "": they are not
	Providers []string // nil: all that the policy names
	// Portability measures on the processors of the policy's portability, too,
	// even where the channel does not require it.
	Portability bool
}

func (o Options) sink() progress.Sink { return o.Show.Sink() }

func (o Options) setup() setup.Options {
	return setup.Options{OrtLib: o.OrtLib, Python: o.Python, Executable: o.Executable, Progress: o.sink()}
}

// workDir is where evidence and verdict are written and read again: the report
// directory, or one of the cache's that goes when done is called.
func workDir(report string) (dir string, done func(), err error) {
	if report != "" {
		if err := os.MkdirAll(report, 0o777); err != nil {
			return "", nil, &fault.Error{Kind: fault.Usage, Thing: "--report " + report, Wanted: "a directory that can be written", Err: err, Next: "name another, or correct the permissions there"}
		}
		return report, func() {}, nil
	}
	base, err := cache.Dir()
	if err != nil {
		return "", nil, err
	}
	return cache.RunDir(filepath.Join(base, "runs"))
}
