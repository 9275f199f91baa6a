package pyenv

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/embedgate/embedgate/export/cache"
	"github.com/embedgate/embedgate/pipeline/fault"
	"github.com/embedgate/embedgate/pipeline/progress"
	"github.com/embedgate/embedgate/scripts"
)

// marker is written last into a finished environment; one without it is
// half made.
const marker = "embedgate-complete.json"

type completion struct {
	Hash  string           `json:"hash"`
	Files map[string]int64 `json:"files"` // key files and their sizes, relative to the environment
}

// Ensure returns an environment that is whole, making or remaking it where it
// is not. Two Ensures at once are safe: one builds, the other waits.
func Ensure(ctx context.Context, o Options) (Env, error) {
	override := o.Override
	if override == "" && o.Kind == Export {
		override = os.Getenv(PythonVar)
	}
	if override != "" {
		if _, err := version(ctx, override); err != nil {
			return Env{}, &fault.Error{
				Kind: fault.Missing, Thing: override, Got: "an interpreter that does not run", Wanted: "a Python with the export requirements",
				Err: err, Next: "correct --python or " + PythonVar + ", or leave both out",
			}
		}
		return Env{Kind: o.Kind, Python: override}, nil
	}
	root, err := cache.Or(o.CacheDir)
	if err != nil {
		return Env{}, err
	}
	base, err := FindBase(ctx)
	if err != nil {
		return Env{}, err
	}
	hash, err := keyOf(o.Kind, base)
	if err != nil {
		return Env{}, err
	}
	e := Env{Kind: o.Kind, Dir: filepath.Join(root, "env", string(o.Kind)+"-"+hash[:16]), Hash: hash}
	e.Python = interpreter(e.Dir)
	unlock, err := cache.Lock(ctx, e.Dir, func() {
		o.Progress.Say("waiting for another embedgate that is making the %s environment", o.Kind)
	})
	if err != nil {
		return Env{}, err
	}
	defer unlock()
	broken := e.broken(ctx)
	if broken == nil {
		return e, nil
	}
	if cache.Exists(e.Dir) {
		o.Progress.Say("the %s environment is broken (%v): making it again", o.Kind, broken)
	}
	if err := e.build(ctx, base, o.Progress); err != nil {
		if ctx.Err() != nil {
			return Env{}, ctx.Err()
		}
		return Env{}, &fault.Error{
			Kind: fault.Missing, Thing: fmt.Sprintf("the %s environment", o.Kind), Wanted: "Python packages installed from the package registry",
			Err: err, Next: "check network, proxy and free disk space, then run the same command again; embedgate doctor tells more",
		}
	}
	return e, nil
}

// keyOf names an environment by all that decides its content.
func keyOf(k Kind, b Base) (string, error) {
	h := sha256.New()
	for _, f := range []string{"requirements-bootstrap.txt", requirements(k)} {
		body, err := fs.ReadFile(scripts.FS, f)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %d\n", f, len(body))
		h.Write(body)
	}
	fmt.Fprintf(h, "python %s %s/%s", b.Version, runtime.GOOS, runtime.GOARCH)
	return hex.EncodeToString(h.Sum(nil)), nil
}

func requirements(k Kind) string { return "requirements-" + string(k) + ".txt" }

func interpreter(dir string) string {
	if runtime.GOOS == "windows" {
		return filepath.Join(dir, "Scripts", "python.exe")
	}
	return filepath.Join(dir, "bin", "python")
}

func sitePackages(dir string) string {
	if runtime.GOOS == "windows" {
		return filepath.Join(dir, "Lib", "site-packages")
	}
	m, _ := filepath.Glob(filepath.Join(dir, "lib", "python*", "site-packages"))
	if len(m) == 0 {
		return filepath.Join(dir, "lib", "site-packages")
	}
	return m[0]
}

