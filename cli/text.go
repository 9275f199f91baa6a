package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/embedgate/embedgate/export/cache"
	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/pipeline"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/ort"
	"github.com/embedgate/embedgate/providers/tokenize"
	"github.com/embedgate/embedgate/publish"
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

func newEmbed(s *streams) *cobra.Command {
	var f textFlags
	variant := "fp32"
	c := &cobra.Command{
		Use:   "embed [--release DIR] [TEXT… | -]",
		Short: `Print one JSON line a text: {"vector":[…]}`,
		Args:  wantArgs(1, -1, "texts, or - to read them from stdin"),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			dir, man, err := openRelease(f.release)
			if err != nil {
				return err
			}
			tok, err := loadTokenizer(dir)
			if err != nil {
				return err
			}
			v, ok := man.Variants[variant]
			if !ok {
				return &fault.Error{Kind: fault.Usage, Thing: dir, Got: "no variant " + variant, Wanted: "one of the release's", Next: "--variant NAME"}
			}
			o, err := f.options()
			if err != nil {
				return err
			}
			lib, err := pipeline.Libraries(o, s.show.Sink())(ctx, "cpu")
			if err != nil {
				return err
			}
			session, err := ort.Open(ctx, ort.Config{Library: lib, Model: filepath.Join(dir, v.File), Provider: "cpu", Embedding: man.Embedding})
			if err != nil {
				return err
			}
			defer func() { _ = session.Close() }()
			e := providers.NewEmbedder(tok, session)
			out := json.NewEncoder(s.out)
			return f.each(ctx, s.in, args, func(text string) error {
				vec, err := e.EmbedOne(ctx, text, nil)
				if err != nil {
					return err
				}
				return out.Encode(struct {
					Vector []float32 `json:"vector"`
				}{vec})
			})
		},
	}
	f.flags(c)
	f.runtimeFlags(c)
	c.Flags().StringVar(&variant, "variant", variant, "which of the release's model files")
	return c
}

func newTokenize(s *streams) *cobra.Command {
	var f textFlags
	c := &cobra.Command{
		Use:   "tokenize [--release DIR] [TEXT… | -]",
		Short: `Print one JSON line a text: {"ids":[…]}`,
		Args:  wantArgs(1, -1, "texts, or - to read them from stdin"),
		RunE: func(c *cobra.Command, args []string) error {
			dir, man, err := openRelease(f.release)
			if err != nil {
				return err
			}
			tok, err := loadTokenizer(dir)
			if err != nil {
				return err
			}
			out := json.NewEncoder(s.out)
			return f.each(c.Context(), s.in, args, func(text string) error {
				return out.Encode(struct {
					IDs []int64 `json:"ids"`
				}{tok.Append(nil, text, man.Embedding.MaxTokens)})
			})
		},
	}
	f.flags(c)
	return c
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

// openRelease reads the manifest of a release, or of the newest in dist/.
func openRelease(dir string) (string, candidate.Manifest, error) {
	var man candidate.Manifest
	if dir == "" {
		var err error
		if dir, err = newestRelease("dist"); err != nil {
			return "", man, err
		}
	}
	// A release keeps its model in a folder of its own; a candidate directory
	// is as good.
	if m := filepath.Join(dir, publish.ModelDir); cache.Exists(m) {
		dir = m
	}
	b, err := os.ReadFile(filepath.Join(dir, candidate.ManifestName))
	if err != nil {
		return "", man, &fault.Error{Kind: fault.Usage, Thing: dir, Wanted: "a release directory", Err: err, Next: "embedgate run"}
	}
	if man, err = candidate.ParseManifest(b); err != nil {
		return "", man, &fault.Error{Kind: fault.Usage, Thing: filepath.Join(dir, candidate.ManifestName), Wanted: "a candidate manifest", Err: err, Next: "embedgate verify " + dir}
	}
	return dir, man, nil
}

func newestRelease(target string) (string, error) {
	entries, err := os.ReadDir(target)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	var newest string
	var at time.Time
	for _, e := range entries {
		i, err := e.Info()
		if err != nil || !e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if newest == "" || i.ModTime().After(at) {
			newest, at = filepath.Join(target, e.Name()), i.ModTime()
		}
	}
	if newest == "" {
		return "", errNoRelease(target)
	}
	return newest, nil
}

func loadTokenizer(dir string) (*tokenize.Tokenizer, error) {
	b, err := os.ReadFile(filepath.Join(dir, "tokenizer.json"))
	if err != nil {
		return nil, &fault.Error{Kind: fault.Usage, Thing: dir, Wanted: "a release directory with tokenizer.json", Err: err}
	}
	return tokenize.Load(b)
}
