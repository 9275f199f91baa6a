package export

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/embedgate/embedgate/export/pyenv"
	"github.com/embedgate/embedgate/export/stmodel"
)

// writtenOutType is the model type, by config.json, whose graph the script writes out
// from the weights. Every other is exported by torch.
const writtenOutType = "bert"

// prepare fetches the source. Where that is a download, the export environment
// is made at the same time, which must be there in any case: ONNX Runtime's
// library is in it. A source that is refused cancels both.
func (o Options) prepare(ctx context.Context) (s Source, err error) {
	group, inner := errgroup.WithContext(ctx)
	if !strings.HasPrefix(o.Spec, "dir:") && !o.Plain {
		group.Go(func() error {
			_, err := o.environment(inner, pyenv.Export)
			return err
		})
	}
	group.Go(func() (err error) {
		s, err = Fetch(inner, o)
		return err
	})
	err = group.Wait()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil && s.Release != nil {
		s.Release()
	}
	return s, err
}

func (o Options) environment(ctx context.Context, k pyenv.Kind) (pyenv.Env, error) {
	return pyenv.Ensure(ctx, pyenv.Options{Kind: k, CacheDir: o.CacheDir, Override: o.Python, Progress: o.Progress})
}

// needsTorch says why torch must export the model, or "" where the script may
// know it: the script looks closer.
func (o Options) needsTorch(c stmodel.Config) string {
	switch {
	case o.Plain:
		return "its own forward is asked for"
	case c.ModelType != writtenOutType:
		return fmt.Sprintf("config.json's model_type is %q, not %q", c.ModelType, writtenOutType)
	}
	return ""
}

// sayTorch says, before anything is fetched, what is fetched and why.
func (o Options) sayTorch(why string) {
	o.Progress.Say("exporting with PyTorch, because %s: its environment takes about 5 GB on disk, and minutes to make, once", why)
}
