package publish

import (
	"context"

	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/internal/fault"
)

// Open reads the release that target names, to use it. It checks each file
// against its digest, and that policy, model, verdict and selection agree. It
// does not ask the gate again, and believes the golden of the release: whether
// the release is proven, Verify says. The caller closes the report after use.
func Open(ctx context.Context, target string) (r Report, err error) {
	k, place, err := parseTarget(target)
	if err != nil {
		return Report{Dir: target}, err
	}
	folder, err := k.open(ctx, place)
	if err != nil {
		return Report{Dir: place}, err
	}
	r = Report{Dir: folder.Dir, folder: folder}
	for _, c := range []reportCheck{
		{"manifest", r.readManifest}, {"files", r.checkFiles}, {"policy", r.readPolicy},
		{"golden", r.readOwnGolden}, {"model", r.readModel}, {"verdict", r.readVerdict},
	} {
		if _, err := c.check(ctx); err != nil {
			if ctx.Err() != nil {
				return r, ctx.Err()
			}
			return r, &fault.Error{
				Kind: fault.Refused, Thing: target, Got: c.name + ": " + err.Error(), Err: errNotWhole,
				Next: "get the release again from where it was published, and look at it with embedgate verify",
			}
		}
	}
	return r, nil
}

func (r *Report) readOwnGolden(context.Context) (_ string, err error) {
	r.Golden, err = golden.Read(r.path(GoldenDir))
	return "", err
}
