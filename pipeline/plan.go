package pipeline

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
)

// Plan names one round of measuring that several machines answer, and writes
// the name to a file: evidence of an earlier round then cannot pass for this
// one's.
func Plan(file string) (nonce string, err error) {
	b := make([]byte, 16)
	if _, err := rand.Read(b); err != nil {
		return "", err
	}
	nonce = hex.EncodeToString(b)
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		return "", err
	}
	return nonce, files.WriteAtomic(file, []byte(nonce+"\n"))
}

var nonceForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// readNonce reads a nonce as --nonce gives it: itself, or @FILE. An empty one
// stays empty: no plan was named. A file that is empty is refused, for a gate
// that wants no nonce takes any evidence.
func readNonce(flag string) (string, error) {
	path, isFile := strings.CutPrefix(flag, "@")
	if !isFile {
		if flag != "" && !nonceForm.MatchString(flag) {
			return "", badNonce("--nonce", flag, nil)
		}
		return flag, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return "", badNonce(path, "", err)
	}
	defer func() { _ = f.Close() }() // read only
	b, err := io.ReadAll(files.Capped(f, 200))
	if err != nil {
		return "", badNonce(path, "", err)
	}
	if n := strings.TrimSpace(string(b)); nonceForm.MatchString(n) {
		return n, nil
	}
	return "", badNonce(path, string(b), nil)
}

func badNonce(thing, got string, err error) error {
	if got != "" {
		got = fmt.Sprintf("%.120q", got)
	}
	return &fault.Error{
		Kind: fault.Usage, Thing: thing, Got: got, Wanted: "a plan's name: letters, digits and ._-, at most 100", Err: err,
		Next: "embedgate plan --out FILE, then --nonce @FILE on every machine",
	}
}
