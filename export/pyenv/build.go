package pyenv

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/embedgate/embedgate/export/cache"
	"github.com/embedgate/embedgate/export/pyenv/pip"
	"github.com/embedgate/embedgate/export/pyenv/process"
	"github.com/embedgate/embedgate/internal/progress"
	"github.com/embedgate/embedgate/scripts"
)

// build makes the environment in a scratch folder and renames it when it is
// whole, so that a kill, or an installer that still runs after one, leaves no
// half of it. An environment can be moved while only its interpreter is used:
// the launchers in bin name the old folder.
func (e Env) build(ctx context.Context, base Base, p progress.Sink) error {
	a := kinds[e.Kind]
	began := time.Now()
	p.Say("making the %s environment: %s", e.Kind, a.why)
	stop := callEvery(ctx, 5*time.Second, func() {
		p.Say("still making the %s environment (%s so far): %s", e.Kind, time.Since(began).Round(time.Second), a.why)
	})
	defer stop()
	tmp, err := cache.Scratch(e.Dir)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	made := Env{Kind: e.Kind, Dir: tmp, Python: pip.Interpreter(tmp), Hash: e.Hash}
	if err := process.Run(ctx, base.Path, "-m", "venv", "--without-pip", tmp); err != nil {
		return err
	}
	if err := made.install(ctx, base, p); err != nil {
		return err
	}
	if !kinds[e.Kind].large {
		if err := made.prune(); err != nil {
			return err
		}
	}
	if err := made.smoke(ctx); err != nil {
		return err
	}
	if err := made.writeMarker(); err != nil {
		return err
	}
	if err := cache.RenameInto(tmp, e.Dir); err != nil {
		return err
	}
	p.Say("the %s environment is ready after %s", e.Kind, time.Since(began).Round(time.Second))
	return nil
}

// install installs the requirements by their hashes.
func (e Env) install(ctx context.Context, base Base, p progress.Sink) error {
	dir, err := cache.TempDir("embedgate-requirements-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	for _, f := range []string{bootstrap, Requirements(e.Kind)} {
		b, err := fs.ReadFile(scripts.FS, f)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, path.Base(f)), b, 0o666); err != nil {
			return err
		}
	}
	pip, err := pip.Open(ctx, base.Path, e.Dir)
	if err != nil {
		return err
	}
	defer pip.Close()
	file, noDeps := filepath.Join(dir, path.Base(Requirements(e.Kind))), kinds[e.Kind].noDeps
	if !kinds[e.Kind].large {
		return pip.Install(ctx, e.Python, file, noDeps)
	}
	u, err := pip.UV(ctx, base.Path, e.Dir, filepath.Join(dir, path.Base(bootstrap)))
	if err != nil {
		return err
	}
	defer u.Close()
	err = u.Install(ctx, e.Python, file, noDeps)
	if err == nil || ctx.Err() != nil || diskFull(err) {
		return err
	}
	// pip has just installed uv from the same index, so uv may lack pip's settings.
	p.Say("uv could not install the %s environment; trying pip, which takes minutes", e.Kind)
	if slow := pip.Install(ctx, e.Python, file, noDeps); slow != nil {
		return errors.Join(err, slow)
	}
	return nil
}

// smoke imports what the scripts import: a wheel can be installed and not load.
// Python also writes its compiled modules then, so that the first export does
// not wait for them.
func (e Env) smoke(ctx context.Context) error {
	modules := slices.Sorted(maps.Keys(kinds[e.Kind].modules))
	if len(modules) == 0 {
		return nil
	}
	if err := process.Run(ctx, e.Python, "-c", "import "+strings.Join(modules, ", ")); err != nil {
		return fmt.Errorf("the packages are installed but do not load: %w", err)
	}
	return nil
}

// nextStep is what the user should do after a failed build.
func nextStep(k Kind, err error) string {
	if diskFull(err) {
		return "free disk space (the " + string(k) + " environment takes about " + kinds[k].disk + "), or set XDG_CACHE_HOME to a folder on a larger disk, then run the same command again"
	}
	return "check " + pip.Network() + ", then run the same command again; embedgate doctor shows more"
}

func diskFull(err error) bool {
	s := strings.ToLower(err.Error())
	return strings.Contains(s, "no space left") || strings.Contains(s, "disk quota exceeded") || strings.Contains(s, "not enough space")
}

// callEvery calls f each d until stop is called or ctx ends.
func callEvery(ctx context.Context, d time.Duration, f func()) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		t := time.NewTicker(d)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
				f()
			}
		}
	}()
	return cancel
}
