package pipeline

import (
	"context"
	"os"
	"path/filepath"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/pipeline/setup"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/measure/bundle"
)

// BundleOptions are the options of Bundle.
type BundleOptions struct {
	Candidate string // directory
	Provider  string // that the other machine is to measure
	Nonce     string // of the plan that the evidence answers, or @FILE
	Out       string // folder to make
	Binary    string // embedgate for the other machine; "": this one
	PartSize  int64  // make parts of at most this size; 0: a folder
}

// Bundle makes a folder, or parts of one, that lets a machine without network,
// Go or Python measure.
func Bundle(ctx context.Context, o Options, x BundleOptions) (r bundle.Result, err error) {
	o.Show.Stage("bundle")
	b := bundle.Options{
		Provider: x.Provider, Out: x.Out, Binary: x.Binary, PartSize: x.PartSize,
		PolicyDir: filepath.Dir(o.PolicyFile), Progress: o.sink(),
	}
	if b.Policy, err = policy.Load(o.PolicyFile); err != nil {
		return r, err
	}
	if b.Candidate, err = candidate.Read(x.Candidate); err != nil {
		return r, err
	}
	if b.Nonce, err = readNonce(x.Nonce); err != nil {
		return r, err
	}
	if _, err := readGoldenOf(b.Policy, o.PolicyFile); err != nil {
		return r, err // said here, not on the other machine
	}
	if b.Binary == "" {
		if b.Binary, err = os.Executable(); err != nil {
			return r, err
		}
	}
	if b.Libraries, err = o.bundleLibraries(ctx, b.Policy, x.Provider); err != nil {
		return r, err
	}
	return bundle.Make(ctx, b)
}

// JoinBundle checks the parts of a bundle and joins them.
func JoinBundle(ctx context.Context, parts, out string) (bundle.Result, error) {
	return bundle.Join(ctx, parts, out)
}

// bundleLibraries finds what the other machine's embedgate would look for: the
// provider's library, and that of the provider that it is compared with.
func (o Options) bundleLibraries(ctx context.Context, p policy.Policy, provider string) (map[string]providers.Library, error) {
	names := []string{provider}
	if w := p.WorthIt; w != nil && w.Provider != provider {
		names = append(names, w.Provider)
	}
	all := map[string]providers.Library{}
	for _, name := range names {
		if o.OrtLib != "" { // another platform's: it is not opened here
			all[name] = providers.Library{Path: o.OrtLib}
			continue
		}
		lib, err := setup.FetchLibrary(ctx, name, o.setup())
		if err != nil {
			return nil, err
		}
		all[name] = lib
	}
	return all, nil
}
