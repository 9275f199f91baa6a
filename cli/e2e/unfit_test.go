package e2e_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/cli"
	"github.com/embedgate/embedgate/internal/files"
)

// unfitModel is a model directory, of which the weights are a list alone, with
// a policy beside it.
func unfitModel(t *testing.T, changed map[string]string) (policyFile string) {
	t.Helper()
	list := `{"embeddings.word_embeddings.weight":{"dtype":"F32","shape":[8,4],"data_offsets":[0,128]}}`
	module := func(path, kind string) string {
		return fmt.Sprintf(`{"path":%q,"type":"sentence_transformers.models.%s"}`, path, kind)
	}
	sums := map[string]string{
		"modules.json":              "[" + module("", "Transformer") + "," + module("1_Pooling", "Pooling") + "]",
		"1_Pooling/config.json":     `{"word_embedding_dimension":4,"pooling_mode_mean_tokens":true}`,
		"config.json":               `{"model_type":"bert","vocab_size":8,"hidden_size":4,"max_position_embeddings":16}`,
		"sentence_bert_config.json": `{"max_seq_length":16}`,
		"tokenizer_config.json":     `{"tokenizer_class":"BertTokenizer","do_lower_case":true}`,
		"tokenizer.json": `{"added_tokens":[],"normalizer":{"type":"BertNormalizer","lowercase":true},"pre_tokenizer":{"type":"BertPreTokenizer"},
			"post_processor":{"type":"BertProcessing","sep":["[SEP]",2],"cls":["[CLS]",1]},
			"model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,"vocab":{"[UNK]":0,"[CLS]":1,"[SEP]":2,"a":3}}}`,
		"model.safetensors": string(append(binary.LittleEndian.AppendUint64(nil, uint64(len(list))), list...)) + strings.Repeat("\x00", 128),
	}
	for name, s := range changed {
		sums[name] = s
	}
	dir := t.TempDir()
	pins := ""
	for name, s := range sums {
		p := filepath.Join(dir, "model", filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(p), 0o777))
		require.NoError(t, os.WriteFile(p, []byte(s), 0o666))
		sum, err := files.HashFile(p)
		require.NoError(t, err)
		pins += fmt.Sprintf("    %s: %s\n", name, sum.SHA256)
	}
	policyFile = filepath.Join(dir, "policy.yaml")
	require.NoError(t, os.WriteFile(policyFile, []byte(`schema: 2
release: {version: 1.0.0}
model:
  name: unfit
  source: dir:model
  files:
`+pins+`variants: {fp32: {precision: fp32}}
parity: {fp32: {min_cosine: 0.999, max_abs: 1e-3, norm: 1e-3}}
invariance: {fp32: {max_abs: 1e-3}}
latency: {launches: 1, samples: 90, budgets: [{tokens: 16, batch: 1, percentile: 95, budget: 2s, confidence: 0.99}]}
cold_start: {budget: 60s}
memory: {budget: 4GiB}
providers: {cpu: {variants: [fp32], placement: {min_flops: 1, allowed_fallback: []}}}
channels: {local: {require: [cpu]}}
`), 0o666))
	return policyFile
}

