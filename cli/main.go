// Package cli is the commands, their flags and the exit codes. It turns flags
// into options and errors into exit codes, and must not know how anything is
// exported, measured, judged or published.
//
// The rules of the interface: results go to stdout, progress and errors to
// stderr; every command that prints a table has --json; no colour and no
// progress bar when stderr is no terminal or NO_COLOR is set; an error names
// the thing, what was got, what was wanted and the next step.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/progress"
)

// streams is where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
	show     *progress.Printer // progress, on err
}

// Main runs one command line and returns the process's exit code.
func Main(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal ends the work; from then on the next one ends the
	// process at once, as by default.
	context.AfterFunc(ctx, stop)
	s := &streams{in: stdin, out: stdout, err: stderr, show: progress.NewPrinter(stderr, isTerminal(stderr))}
	root := newRoot(s)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	s.show.Close()
	code := exitCode(ctx, err)
	switch {
	case code == exitInterrupted:
		fmt.Fprintln(stderr, "embedgate: interrupted; nothing half made was left")
	case err != nil && !errors.Is(err, errAlreadyReported):
		fmt.Fprintln(stderr, "embedgate:", err)
	}
	return code
}

// errAlreadyReported marks an error whose cause was already shown as a table.
var errAlreadyReported = errors.New("reported above")

// alreadyReported gives a verdict's exit code to an outcome that was already shown.
func alreadyReported(kind fault.Kind) error { return &fault.Error{Kind: kind, Err: errAlreadyReported} }

// isTerminal reports whether w may get colours and lines that are redrawn.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}

func newRoot(s *streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "embedgate",
		Short: "A release gate for embedding models",
		Long: `embedgate exports an embedding model to ONNX, runs it on every execution
provider that a release must support, and publishes it only when it is proven
right, proven to have run where it claims, and proven fast.

Exit codes: 0 pass; 1 a gate failed; 2 usage or policy error; 3 inconclusive;
4 something is missing on this machine; 5 internal error, or the gate failed
its own self-test; 130 interrupted.`,
		SilenceUsage: true, SilenceErrors: true,
		Args: noArgs,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return usage(c, err) })
	root.RunE = func(c *cobra.Command, _ []string) error {
		_ = c.Help()
		return &fault.Error{Kind: fault.Usage, Thing: "embedgate", Got: "no command", Wanted: "one of those above", Next: "embedgate run"}
	}
	root.AddCommand(
		newRun(s), newPlan(s), newExport(s), newMeasure(s), newMeasureChild(), newGate(s), newPublish(s),
		newCheck(s), newInspect(s), newVerify(s), newEmbed(s), newTokenize(s), newGolden(s), newDoctor(s), newVersion(s),
		newBundle(s),
	)
	return root
}

// usage makes cobra's complaint about a command line a usage fault.
func usage(c *cobra.Command, err error) error {
	return &fault.Error{Kind: fault.Usage, Thing: c.CommandPath(), Err: err, Next: c.CommandPath() + " --help"}
}

// noArgs refuses positional arguments.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	wanted := "no arguments"
	if c.HasSubCommands() {
		wanted = "a command"
	}
	return &fault.Error{Kind: fault.Usage, Thing: c.CommandPath(), Got: fmt.Sprintf("%q", args), Wanted: wanted, Next: c.CommandPath() + " --help"}
}

// wantArgs refuses a command line with too few or too many arguments.
func wantArgs(lo, hi int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) >= lo && (hi < 0 || len(args) <= hi) {
			return nil
		}
		return &fault.Error{Kind: fault.Usage, Thing: c.CommandPath(), Got: fmt.Sprintf("%d arguments", len(args)), Wanted: what, Next: c.CommandPath() + " --help"}
	}
}
