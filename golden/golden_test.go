package golden_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/internal/fault"
)

const dir = "all-MiniLM-L6-v2"

func builtin(t testing.TB) golden.Set {
	s, ok, err := golden.Builtin(dir)
	require.NoError(t, err)
	require.True(t, ok)
	return s
}

func TestTheCorpusHasTheDocumentedTexts(t *testing.T) {
	s := builtin(t)
	require.GreaterOrEqual(t, len(s.Texts), 300)
	require.Equal(t, 384, s.Dim)
	groups, byID, pairs := map[string]int{}, map[string]int{}, map[string][]string{}
	invalid := 0
	for i, x := range s.Texts {
		groups[x.Group]++
		byID[x.ID] = i
		if x.Pair != "" {
			pairs[x.Pair] = append(pairs[x.Pair], x.Role)
		}
		if !utf8.Valid(x.Bytes) {
			invalid++
		}
	}
	for _, g := range []string{
		"everyday", "ladder", "languages", "accents-nfc", "accents-nfd", "emoji", "control", "spaces", "invalid-utf8",
		"special", "code", "numbers", "urls", "cases", "pairs", "empty",
	} {
		require.NotZero(t, groups[g], g)
	}
	require.GreaterOrEqual(t, groups["languages"], 24)
	require.Equal(t, groups["invalid-utf8"], invalid)
	require.GreaterOrEqual(t, len(pairs), 25)
	for p, roles := range pairs {
		require.Equal(t, []string{"anchor", "paraphrase", "near-miss"}, roles, p)
	}
	for _, n := range []int{1, 2, 8, 16, 32, 64, 127, 128, 129, 254, 255, 256, 257, 512} {
		want := min(n, s.MaxTokens)
		if n < 8 {
			want = n + 2
		}
		require.Len(t, s.IDs[byID[fmt.Sprintf("ladder-%04d", n)]], want)
	}
	require.Len(t, s.Texts[byID["ladder-10000-characters"]].Bytes, 10000)
}

func TestTheEmbeddingHasLengthOne(t *testing.T) {
	s := builtin(t)
	for i := range s.Texts {
		var sum float64
		for _, x := range s.Embedding(i) {
			sum += x * x
		}
		require.InDelta(t, 1, sum, 1e-12)
	}
	s.Normalize = false
	require.Equal(t, s.Pooled[:s.Dim], s.Embedding(0))
}

func TestANearMissIsNotAlwaysNear(t *testing.T) {
	s := builtin(t)
	dot := func(i, j int) (d float64) {
		a, b := s.Embedding(i), s.Embedding(j)
		for k := range a {
			d += a[k] * b[k]
		}
		return d
	}
	better := 0
	for i, x := range s.Texts {
		if x.Role == "anchor" && dot(i, i+1) > dot(i, i+2) {
			better++
		}
	}
	require.Greater(t, better, 5, "some paraphrases must be nearer, or ranking is not judged")
}

func TestAFlippedByteInAnyFileIsFound(t *testing.T) {
	names := []string{golden.ManifestName, golden.TextsName, golden.VectorsName}
	for _, name := range names {
		orig, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		step := max(1, len(orig)/40)
		for at := 0; at < len(orig); at += step {
			tmp := t.TempDir()
			for _, n := range names {
				b, err := os.ReadFile(filepath.Join(dir, n))
				require.NoError(t, err)
				if n == name {
					b[at] ^= 1
				}
				require.NoError(t, os.WriteFile(filepath.Join(tmp, n), b, 0o666))
			}
			s, err := golden.Read(tmp)
			if err == nil { // the manifest is bound by the digest that everything else carries
				require.Equal(t, golden.ManifestName, name)
				require.NotEqual(t, builtin(t).Digest, s.Digest)
				continue
			}
			require.Equal(t, fault.Usage, fault.KindOf(err))
		}
	}
}

func TestThereIsNoGoldenForAnUnknownModel(t *testing.T) {
	for _, m := range []string{"nobody", "..", "", "a/../b"} {
		_, ok, err := golden.Builtin(m)
		require.NoError(t, err)
		require.False(t, ok)
	}
}

func TestBadTextsAreRefused(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"an id twice":            {`{"id":"a","group":"g","text":""}` + "\n" + `{"id":"a","group":"g","text":""}`, "an id of its own"},
		"two texts on a line":    {`{"id":"a","group":"g","text":""}{"id":"b","group":"g","text":""}`, "got more after"},
		"an empty line":          {"\n" + `{"id":"a","group":"g","text":""}`, "line 1: got an empty line"},
		"bytes that are no text": {"{\"id\":\"a\",\"group\":\"g\",\"text\":\"\xff\"}", "base64"},
		"half a surrogate pair":  {`{"id":"a","group":"g","text":"x\ud83d"}`, "half a surrogate pair"},
		"halves the wrong way":   {`{"id":"a","group":"g","text":"\ude00\ud83d"}`, "half a surrogate pair"},
		"halves held apart":      {`{"id":"a","group":"g","text":"\ud83dx\ude00"}`, "half a surrogate pair"},
		"a half, then no half":   {`{"id":"a","group":"g","text":"\ud83d\n"}`, "half a surrogate pair"},
		"no group":               {`{"id":"a","text":""}`, "wanted both"},
		"an unknown role":        {`{"id":"a","group":"g","text":"","pair":"p","role":"rival"}`, "rival"},
		"base64 on two lines":    {`{"id":"a","group":"g","base64":"eA\n=="}`, "base64"},
		"no text at all":         {`{"id":"a","group":"g"}`, "either text or base64"},
		"both kinds of text":     {`{"id":"a","group":"g","text":"","base64":""}`, "either text or base64"},
		"an unknown key":         {`{"id":"a","group":"g","txt":""}`, "txt"},
		"a role without pair":    {`{"id":"a","group":"g","text":"","role":"anchor"}`, "wanted both or none"},
		"base64 that is none":    {`{"id":"a","group":"g","base64":"?"}`, "base64"},
		"a line that is no JSON": {`hello`, "invalid character"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := golden.ParseTexts([]byte(c.text))
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestASurrogatePairIsOneCharacter(t *testing.T) {
	texts, err := golden.ParseTexts([]byte(`{"id":"a","group":"g","text":"\\ud83d \ud83d\ude00\uD83D\uDE00 \u00e9"}`))
	require.NoError(t, err)
	require.Equal(t, `\ud83d 😀😀 é`, string(texts[0].Bytes))
}

func FuzzParseTexts(f *testing.F) {
	f.Add([]byte(`{"id":"a","group":"g","text":"x"}`))
	f.Add([]byte(`{"id":"b","group":"g","text":"\ud83d\ude00","pair":"p","role":"anchor"}` + "\n"))
	f.Add([]byte(strings.Repeat(`{"id":"a","group":"g","base64":"eA=="}`, 2)))
	f.Fuzz(func(t *testing.T, b []byte) {
		texts, err := golden.ParseTexts(b)
		if err != nil {
			return
		}
		ids := []string{}
		for _, x := range texts {
			ids = append(ids, x.ID)
		}
		slices.Sort(ids)
		require.Len(t, slices.Compact(ids), len(texts))
	})
}