// What cannot work is said before anything is installed: there is no Python
// here, and no environment in the cache.
func TestWhatCannotWorkIsSaidInTheFirstSecond(t *testing.T) {
	vocabulary := `"vocab":{"[UNK]":0,"[CLS]":1,"[SEP]":2,"a":3}`
	good := func(name, old, new string) map[string]string {
		b, err := os.ReadFile(filepath.Join(filepath.Dir(unfitModel(t, nil)), "model", filepath.FromSlash(name)))
		require.NoError(t, err)
		require.Contains(t, string(b), old)
		return map[string]string{name: strings.Replace(string(b), old, new, 1)}
	}
	for name, c := range map[string]struct {
		changed map[string]string
		command []string
		want    []string
	}{
		"a Dense module": {good("modules.json", `Pooling"}`, `Pooling"},{"path":"2_Dense","type":"sentence_transformers.models.Dense"}`), nil,
			[]string{"modules.json", "sentence_transformers.models.Dense"}},
		"a Unigram tokenizer": {good("tokenizer.json", `"type":"WordPiece"`, `"type":"Unigram"`), nil, []string{"tokenizer.json", `got type "Unigram", wanted WordPiece`}},
		"pieces in a list":    {good("tokenizer.json", vocabulary, `"vocab":[["a",0.5]]`), nil, []string{"tokenizer.json", "model.vocab", "wanted an object"}},
		"a token beyond the table": {good("tokenizer.json", `"added_tokens":[]`, `"added_tokens":[{"id":4,"content":"[A]"},{"id":5,"content":"[B]"},{"id":6,"content":"[C]"},{"id":7,"content":"[D]"},{"id":8,"content":"[DOC]"}]`), nil,
			[]string{"tokenizer.json", `id 8 (added_tokens, "[DOC]")`, "model.safetensors"}},
		"capitals that two files tell two ways": {good("tokenizer_config.json", "true", "false"), nil, []string{"tokenizer_config.json do_lower_case", "tokenizer.json normalizer.lowercase"}},
		"no golden":                             {nil, []string{"run"}, []string{"model.golden", "embedgate golden --"}},
	} {
		t.Run(name, func(t *testing.T) {
			policy := unfitModel(t, c.changed)
			cacheHome := t.TempDir()
			t.Setenv("XDG_CACHE_HOME", cacheHome)
			t.Setenv("PATH", t.TempDir())
			commands := [][]string{c.command}
			if c.command == nil {
				commands = [][]string{{"export", "--out", filepath.Join(cacheHome, "out")}, {"golden", "--out", filepath.Join(cacheHome, "out")}}
			}
			for _, command := range commands {
				var out, said bytes.Buffer
				began := time.Now()
				code := cli.Main(context.Background(), append(command, "--policy", policy), nil, &out, &said)
				assert.Less(t, time.Since(began), 30*time.Second)
				assert.Equal(t, 2, code, "%s: %s", command[0], said.String())
				for _, want := range c.want {
					assert.Contains(t, said.String(), want, command[0])
				}
				assert.NotContains(t, said.String(), "Go ", "no type of Go")
				assert.NoDirExists(t, filepath.Join(cacheHome, "embedgate", "env"))
				assert.NoDirExists(t, filepath.Join(cacheHome, "out"))
			}
		})
	}
	t.Run("a model that can work asks for a Python", func(t *testing.T) {
		policy := unfitModel(t, nil)
		t.Setenv("XDG_CACHE_HOME", t.TempDir())
		t.Setenv("PATH", t.TempDir())
		var out, said bytes.Buffer
		require.Equal(t, 4, cli.Main(context.Background(), []string{"golden", "--policy", policy, "--out", filepath.Join(t.TempDir(), "g")}, nil, &out, &said), said.String())
		require.Contains(t, said.String(), "Python 3.11")
	})
}

func TestPlacesThatCannotBeWrittenAreNamedWithTheirVariable(t *testing.T) {
	policy := unfitModel(t, nil)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o666))
	for name, c := range map[string]struct {
		env     map[string]string
		command []string
		code    int
		want    string
	}{
		"a cache that is no folder": {map[string]string{"XDG_CACHE_HOME": file}, []string{"export", "--out", file + "-out"}, 4, "XDG_CACHE_HOME"},
		"a cache that is relative":  {map[string]string{"XDG_CACHE_HOME": "relative"}, []string{"export", "--out", file + "-out"}, 4, "XDG_CACHE_HOME"},
		"no home":                   {map[string]string{"XDG_CACHE_HOME": "", "HOME": ""}, []string{"export", "--out", file + "-out"}, 4, "set HOME"},
		"a report in a file":        {map[string]string{"XDG_CACHE_HOME": t.TempDir()}, []string{"run", "--report", filepath.Join(file, "report")}, 2, "--report"},
	} {
		t.Run(name, func(t *testing.T) {
			for k, v := range c.env {
				t.Setenv(k, v)
			}
			t.Setenv("PATH", t.TempDir())
			var out, said bytes.Buffer
			require.Equal(t, c.code, cli.Main(context.Background(), append(c.command, "--policy", policy), nil, &out, &said), said.String())
			require.Contains(t, said.String(), c.want)
			require.Contains(t, said.String(), "; next: ")
		})
	}
}
