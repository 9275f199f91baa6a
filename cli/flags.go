package cli

import (
	"encoding/json"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/pipeline"
)

// common is what most commands ask for.
type common struct {
	policy, channel, python, ortLib string
	json                            bool
}

func (f *common) policyFlag(c *cobra.Command) {
	c.Flags().StringVar(&f.policy, "policy", "policy.yaml", "what a release must prove")
}

func (f *common) channelFlag(c *cobra.Command) {
	c.Flags().StringVar(&f.channel, "channel", "local", "channel of the policy to judge for")
}

func (f *common) runtimeFlags(c *cobra.Command) {
	c.Flags().StringVar(&f.ortLib, "ort-lib", "", "ONNX Runtime's shared library (default $EMBEDGATE_ORT_LIB, else the export environment's)")
}

func (f *common) pythonFlag(c *cobra.Command) {
	c.Flags().StringVar(&f.python, "python", "", "Python interpreter with the packages of scripts/requirements/requirements-export.txt (default $EMBEDGATE_PYTHON, else an environment of embedgate's own)")
}

func (f *common) jsonFlag(c *cobra.Command) {
	c.Flags().BoolVar(&f.json, "json", false, "print JSON instead of tables")
}

// begin refuses a command line without the required flags, and fills in what the
// pipeline needs.
func (f *common) begin(s *streams, c *cobra.Command, flags ...string) (pipeline.Options, error) {
	if err := required(c, flags...); err != nil {
		return pipeline.Options{}, err
	}
	return f.options(s)
}

// options fills in what the pipeline needs from the flags.
func (f *common) options(s *streams) (pipeline.Options, error) {
	child, err := childCommand()
	return pipeline.Options{
		PolicyFile: f.policy, Channel: f.channel, Python: f.python, OrtLib: f.ortLib, Executable: child, Show: s.show,
	}, err
}

// childCommand is the command line of a measuring child: this program again.
func childCommand() ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return []string{self, "measure-child"}, nil
}

// required makes flags mandatory, with an error in the design's form.
func required(c *cobra.Command, names ...string) error {
	for _, n := range names {
		if !c.Flags().Changed(n) {
			return &fault.Error{Kind: fault.Usage, Thing: c.CommandPath(), Got: "no --" + n, Wanted: "--" + n + ": " + c.Flags().Lookup(n).Usage, Next: c.CommandPath() + " --help"}
		}
	}
	return nil
}

// encodeJSON writes what --json asks for.
func encodeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
