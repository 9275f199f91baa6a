package library

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/embedgate/embedgate/internal/files"
)

// What a tarball may hold. The largest library of a known package has 50 MB,
// all platforms together 350 MB.
const (
	maxEntries  = 10_000
	maxUnpacked = 4 << 30   // bytes, of everything that is read
	maxLibrary  = 512 << 20 // bytes, of one file that is kept
)

// integrityOf is a file's digest as npm writes it.
func integrityOf(file string) (string, error) {
	h := sha512.New()
	if _, err := files.HashInto(h, file); err != nil {
		return "", err
	}
	return "sha512-" + base64.StdEncoding.EncodeToString(h.Sum(nil)), nil
}

// extract writes the wanted files of a gzipped tarball, where they lie below
// prefix, flat into dir and returns their sizes by base name. Anything but
// plain files and folders, names that leave the folder, a wanted file twice or
// not at all, and sizes out of bounds are errors.
func extract(ctx context.Context, tarball, prefix string, wanted []string, dir string) (map[string]int64, error) {
	f, err := os.Open(tarball)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, errors.Join(errBadTarball, err)
	}
	return extractTar(ctx, tar.NewReader(files.Capped(z, maxUnpacked)), prefix, wanted, dir)
}

func extractTar(ctx context.Context, r *tar.Reader, prefix string, wanted []string, dir string) (map[string]int64, error) {
	sizes := map[string]int64{}
	for n := 0; ; n++ {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, errors.Join(errBadTarball, err)
		}
		if n >= maxEntries {
			return nil, badTarball("more than %d entries", maxEntries)
		}
		switch {
		case h.Typeflag == tar.TypeXGlobalHeader:
			continue
		case !isBelow(h.Name):
			return nil, badTarball("an entry of the name %.80q", h.Name)
		case h.Typeflag == tar.TypeDir:
			continue
		case h.Typeflag != tar.TypeReg:
			return nil, badTarball("%.80q is a link or a device", h.Name)
		}
		base := path.Base(h.Name)
		if !slices.ContainsFunc(wanted, func(w string) bool { return prefix+w == h.Name }) {
			continue
		}
		if _, twice := sizes[base]; twice {
			return nil, badTarball("%.80q is there twice", h.Name)
		}
		if h.Size <= 0 || h.Size > maxLibrary {
			return nil, badTarball("%.80q has %d bytes", h.Name, h.Size)
		}
		if _, err := files.Copy(ctx, r, filepath.Join(dir, base), h.Size, 0o755); err != nil { // which reads all, or fails
			return nil, err
		}
		sizes[base] = h.Size
	}
	for _, w := range wanted {
		if sizes[path.Base(w)] == 0 {
			return nil, badTarball("there is no %s", w)
		}
	}
	return sizes, nil
}
