package source_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/source"
	"github.com/embedgate/embedgate/internal/fault"
)

const commit = "0123456789abcdef0123456789abcdef01234567"

// hub serves one repository's files as the HuggingFace Hub does: an ETag and
// the commit in the answer to HEAD, the bytes to GET.
func hub(t *testing.T, files map[string]string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, ok := strings.CutPrefix(r.URL.Path, "/owner/model/resolve/"+commit+"/")
		body, there := files[name]
		if !ok || !there {
			w.Header().Set("X-Error-Code", "EntryNotFound")
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("ETag", `"`+hash(body)+`"`)
		w.Header().Set("X-Repo-Commit", commit)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(body))
	}))
	t.Cleanup(s.Close)
	t.Setenv("HF_ENDPOINT", s.URL)
	t.Setenv("HF_HUB_OFFLINE", "0")
	t.Setenv("HF_HOME", t.TempDir())
	t.Setenv("NO_PROXY", "127.0.0.1")
	t.Setenv("no_proxy", "127.0.0.1")
}

// The hub sends to a storage, with an address that is a secret of its own: the
// user's token must not go there too.
func TestTheTokenStaysWithTheHub(t *testing.T) {
	var seen []string
	body := "w"
	note := func(where string, r *http.Request) {
		seen = append(seen, where+" "+r.Header.Get("Authorization"))
	}
	storage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		note("storage", r)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(storage.Close)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		note("hub", r)
		http.Redirect(w, r, storage.URL+"/x", http.StatusFound)
	}))
	t.Cleanup(s.Close)
	hub(t, nil)
	t.Setenv("HF_ENDPOINT", s.URL)
	t.Setenv("HF_TOKEN", "secret")
	_, err := source.Fetch(t.Context(), source.Options{Spec: "hf:owner/model@" + commit, Files: map[string]string{"model.safetensors": hash(body)}, CacheDir: t.TempDir()})
	require.NoError(t, err)
	require.Equal(t, []string{"hub Bearer secret", "storage "}, seen)
}

func hash(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

func TestTheHubGivesThePinnedFilesOfARevision(t *testing.T) {
	files := map[string]string{"model.safetensors": "w", "1_Pooling/config.json": "{}", "unpinned.bin": "x"}
	options := func(pins map[string]string) source.Options {
		return source.Options{Spec: "hf:owner/model@" + commit, Files: pins, CacheDir: t.TempDir()}
	}
	pins := map[string]string{"model.safetensors": hash("w"), "1_Pooling/config.json": hash("{}")}
	hub(t, files)

	got, err := source.Fetch(t.Context(), options(pins))
	dir, spec := got.Dir, got.Spec
	require.NoError(t, err)
	assert.Equal(t, "hf:owner/model@"+commit, spec)
	entries := []string{}
	require.NoError(t, filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, p)
			entries = append(entries, rel)
			assert.True(t, d.Type().IsRegular(), rel)
		}
		return err
	}))
	assert.ElementsMatch(t, []string{"model.safetensors", "1_Pooling/config.json"}, entries)

	pins["model.safetensors"] = hash("another")
	_, err = source.Fetch(t.Context(), options(pins))
	require.ErrorContains(t, err, hash("w"))
	require.ErrorContains(t, err, hash("another"))
	require.Equal(t, fault.Usage, fault.KindOf(err))

	pins["absent.json"] = hash("")
	_, err = source.Fetch(t.Context(), options(pins))
	require.ErrorContains(t, err, "absent.json")
	require.Equal(t, fault.Usage, fault.KindOf(err))
}
