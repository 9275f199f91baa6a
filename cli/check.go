package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/embedgate/embedgate/pipeline"
)

func newCheck(s *streams) *cobra.Command {
	var f common
	class, provider := "fp32", "cpu"
	c := &cobra.Command{
		Use:   "check FILE.onnx",
		Short: "Measure and judge a model file that another tool exported; publishes nothing",
		Args:  wantArgs(1, 1, "one .onnx file"),
		RunE: func(c *cobra.Command, args []string) error {
			o, err := f.options(s)
			if err != nil {
				return err
			}
			v, err := pipeline.Check(c.Context(), o, args[0], class, provider)
			s.show.Close()
			if err != nil {
				return err
			}
			return f.showVerdict(s, v, nil)
		},
	}
	f.policyFlag(c)
	f.runtimeFlags(c)
	f.pythonFlag(c)
	f.jsonFlag(c)
	f.channel = "local"
	c.Flags().StringVar(&class, "class", class, "precision class that the file claims: "+classes())
	c.Flags().StringVar(&provider, "provider", provider, "provider to measure it on")
	return c
}

// classes are the precision classes, for people.
func classes() string {
	all := pipeline.Precisions()
	return strings.Join(all[:len(all)-1], ", ") + " or " + all[len(all)-1]
}