// broken says what is wrong with an environment, cheaply enough for every
// start: the marker, the key files' sizes, an interpreter that runs.
func (e Env) broken(ctx context.Context) error {
	b, err := os.ReadFile(filepath.Join(e.Dir, marker))
	if err != nil {
		return fmt.Errorf("it was never finished")
	}
	var c completion
	if err := json.Unmarshal(b, &c); err != nil || c.Hash != e.Hash || len(c.Files) == 0 {
		return fmt.Errorf("its marker is damaged")
	}
	for f, size := range c.Files {
		i, err := os.Stat(filepath.Join(e.Dir, filepath.FromSlash(f)))
		if err != nil || i.Size() != size {
			return fmt.Errorf("%s is missing or changed", f)
		}
	}
	if _, err := version(ctx, e.Python); err != nil {
		return fmt.Errorf("its interpreter does not run")
	}
	return nil
}

func (e Env) build(ctx context.Context, base Base, p progress.Sink) error {
	a := about[e.Kind]
	p.Say("making the %s environment: %s", e.Kind, a.why)
	began := time.Now()
	stop := every(ctx, 10*time.Second, func() {
		p.Say("still making the %s environment (%s so far)", e.Kind, time.Since(began).Round(time.Second))
	})
	defer stop()
	if err := os.RemoveAll(e.Dir); err != nil {
		return err
	}
	if err := run(ctx, base.Path, "-m", "venv", e.Dir); err != nil {
		return err
	}
	req, err := os.MkdirTemp("", "embedgate-requirements-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(req) }()
	for _, f := range []string{"requirements-bootstrap.txt", requirements(e.Kind)} {
		b, err := fs.ReadFile(scripts.FS, f)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(req, f), b, 0o666); err != nil {
			return err
		}
	}
	// uv comes first because it installs in seconds what takes pip minutes.
	if err := run(ctx, e.Python, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps", "--only-binary=:all:",
		"-r", filepath.Join(req, "requirements-bootstrap.txt")); err != nil {
		return err
	}
	args := []string{"-m", "uv", "pip", "install", "--quiet", "--require-hashes", "--only-binary=:all:", "--python", e.Python}
	if a.noDeps {
		args = append(args, "--no-deps")
	}
	if err := run(ctx, e.Python, append(args, "-r", filepath.Join(req, requirements(e.Kind)))...); err != nil {
		return err
	}
	if err := e.finish(); err != nil {
		return err
	}
	p.Say("the %s environment is ready after %s", e.Kind, time.Since(began).Round(time.Second))
	return nil
}

// finish checks the key files and writes the marker.
func (e Env) finish() error {
	c := completion{Hash: e.Hash, Files: map[string]int64{}}
	for _, g := range about[e.Kind].files {
		m, err := filepath.Glob(filepath.Join(sitePackages(e.Dir), filepath.FromSlash(g)))
		if err != nil || len(m) == 0 {
			return fmt.Errorf("installed, but %s is not there", g)
		}
		for _, f := range m {
			i, err := os.Stat(f)
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(e.Dir, f)
			if err != nil {
				return err
			}
			c.Files[filepath.ToSlash(rel)] = i.Size()
		}
	}
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	tmp := filepath.Join(e.Dir, marker+".tmp")
	if err := os.WriteFile(tmp, b, 0o666); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(e.Dir, marker))
}

// every calls f each d until stop is called or ctx ends.
func every(ctx context.Context, d time.Duration, f func()) (stop func()) {
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

// State tells where an environment is, or what is wrong with it, and makes
// nothing.
func State(ctx context.Context, o Options) (string, error) {
	if o.Override == "" && o.Kind == Export {
		o.Override = os.Getenv(PythonVar)
	}
	if o.Override != "" {
		v, err := version(ctx, o.Override)
		return o.Override + " " + v, err
	}
	root, err := cache.Or(o.CacheDir)
	if err != nil {
		return "", err
	}
	base, err := FindBase(ctx)
	if err != nil {
		return "", err
	}
	hash, err := keyOf(o.Kind, base)
	if err != nil {
		return "", err
	}
	e := Env{Kind: o.Kind, Dir: filepath.Join(root, "env", string(o.Kind)+"-"+hash[:16]), Hash: hash}
	e.Python = interpreter(e.Dir)
	return e.Dir, e.broken(ctx)
}
