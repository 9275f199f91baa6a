package stmodel

import (
	"maps"
	"os"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/pipeline/fault"
)

const (
	transformer = `{"path":"","type":"sentence_transformers.models.Transformer"}`
	pool        = `{"path":"1_Pooling","type":"sentence_transformers.models.Pooling"}`
	normalize   = `{"path":"2_Normalize","type":"sentence_transformers.models.Normalize"}`
	dense       = `{"path":"2_Dense","type":"sentence_transformers.models.Dense"}`

	modulesFile  = "modules.json"
	configFile   = "config.json"
	poolingFile  = "1_Pooling/config.json"
	sentenceFile = "sentence_bert_config.json"
	tokenFile    = "tokenizer_config.json"
)

// base is a whole model of 8 dimensions and 64 tokens.
func base() map[string]string {
	return map[string]string{
		modulesFile:  "[" + transformer + "," + pool + "," + normalize + "]",
		configFile:   `{"hidden_size":8,"max_position_embeddings":512}`,
		poolingFile:  `{"word_embedding_dimension":8,"pooling_mode_mean_tokens":true,"pooling_mode_cls_token":false}`,
		sentenceFile: `{"max_seq_length":64}`,
		tokenFile:    `{"model_max_length":128}`,
	}
}

func mapFS(files map[string]string) fstest.MapFS {
	d := fstest.MapFS{}
	for n, s := range files {
		if s != "" { // "": taken away
			d[n] = &fstest.MapFile{Data: []byte(s)}
		}
	}
	return d
}

func TestReadTellsWhatTheDirectorySays(t *testing.T) {
	mean := candidate.Embedding{Pooling: candidate.PoolMean, Normalize: true, MaxTokens: 64, Dimension: 8}
	with := func(change func(*candidate.Embedding)) candidate.Embedding {
		e := mean
		change(&e)
		return e
	}
	pooling := func(p candidate.Pooling) candidate.Embedding {
		return with(func(e *candidate.Embedding) { e.Pooling = p })
	}
	tokens := func(n int) candidate.Embedding {
		return with(func(e *candidate.Embedding) { e.MaxTokens = n })
	}
	cases := map[string]struct {
		change map[string]string
		want   candidate.Embedding
	}{
		"mean pooling by its flag":     {nil, mean},
		"cls pooling by its flag":      {map[string]string{poolingFile: `{"pooling_mode_cls_token":true}`}, pooling("cls")},
		"max pooling by its flag":      {map[string]string{poolingFile: `{"pooling_mode_max_tokens":true}`}, pooling("max")},
		"pooling_mode as a string":     {map[string]string{poolingFile: `{"pooling_mode":"cls","embedding_dimension":8}`}, pooling("cls")},
		"pooling_mode and its flag":    {map[string]string{poolingFile: `{"pooling_mode":"max","pooling_mode_max_tokens":true}`}, pooling("max")},
		"a model that normalizes not":  {map[string]string{modulesFile: "[" + transformer + "," + pool + "]"}, with(func(e *candidate.Embedding) { e.Normalize = false })},
		"modules under a newer name":   {map[string]string{modulesFile: `[{"path":"","type":"sentence_transformers.base.modules.Transformer"},` + pool + "," + normalize + "]"}, mean},
		"the tokenizer's limit":        {map[string]string{sentenceFile: ""}, tokens(128)},
		"max_seq_length of null":       {map[string]string{sentenceFile: `{"max_seq_length":null}`}, tokens(128)},
		"a tokenizer without a limit":  {map[string]string{sentenceFile: "", tokenFile: `{"model_max_length":1e30}`}, tokens(512)},
		"no tokenizer configuration":   {map[string]string{sentenceFile: "", tokenFile: ""}, tokens(512)},
		"a limit beyond the positions": {map[string]string{sentenceFile: `{"max_seq_length":9999}`}, tokens(512)},
		"another family's file name":   {map[string]string{sentenceFile: "", "sentence_roberta_config.json": `{"max_seq_length":32}`}, tokens(32)},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			files := base()
			maps.Copy(files, c.change)
			got, err := read(mapFS(files))
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
		})
	}
}

