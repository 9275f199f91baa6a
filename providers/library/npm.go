package library

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/embedgate/embedgate/export/cache"
	"github.com/embedgate/embedgate/export/pyenv/process"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/providers"
)

// marker is written last into a fetched package's folder.
const marker = "embedgate-complete.json"

type contents struct {
	Integrity string           `json:"integrity"`
	Files     map[string]int64 `json:"files"` // base names and sizes
}

// packageDir is the folder of a package's files for this platform.
func (r request) packageDir() (string, error) {
	root, err := cache.DirOr(r.o.CacheDir)
	if err != nil {
		return "", err
	}
	s := r.entry.Source
	return filepath.Join(root, "lib", fmt.Sprintf("%s-%s-%s-%s", s.Package, s.Version, r.platform.OS, r.platform.Arch)), nil
}

// keptFiles are the package's files that are kept, the library first.
func (r request) keptFiles() []string { return append([]string{r.files.Library}, r.files.Beside...) }

// cached finds a complete package that was fetched before.
func (r request) cached() (providers.Library, bool) {
	home, err := r.packageDir()
	if err != nil {
		return providers.Library{}, false
	}
	b, err := os.ReadFile(filepath.Join(home, marker))
	var c contents
	if err != nil || json.Unmarshal(b, &c) != nil || c.Integrity != r.entry.Source.Integrity {
		return providers.Library{}, false
	}
	for _, f := range r.keptFiles() {
		i, err := os.Lstat(filepath.Join(home, path.Base(f)))
		if err != nil || !i.Mode().IsRegular() || i.Size() != c.Files[path.Base(f)] {
			return providers.Library{}, false
		}
	}
	return providers.Library{Path: filepath.Join(home, path.Base(r.files.Library))}, true
}

// npm fetches the package with npm and keeps its library.
func (r request) npm(ctx context.Context) (providers.Library, error) {
	if lib, ok := r.cached(); ok {
		return lib, nil
	}
	program, err := r.npmProgram()
	if err != nil {
		return providers.Library{}, err
	}
	home, err := r.packageDir()
	if err != nil {
		return providers.Library{}, err
	}
	s := r.entry.Source
	unlock, err := cache.Lock(ctx, home, func() {
		r.o.Progress.Say("waiting for another embedgate that is fetching %s", s.Package)
	})
	if err != nil {
		return providers.Library{}, err
	}
	defer unlock()
	if lib, ok := r.cached(); ok {
		return lib, nil // fetched while this waited
	}
	tmp, err := cache.Scratch(home)
	if err != nil {
		return providers.Library{}, err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	began := time.Now()
	r.o.Progress.Say("fetching %s %s with npm: the library for provider %s, %s, once", s.Package, s.Version, r.entry.Name, s.Size)
	tarball, err := r.pack(ctx, program, tmp)
	if err != nil {
		return providers.Library{}, err
	}
	if err := r.unpack(ctx, tarball, tmp); err != nil {
		return providers.Library{}, err
	}
	if err := cache.RenameInto(tmp, home); err != nil {
		return providers.Library{}, err
	}
	r.o.Progress.Say("%s is ready after %s", s.Package, time.Since(began).Round(time.Second))
	lib, ok := r.cached()
	if !ok {
		return lib, fmt.Errorf("%s: fetched, but not complete", home)
	}
	return lib, nil
}

func (r request) npmProgram() (string, error) {
	p, err := r.lookPath("npm")
	if err != nil {
		return "", &fault.Error{Kind: fault.Missing, Thing: "npm", Got: "none on the PATH",
			Wanted: fmt.Sprintf("npm, to fetch %s %s, which holds the library for provider %s", r.entry.Source.Package, r.entry.Source.Version, r.entry.Name),
			Next:   "install it (Debian: apt-get install npm; macOS: brew install node; Windows: winget install OpenJS.NodeJS), or name the library in " + Var(r.entry)}
	}
	return p, nil
}

// pack fetches the tarball into dir with npm. No script of the package runs, and
// nothing is unpacked.
func (r request) pack(ctx context.Context, program, dir string) (string, error) {
	s := r.entry.Source
	var tail process.Tail
	c := process.Command(ctx, program, "pack", "--ignore-scripts", "--silent", s.Package+"@"+s.Version)
	c.Dir, c.Stdout, c.Stderr = dir, &tail, &tail
	err := c.Run()
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err != nil {
		return "", &fault.Error{Kind: fault.Missing, Thing: "npm pack " + s.Package + "@" + s.Version, Got: tail.Lines(6),
			Wanted: "the package's tarball", Err: err,
			Next: "check network and proxy (npm's own settings are honoured), then run the same command again; or name the library in " + Var(r.entry)}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(files) != 1 {
		return "", &fault.Error{Kind: fault.Missing, Thing: "npm pack " + s.Package + "@" + s.Version,
			Got: fmt.Sprintf("%d tarballs", len(files)), Wanted: "one", Err: err, Next: "look at npm's configuration, or name the library in " + Var(r.entry)}
	}
	return files[0], nil
}

// unpack checks the tarball against the catalogue before anything of it is
// read, keeps the wanted files in dir, and removes the tarball.
func (r request) unpack(ctx context.Context, tarball, dir string) error {
	s := r.entry.Source
	thing := s.Package + " " + s.Version
	got, err := integrityOf(tarball)
	if err != nil {
		return fmt.Errorf("%s: %w", thing, err)
	}
	if got != s.Integrity {
		return &fault.Error{Kind: fault.Missing, Thing: thing, Got: "a tarball of " + got, Wanted: s.Integrity,
			Next: "fetch it from a registry that has the published package, or name the library in " + Var(r.entry)}
	}
	sizes, err := extract(ctx, tarball, "package/", r.keptFiles(), dir)
	if err != nil {
		return fmt.Errorf("%s: %w", thing, err)
	}
	b, err := json.Marshal(contents{Integrity: s.Integrity, Files: sizes})
	if err != nil {
		return err
	}
	if err := os.Remove(tarball); err != nil {
		return err
	}
	return files.WriteAtomic(filepath.Join(dir, marker), b)
}

var errBadTarball = errors.New("a tarball that is not what npm packs")

func badTarball(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errBadTarball, fmt.Sprintf(format, args...))
}

// isBelow reports whether an entry's name stays below the folder into which it
// is unpacked.
func isBelow(name string) bool {
	return name != "" && !strings.ContainsAny(name, "\\\x00") && !path.IsAbs(name) &&
		path.Clean(name) == strings.TrimSuffix(name, "/") && name != ".." && !strings.HasPrefix(name, "../")
}
