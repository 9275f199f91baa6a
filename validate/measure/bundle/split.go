package bundle

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/embedgate/embedgate/internal/files"
)

// Names beside the parts.
const (
	sumsName = "SHA256SUMS"
	joinName = "join.sh"
)

// joinScript joins the parts without embedgate, which is in them. The digests
// protect against a bad copy. Whoever changes a part on purpose can change them
// too, so the user must compare the digest of SHA256SUMS itself.
const joinScript = `#!/bin/sh
# Checks the parts that lie beside this file and joins them: sh join.sh FOLDER
set -eu
out=${1:?usage: sh join.sh FOLDER}
case $out in /*) ;; *) out=$PWD/$out ;; esac
if [ -e "$out" ]; then echo "join.sh: $out is there already; name another folder" >&2; exit 2; fi
cd "$(dirname "$0")"
if command -v sha256sum >/dev/null; then sha256() { sha256sum "$@"; }; else sha256() { shasum -a 256 "$@"; }; fi
if ! sha256 -c SHA256SUMS >&2; then
  echo "join.sh: a part is missing or damaged: bring it again" >&2
  exit 2
fi
tmp=$out.tmp.$$
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp"
# Only what was checked, in its order.
cat $(sed -n 's/^[0-9a-f]*  \(part-[0-9]*\)$/\1/p' SHA256SUMS) | tar -x -f - -C "$tmp"
mv "$tmp" "$out"
echo "$out" | sed 's/$/: joined; start measure.sh there/'
`

// splitInto writes the folder as a tar archive in parts of at most size bytes,
// their digests and join.sh. It returns the number of parts and the digest of
// SHA256SUMS.
func splitInto(ctx context.Context, dir, whole string, m Manifest, size int64) (int, string, error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return 0, "", cannotWrite(dir, err)
	}
	w := &splitter{dir: dir, size: size}
	t := tar.NewWriter(w)
	// The manifest is first, so that a reader knows which files may follow.
	names := append([]string{ManifestName}, slices.Sorted(maps.Keys(m.Files))...)
	for _, name := range names {
		if err := addToTar(ctx, t, whole, name); err != nil {
			return 0, "", cannotWrite(dir, err)
		}
	}
	if err := t.Close(); err != nil {
		return 0, "", cannotWrite(dir, err)
	}
	if err := w.end(); err != nil {
		return 0, "", cannotWrite(dir, err)
	}
	if err := os.WriteFile(filepath.Join(dir, joinName), []byte(joinScript), 0o755); err != nil {
		return 0, "", cannotWrite(dir, err)
	}
	fmt.Fprintf(&w.sums, "%s  %s\n", files.HashBytes([]byte(joinScript)), joinName)
	sums := []byte(w.sums.String())
	if err := os.WriteFile(filepath.Join(dir, sumsName), sums, 0o644); err != nil {
		return 0, "", cannotWrite(dir, err)
	}
	return w.parts, files.HashBytes(sums), nil
}

// addToTar adds one file, whose header names nothing of this machine.
func addToTar(ctx context.Context, t *tar.Writer, dir, name string) error {
	f, err := os.Open(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // read only
	i, err := f.Stat()
	if err != nil {
		return err
	}
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: i.Size(), Mode: int64(mode(name)), ModTime: time.Unix(0, 0)}
	if err := t.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.Copy(t, files.ReaderUntil(ctx, f))
	return err
}

// splitter writes part-000, part-001 and so on, each full but the last.
type splitter struct {
	dir   string
	size  int64
	parts int
	sums  strings.Builder // SHA256SUMS so far

	f    *os.File
	h    hash.Hash
	left int64
}

func partName(n int) string { return fmt.Sprintf("part-%03d", n) }

func (s *splitter) Write(b []byte) (n int, err error) {
	for len(b) > 0 {
		if s.f == nil {
			if s.f, err = os.OpenFile(filepath.Join(s.dir, partName(s.parts)), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644); err != nil {
				return n, err
			}
			s.h, s.left = sha256.New(), s.size
		}
		k, err := s.f.Write(b[:min(int64(len(b)), s.left)])
		s.h.Write(b[:k]) // a hash never fails
		n, b, s.left = n+k, b[k:], s.left-int64(k)
		if err != nil {
			return n, err
		}
		if s.left == 0 {
			if err := s.end(); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// end closes the part that is being written, if there is one.
func (s *splitter) end() error {
	if s.f == nil {
		return nil
	}
	fmt.Fprintf(&s.sums, "%s  %s\n", hex.EncodeToString(s.h.Sum(nil)), partName(s.parts))
	err := s.f.Close()
	s.f = nil
	s.parts++
	return err
}
