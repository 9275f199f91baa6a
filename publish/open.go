package publish

import (
	"context"

	"github.com/embedgate/embedgate/golden"
)

// Open reads the release that target names, to use it. It checks each file
// against its digest, and that policy, model, verdict and selection agree. It
// does not ask the gate again, and believes the golden of the release: whether
// the release is proven, Verify says. The caller closes the report after use.
func Open(ctx context.Context, target string) (Report, error) {
	r, err := openTarget(ctx, target)
	if err != nil {
		return r, err
	}
	err = r.run(ctx, target, []reportCheck{
		{"manifest", r.readManifest}, {"files", r.checkFiles}, {"policy", r.readPolicy},
		{"golden", r.readOwnGolden}, {"model", r.readModel}, {"verdict", r.readVerdict},
	})
	return r, err
}

// openTarget opens the folder of the release that target names, unchecked.
func openTarget(ctx context.Context, target string) (Report, error) {
	k, place, err := parseTarget(target)
	if err != nil {
		return Report{Dir: target}, err
	}
	folder, err := k.open(ctx, place)
	if err != nil {
		return Report{Dir: place}, err
	}
	return Report{Dir: folder.Dir, folder: folder}, nil
}

// readOwnGolden reads the golden that lies in the release.
func (r *Report) readOwnGolden(context.Context) (_ string, err error) {
	r.Golden, err = golden.Read(r.path(GoldenDir))
	return "", err
}
