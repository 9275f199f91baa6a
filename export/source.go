package export

import (
	"context"

	"github.com/embedgate/embedgate/export/source"
	"github.com/embedgate/embedgate/export/stmodel"
)

// Source is a model's verified files, of which a candidate can be made.
type Source struct {
	source.Files
	Config stmodel.Config
}

// Fetch brings the pinned files and refuses those of which nothing right can
// be made: settings that embedgate does not reproduce, files that disagree, and
// what o.Accept refuses. It needs no environment, so that the user hears of it
// before the long work begins. The caller calls Release when it has read them.
func Fetch(ctx context.Context, o Options) (s Source, err error) {
	if s.Files, err = source.Fetch(ctx, o.source()); err != nil {
		return s, err
	}
	defer func() {
		if err != nil {
			s.Release()
		}
	}()
	if s.Config, err = stmodel.Read(s.Dir); err != nil {
		return s, err
	}
	if o.Accept != nil {
		if err := o.Accept(s.Dir); err != nil {
			return s, err
		}
	}
	return s, stmodel.Agree(s.Dir)
}

func (o Options) source() source.Options {
	return source.Options{
		Spec: o.Spec, Files: o.Files, BaseDir: o.BaseDir, CacheDir: o.CacheDir, Python: o.Python, Progress: o.Progress,
	}
}
