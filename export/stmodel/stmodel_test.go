package stmodel

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/internal/fault"
)

// configurations is a table of directories: what each says, or why it is refused.
type configurations struct {
	Base  map[string]json.RawMessage `json:"base"`
	Cases []struct {
		Name    string                     `json:"name"`
		Files   map[string]json.RawMessage `json:"files"`
		Want    *candidate.Embedding       `json:"want"`
		Refused string                     `json:"refused"`
	} `json:"cases"`
}

func table(t testing.TB) (c configurations) {
	b, err := os.ReadFile(filepath.Join("testdata", "configurations.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &c))
	require.Greater(t, len(c.Cases), 100)
	return c
}

// directory is base with some files changed; a file of null is absent.
func directory(t testing.TB, base, changed map[string]json.RawMessage) fstest.MapFS {
	files := maps.Clone(base)
	maps.Copy(files, changed)
	d := fstest.MapFS{}
	for name, raw := range files {
		if string(raw) == "null" {
			continue
		}
		var damaged struct {
			Raw *string `json:"raw"`
		}
		if raw[0] == '{' {
			require.NoError(t, json.Unmarshal(raw, &damaged))
		}
		if damaged.Raw != nil {
			raw = []byte(*damaged.Raw)
		}
		d[name] = &fstest.MapFile{Data: raw}
	}
	return d
}

func TestTheDirectoryIsReadAsTheTableHasIt(t *testing.T) {
	c := table(t)
	for _, x := range c.Cases {
		t.Run(x.Name, func(t *testing.T) {
			got, err := read(directory(t, c.Base, x.Files))
			if x.Want != nil {
				require.NoError(t, err)
				assert.Equal(t, *x.Want, got.Embedding)
				return
			}
			require.ErrorContains(t, err, x.Refused)
			refusal(t, err)
		})
	}
}

// refusal wants an error to name the thing, what was got, what was wanted and
// the next step, and no type of Go.
func refusal(t testing.TB, err error) {
	t.Helper()
	require.Equal(t, fault.Usage, fault.KindOf(err), "%v", err)
	for _, part := range []string{": got ", ", wanted ", "; next: "} {
		assert.ErrorContains(t, err, part)
	}
	for _, name := range []string{"stmodel.", "json.", "[]string", "Go value", "Go struct", "interface"} {
		assert.NotContains(t, err.Error(), name)
	}
}

func TestReadOfADirectory(t *testing.T) {
	_, err := Read(filepath.Join(t.TempDir(), "absent"))
	require.ErrorContains(t, err, "absent")
	refusal(t, err)
	dir := t.TempDir()
	_, err = Read(dir)
	require.ErrorContains(t, err, "modules.json")
	refusal(t, err)
	require.NoError(t, os.CopyFS(dir, directory(t, table(t).Base, nil)))
	e, err := Read(dir)
	require.NoError(t, err)
	require.Equal(t, 48, e.Dimension)
}

// scripts/shared/model_dir.py reads it.
func TestTheScriptsAreGivenEverySetting(t *testing.T) {
	c, err := read(directory(t, table(t).Base, nil))
	require.NoError(t, err)
	require.Equal(t, "bert", c.ModelType)
	got, err := c.Argument()
	require.NoError(t, err)
	require.JSONEq(t, `{"pooling":"mean","normalize":true,"max_tokens":24,"dimension":48,"positions":40}`, got)
}

func TestHostileJSONIsRefused(t *testing.T) {
	base := table(t).Base
	for name, raw := range map[string]string{
		"not JSON": "{", "not UTF-8": `{"a": "\xff"}`, "deep": strings.Repeat("[", 200_000), "a huge number": `{"hidden_size": ` + strings.Repeat("9", 10_000) + `, "word_embedding_dimension": 1e9}`,
		"another type": `"x"`, "large": strings.Repeat(" ", maxConfig+1), "empty": "",
	} {
		for _, file := range []string{modulesFile, configFile, "1_Pooling/config.json", "sentence_bert_config.json", settingsFile} {
			if name == "a huge number" && (file == "sentence_bert_config.json" || file == settingsFile) {
				continue // a setting that nobody reads there
			}
			t.Run(name+" in "+file, func(t *testing.T) {
				d := directory(t, base, nil)
				d[file] = &fstest.MapFile{Data: []byte(raw)}
				_, err := read(d)
				require.Error(t, err)
				refusal(t, err)
			})
		}
	}
}

func TestEveryWrongValueIsRefusedOrRead(t *testing.T) {
	base := table(t).Base
	wrong := []any{nil, true, -1, 0, 1.5, 1e40, "x", "", []int{}, []int{1}, map[string]int{}, map[string]int{"a": 1}}
	more := map[string][]string{"sentence_bert_config.json": {"transformer_task", "modality_config", "processing_kwargs", "model_args", "processor_kwargs"}}
	for _, file := range []string{configFile, "1_Pooling/config.json", "sentence_bert_config.json", settingsFile, sentenceFile} {
		known := map[string]any{"prompts": map[string]string{"a": "b"}, "model_type": "SentenceTransformer", "default_prompt_name": nil}
		if raw, ok := base[file]; ok {
			known = map[string]any{}
			require.NoError(t, json.Unmarshal(raw, &known))
		}
		for _, key := range append(slices.Sorted(maps.Keys(known)), more[file]...) {
			for _, value := range wrong {
				changed := maps.Clone(known)
				changed[key] = value
				raw, err := json.Marshal(changed)
				require.NoError(t, err)
				c, err := read(directory(t, base, map[string]json.RawMessage{file: raw}))
				if err != nil {
					refusal(t, err)
					continue
				}
				assert.True(t, c.MaxTokens >= 3 && c.Dimension >= 1 && c.Pooling != "", "%s %s: %v gives %+v", file, key, value, c)
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	b := table(f).Base
	f.Add([]byte(b[modulesFile]), []byte(b[configFile]), []byte(b["1_Pooling/config.json"]), []byte(b["sentence_bert_config.json"]), []byte(b[settingsFile]), []byte(b[tokenizerFile]))
	f.Add([]byte(b[modulesFile]), []byte(b[configFile]), []byte(`{"pooling_mode":["cls"]}`), []byte("null"), []byte(`{"model_max_length":-1}`), []byte(`{"model":{"vocab":{"a":1}}}`))
	f.Fuzz(func(t *testing.T, modules, config, pooling, sentence, settings, tokenizer []byte) {
		d := fstest.MapFS{}
		for name, b := range map[string][]byte{
			modulesFile: modules, configFile: config, "1_Pooling/config.json": pooling, "sentence_bert_config.json": sentence,
			settingsFile: settings, tokenizerFile: tokenizer, weightsFile: weightsOf(t, nil),
		} {
			d[name] = &fstest.MapFile{Data: b}
		}
		e, err := read(d)
		if err == nil && (e.Dimension < 1 || e.Dimension > maxDimension || e.MaxTokens < 3 || e.MaxTokens > maxTextTokens || e.Pooling == "") {
			t.Fatalf("accepted %+v", e)
		}
		if err != nil {
			require.Equal(t, fault.Usage, fault.KindOf(err))
		}
		if err := agree(d); err != nil {
			require.Equal(t, fault.Usage, fault.KindOf(err))
		}
	})
}
