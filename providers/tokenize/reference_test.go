package tokenize_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/exporttest"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/providers/tokenize"
)

func TestGoldenTextsGiveTheGoldenIds(t *testing.T) {
	g, ok, err := golden.Builtin(exporttest.Model)
	require.NoError(t, err)
	require.True(t, ok)
	require.NotEmpty(t, g.Texts)
	tok := load(t)
	for i, text := range g.Texts {
		require.Equal(t, g.IDs[i], tok.Append(nil, string(text.Bytes), g.MaxTokens), text.ID)
	}
}

// Why sugarme's normaliser, pre-tokenizer and special tokens are not used: were
// this test to fail, they could be. Ours are those of the reference, by the
// test below.
func TestStockSugarmeGivesOtherIds(t *testing.T) {
	tok, theirs := load(t), stock(t)
	for name, text := range map[string]string{
		"an accent that is decomposed":  "e\u0301",
		"marks that are not Latin":      "שָׁלוֹם",
		"Hangul, whose syllables split": "한국어 텍스트 안녕하세요",
	} {
		t.Run(name, func(t *testing.T) {
			e, err := theirs.EncodeSingle(text, true)
			require.NoError(t, err)
			ids := make([]int64, len(e.Ids))
			for i, id := range e.Ids {
				ids[i] = int64(id)
			}
			require.NotEqual(t, tok.Append(nil, text, limit), ids)
		})
	}
}

// The reference is HF's tokenizers, run in the export environment on texts from
// a seeded generator, with the official tokenizer and with changed ones.
func TestRandomTextsGiveTheReferenceIds(t *testing.T) {
	if testing.Short() {
		t.Skip("needs the export environment")
	}
	lower, keep, strip := `"lowercase":true`, `"strip_accents":null`, `"strip_accents":`
	added := func(texts ...string) []string {
		var b strings.Builder
		for i, s := range texts {
			fmt.Fprintf(&b, `,{"id":%d,"content":%q,"single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":%v}`, 30522+i, s, i%2 == 0)
		}
		return []string{`],"normalizer"`, b.String() + `],"normalizer"`}
	}
	for i, c := range []struct {
		name    string
		texts   int
		changes []string // old, new
	}{
		{"the official tokenizer", 20000, nil},
		{"case kept, accents following it", 2000, []string{lower, `"lowercase":false`}},
		{"case kept, accents stripped", 2000, []string{lower, `"lowercase":false`, keep, strip + "true"}},
		{"case kept, accents kept", 2000, []string{lower, `"lowercase":false`, keep, strip + "false"}},
		{"lower case, accents stripped", 2000, []string{keep, strip + "true"}},
		{"lower case, accents kept", 2000, []string{keep, strip + "false"}},
		{"ideographs not apart", 2000, []string{`"handle_chinese_chars":true`, `"handle_chinese_chars":false`}},
		{"text not cleaned", 2000, []string{`"clean_text":true`, `"clean_text":false`}},
		{"nothing normalised", 2000, []string{lower, `"lowercase":false`, `"clean_text":true`, `"clean_text":false`, `"handle_chinese_chars":true`, `"handle_chinese_chars":false`}},
		{"short words only", 2000, []string{`"max_input_chars_per_word":100`, `"max_input_chars_per_word":6`}},
		{"an added token", 2000, added("<special>")},
		{"added tokens that overlap", 2000, added("<special>", "<spec", "special>", "<special><special>", "é", " ", "al><")},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := string(official(t))
			for j := 0; j < len(c.changes); j += 2 {
				require.Equal(t, 1, strings.Count(b, c.changes[j]), c.changes[j])
				b = strings.Replace(b, c.changes[j], c.changes[j+1], 1)
			}
			tok, err := tokenize.Load([]byte(b))
			require.NoError(t, err)
			n, wrong := compare(t, tok, b, c.texts, i+1)
			require.Equal(t, c.texts, n)
			require.Zero(t, wrong, "texts with other ids")
		})
	}
}

// compare returns the number of texts compared, and of those with other ids.
func compare(t testing.TB, tok *tokenize.Tokenizer, tokenizerJSON string, texts, seed int) (n, wrong int) {
	path := filepath.Join(t.TempDir(), "tokenizer.json")
	require.NoError(t, os.WriteFile(path, []byte(tokenizerJSON), 0o600))
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), exporttest.Python(t), filepath.Join("testdata", "reference.py"),
		path, fmt.Sprint(texts), fmt.Sprint(seed), fmt.Sprint(limit))
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for ; lines.Scan(); n++ {
		var line struct {
			Text []byte
			IDs  []int64
		}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &line))
		if got := tok.Append(nil, string(line.Text), limit); !slices.Equal(got, line.IDs) {
			if wrong++; wrong <= 5 {
				t.Errorf("%+q: got %v, wanted %v", line.Text, got, line.IDs)
			}
		}
	}
	require.NoError(t, lines.Err())
	require.NoError(t, cmd.Wait(), &stderr)
	return n, wrong
}
