package bundle

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
)

// Join checks the parts in a folder and writes the bundle to out, whole or not
// at all. Missing, damaged or hostile parts are a fault of kind Usage.
func Join(ctx context.Context, parts, out string) (Result, error) {
	bad := func(thing string, err error) (Result, error) {
		if ctx.Err() != nil {
			return Result{}, ctx.Err()
		}
		if _, ok := errors.AsType[*fault.Error](err); ok {
			return Result{}, err
		}
		return Result{}, &fault.Error{Kind: fault.Usage, Thing: thing, Err: err, Next: "copy all parts again from the machine that made them"}
	}
	raw, err := files.ReadCapped(filepath.Join(parts, sumsName), maxManifest)
	if err != nil {
		return bad(filepath.Join(parts, sumsName), err)
	}
	sums, err := parseSums(string(raw))
	if err != nil {
		return bad(filepath.Join(parts, sumsName), err)
	}
	for n, want := range sums {
		if err := ctx.Err(); err != nil {
			return Result{}, err
		}
		path := filepath.Join(parts, partName(n))
		got, err := files.HashFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("got nothing, wanted part %d of %d", n+1, len(sums))
		}
		if err == nil && got.SHA256 != want {
			err = fmt.Errorf("got sha256 %s, wanted %s", got.SHA256, want)
		}
		if err != nil {
			return bad(path, err)
		}
	}
	to, err := prepareOut(out)
	if err != nil {
		return Result{}, err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(to), ".tmp-bundle-")
	if err != nil {
		return Result{}, cannotWrite(out, err)
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	whole := filepath.Join(tmp, "whole")
	r := &partReader{dir: parts, n: len(sums)}
	m, err := unpack(ctx, r, whole)
	if e := r.close(); err == nil {
		err = e
	}
	if err != nil {
		return bad(parts, err)
	}
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	return Result{Dir: out, Manifest: m, Parts: len(sums), Digest: files.HashBytes(raw)}, renameInto(whole, to)
}

var sumLine = regexp.MustCompile(`^([0-9a-f]{64})  (join\.sh|part-([0-9]{3,5}))$`)

// parseSums reads SHA256SUMS: the digests of part-000, part-001 and so on, in
// that order.
func parseSums(s string) (sums []string, err error) {
	for n, line := range strings.Split(strings.TrimSuffix(s, "\n"), "\n") {
		f := sumLine.FindStringSubmatch(line)
		switch {
		case f == nil:
			return nil, fmt.Errorf("line %d: got %.100q, wanted a sha256 and part-NNN or %s", n+1, line, joinName)
		case f[2] == joinName:
			continue
		}
		if at, err := strconv.Atoi(f[3]); err != nil || at != len(sums) || f[2] != partName(at) {
			return nil, fmt.Errorf("line %d: got %s, wanted %s", n+1, f[2], partName(len(sums)))
		}
		sums = append(sums, f[1])
	}
	if len(sums) == 0 {
		return nil, errors.New("got no part, wanted one or more")
	}
	return sums, nil
}

// unpack reads a bundle's archive into dir: the manifest first, then exactly
// the files that it names, each once.
func unpack(ctx context.Context, r io.Reader, dir string) (m Manifest, err error) {
	t := tar.NewReader(r)
	h, err := t.Next()
	if err != nil {
		return m, err
	}
	if h.Name != ManifestName || h.Typeflag != tar.TypeReg || h.Size > maxManifest {
		return m, fmt.Errorf("got %.100q of %d bytes as the first file, wanted %s", h.Name, h.Size, ManifestName)
	}
	raw, err := io.ReadAll(t)
	if err != nil {
		return m, err
	}
	if m, err = parseManifest(raw); err != nil {
		return m, fmt.Errorf("%s: %w", ManifestName, err)
	}
	if err := copyTo(ctx, strings.NewReader(string(raw)), filepath.Join(dir, ManifestName), 0o644, files.IdentityOf(raw)); err != nil {
		return m, err
	}
	seen := map[string]bool{}
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return m, err
		}
		want, ok := m.Files[h.Name]
		switch {
		case !ok:
			return m, fmt.Errorf("got %.100q, wanted only what %s names", h.Name, ManifestName)
		case h.Typeflag != tar.TypeReg:
			return m, fmt.Errorf("%s: got an entry of type %q, wanted a file", h.Name, h.Typeflag)
		case sparse(h):
			return m, fmt.Errorf("%s: got a sparse file, wanted one whose bytes are all there", h.Name)
		case h.Size != want.Bytes:
			return m, fmt.Errorf("%s: got %d bytes, wanted %d", h.Name, h.Size, want.Bytes)
		case seen[h.Name]:
			return m, fmt.Errorf("%s: got it twice, wanted it once", h.Name)
		}
		seen[h.Name] = true
		// The name is in the manifest, whose paths were checked.
		if err := copyTo(ctx, t, filepath.Join(dir, filepath.FromSlash(h.Name)), mode(h.Name), want); err != nil {
			return m, err
		}
	}
	for name := range m.Files {
		if !seen[name] {
			return m, fmt.Errorf("got no %s, wanted it: %s names it", name, ManifestName)
		}
	}
	return m, nil
}

// sparse reports whether an entry has holes: a few bytes of such an archive can
// fill a disk.
func sparse(h *tar.Header) bool {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return h.Typeflag == tar.TypeGNUSparse
}

// partReader reads the parts one after another, one of them open at a time.
type partReader struct {
	dir   string
	n, at int
	f     *os.File
}

func (r *partReader) Read(b []byte) (int, error) {
	for {
		if r.f == nil {
			if r.at == r.n {
				return 0, io.EOF
			}
			f, err := os.Open(filepath.Join(r.dir, partName(r.at)))
			if err != nil {
				return 0, err
			}
			r.f = f
			r.at++
		}
		n, err := r.f.Read(b)
		if n > 0 || (err != nil && !errors.Is(err, io.EOF)) {
			return n, err
		}
		if err := r.close(); err != nil {
			return 0, err
		}
	}
}

func (r *partReader) close() error {
	if r.f == nil {
		return nil
	}
	err := r.f.Close()
	r.f = nil
	return err
}