func TestReadRefusesWhatItCannotReproduce(t *testing.T) {
	cases := map[string]struct {
		change map[string]string
		want   string
	}{
		"mean_sqrt_len by its flag":     {map[string]string{poolingFile: `{"pooling_mode_mean_sqrt_len_tokens":true}`}, "mean_sqrt_len"},
		"mean_sqrt_len by its name":     {map[string]string{poolingFile: `{"pooling_mode":"mean_sqrt_len_tokens"}`}, "mean_sqrt_len_tokens"},
		"weighted mean":                 {map[string]string{poolingFile: `{"pooling_mode_weightedmean_tokens":true}`}, "weightedmean"},
		"last token":                    {map[string]string{poolingFile: `{"pooling_mode_lasttoken":true}`}, "lasttoken"},
		"two poolings":                  {map[string]string{poolingFile: `{"pooling_mode_mean_tokens":true,"pooling_mode_cls_token":true}`}, "wanted one of"},
		"two poolings, one by its name": {map[string]string{poolingFile: `{"pooling_mode":"mean","pooling_mode_cls_token":true}`}, "wanted one of"},
		"no pooling":                    {map[string]string{poolingFile: `{}`}, "wanted one of"},
		"a flag that is no boolean":     {map[string]string{poolingFile: `{"pooling_mode_mean_tokens":"yes"}`}, "pooling_mode_mean_tokens"},
		"another dimension":             {map[string]string{poolingFile: `{"word_embedding_dimension":9,"pooling_mode_mean_tokens":true}`}, "got dimension 9"},
		"a dense layer":                 {map[string]string{modulesFile: "[" + transformer + "," + pool + "," + dense + "]"}, "Dense"},
		"a dense layer and Normalize":   {map[string]string{modulesFile: "[" + transformer + "," + pool + "," + dense + "," + normalize + "]"}, "Dense"},
		"no pooling module":             {map[string]string{modulesFile: "[" + transformer + "]"}, "[Transformer]"},
		"no modules.json":               {map[string]string{modulesFile: ""}, "modules.json"},
		"no config.json":                {map[string]string{configFile: ""}, "config.json"},
		"no pooling configuration":      {map[string]string{poolingFile: ""}, "1_Pooling"},
		"code that came with the model": {map[string]string{configFile: `{"hidden_size":8,"max_position_embeddings":512,"auto_map":{"AutoModel":"x.Y"}}`}, "auto_map"},
		"no hidden size":                {map[string]string{configFile: `{"max_position_embeddings":512}`}, "hidden_size"},
		"no positions":                  {map[string]string{configFile: `{"hidden_size":8}`}, "max_position_embeddings"},
		"a hidden size of a billion":    {map[string]string{configFile: `{"hidden_size":1000000000,"max_position_embeddings":512}`, poolingFile: `{"pooling_mode_mean_tokens":true}`}, "hidden_size"},
		"a path out of the directory":   {map[string]string{modulesFile: "[" + transformer + `,{"path":"../x","type":"Pooling"}]`}, "inside the model's directory"},
		"one token":                     {map[string]string{sentenceFile: `{"max_seq_length":1}`}, "got max_seq_length 1"},
		"fewer than no tokens":          {map[string]string{sentenceFile: `{"max_seq_length":-5}`}, "got max_seq_length -5"},
		"damaged JSON":                  {map[string]string{modulesFile: "[{"}, "modules.json"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			files := base()
			maps.Copy(files, c.change)
			_, err := read(mapFS(files))
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestReadOfADirectoryIsAFaultThatNamesIt(t *testing.T) {
	dir := t.TempDir()
	_, err := Read(dir)
	require.ErrorContains(t, err, dir)
	require.Equal(t, fault.Usage, fault.KindOf(err))
	require.NoError(t, os.CopyFS(dir, mapFS(base())))
	e, err := Read(dir)
	require.NoError(t, err)
	require.Equal(t, 8, e.Dimension)
}

func FuzzRead(f *testing.F) {
	b := base()
	f.Add(b[modulesFile], b[configFile], b[poolingFile], b[sentenceFile], b[tokenFile])
	f.Add(b[modulesFile], b[configFile], `{"pooling_mode":"cls"}`, "null", `{"model_max_length":-1}`)
	f.Fuzz(func(t *testing.T, modules, config, pooling, sentence, token string) {
		e, err := read(mapFS(map[string]string{modulesFile: modules, configFile: config, poolingFile: pooling, sentenceFile: sentence, tokenFile: token}))
		if err == nil && (e.Dimension < 1 || e.Dimension > 1<<16 || e.MaxTokens < 2 || e.MaxTokens > 1<<16 || e.Pooling == "") {
			t.Fatalf("accepted %+v", e)
		}
	})
}
