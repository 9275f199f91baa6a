package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/embedgate/embedgate/internal/fault"
)

// maxLine bounds one text read from stdin.
const maxLine = 64 << 20

type textFlags struct {
	common
	release string
	null    bool
}

func (f *textFlags) flags(c *cobra.Command) {
	c.Flags().StringVar(&f.release, "release", "", "release directory (default: the newest in dist/)")
	c.Flags().BoolVar(&f.null, "null", false, "texts on stdin are separated by NUL, not by line ends")
}

// each calls use with every text of the arguments, or of stdin for "-".
func (f *textFlags) each(ctx context.Context, in io.Reader, args []string, use func(string) error) error {
	if len(args) != 1 || args[0] != "-" {
		for _, t := range args {
			if err := use(t); err != nil {
				return err
			}
		}
		return nil
	}
	sc := bufio.NewScanner(in)
	sc.Buffer(nil, maxLine)
	if f.null {
		sc.Split(splitNUL)
	}
	for sc.Scan() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := use(sc.Text()); err != nil {
			return err
		}
	}
	if errors.Is(sc.Err(), bufio.ErrTooLong) {
		return &fault.Error{Kind: fault.Usage, Thing: "stdin", Got: "a text over 64 MiB", Wanted: "a text a line", Next: "split it, or use --null with NUL between texts"}
	}
	return sc.Err()
}

func splitNUL(data []byte, atEOF bool) (int, []byte, error) {
	if i := bytes.IndexByte(data, 0); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}
