// Package stmodel reads how a sentence-transformers directory goes from text
// to vector: pooling, normalisation, longest text, dimension. It assumes
// nothing that the directory does not say, and must not know what is done with
// it.
package stmodel

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/pipeline/fault"
)

// maxConfig bounds one configuration file.
const maxConfig = 4 << 20

type module struct {
	Path string `json:"path"`
	Type string `json:"type"`
}

// Read reads the configuration files in dir. What cannot be reproduced exactly
// (other poolings, Dense layers, weighted sums) is an error of kind Usage.
func Read(dir string) (candidate.Embedding, error) {
	e, err := read(os.DirFS(dir))
	if err != nil {
		return e, &fault.Error{Kind: fault.Usage, Thing: dir, Err: err, Next: "use a sentence-transformers model of the BERT family with mean, cls or max pooling"}
	}
	return e, nil
}

func read(d fs.FS) (e candidate.Embedding, err error) {
	var mods []module
	if err := load(d, "modules.json", &mods); err != nil {
		return e, err
	}
	if len(mods) < 2 || len(mods) > 3 || kind(mods[0]) != "Transformer" || kind(mods[1]) != "Pooling" || (len(mods) == 3 && kind(mods[2]) != "Normalize") {
		var got []string
		for _, m := range mods {
			got = append(got, kind(m))
		}
		return e, fmt.Errorf("modules.json: got %v, wanted [Transformer Pooling] or [Transformer Pooling Normalize]", got)
	}
	e.Normalize = len(mods) == 3
	var config struct {
		Hidden    int             `json:"hidden_size"`
		Positions int             `json:"max_position_embeddings"`
		AutoMap   json.RawMessage `json:"auto_map"`
	}
	at := mods[0].Path
	if err := load(d, join(at, "config.json"), &config); err != nil {
		return e, err
	}
	if config.AutoMap != nil {
		return e, errors.New("config.json: got auto_map, which runs code that came with the model; wanted none")
	}
	if e.Pooling, err = pooling(d, join(mods[1].Path, "config.json"), config.Hidden); err != nil {
		return e, err
	}
	e.Dimension = config.Hidden
	if e.MaxTokens, err = maxTokens(d, at, config.Positions); err != nil {
		return e, err
	}
	if e.Dimension < 1 || e.Dimension > 1<<16 {
		return e, fmt.Errorf("config.json: got hidden_size %d, wanted 1 to 65536", e.Dimension)
	}
	return e, nil
}

// kind is the last part of a module's dotted type: sentence-transformers moved
// its classes about between versions.
func kind(m module) string { return m.Type[strings.LastIndex(m.Type, ".")+1:] }

func join(dir, name string) string {
	if dir == "" || dir == "." {
		return name
	}
	return strings.TrimSuffix(dir, "/") + "/" + name
}

func load(d fs.FS, name string, v any) error {
	if !fs.ValidPath(name) {
		return fmt.Errorf("got the path %q, wanted one inside the model's directory", name)
	}
	i, err := fs.Stat(d, name)
	if err != nil {
		return err
	}
	if i.Size() > maxConfig {
		return fmt.Errorf("%s: got %d bytes, wanted a configuration of at most %d", name, i.Size(), maxConfig)
	}
	b, err := fs.ReadFile(d, name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func pooling(d fs.FS, name string, hidden int) (candidate.Pooling, error) {
	raw := map[string]json.RawMessage{}
	if err := load(d, name, &raw); err != nil {
		return "", err
	}
	var c struct {
		Dim  int    `json:"word_embedding_dimension"`
		Dim2 int    `json:"embedding_dimension"`
		Mode string `json:"pooling_mode"`
	}
	b, err := json.Marshal(raw)
	if err != nil {
		return "", err
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	for _, dim := range []int{c.Dim, c.Dim2} {
		if dim != 0 && dim != hidden {
			return "", fmt.Errorf("%s: got dimension %d, wanted the model's hidden_size %d", name, dim, hidden)
		}
	}
	var modes []string
	if c.Mode != "" {
		modes = append(modes, c.Mode)
	}
	flags := map[string]string{
		"pooling_mode_cls_token": "cls", "pooling_mode_mean_tokens": "mean", "pooling_mode_max_tokens": "max",
		"pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len", "pooling_mode_weightedmean_tokens": "weightedmean", "pooling_mode_lasttoken": "lasttoken",
	}
	for flag, mode := range flags {
		var on bool
		if v, ok := raw[flag]; ok {
			if err := json.Unmarshal(v, &on); err != nil {
				return "", fmt.Errorf("%s: %s: %w", name, flag, err)
			}
		}
		if on && mode != c.Mode {
			modes = append(modes, mode)
		}
	}
	if len(modes) == 1 {
		switch p := candidate.Pooling(modes[0]); p {
		case candidate.PoolMean, candidate.PoolCLS, candidate.PoolMax:
			return p, nil
		}
	}
	return "", fmt.Errorf("%s: got pooling %q, wanted one of mean, cls or max", name, modes)
}

// maxTokens follows sentence-transformers: max_seq_length where it is given,
// else the tokenizer's limit, and never more positions than the model has.
func maxTokens(d fs.FS, at string, positions int) (int, error) {
	if positions < 2 || positions > 1<<16 {
		return 0, fmt.Errorf("config.json: got max_position_embeddings %d, wanted 2 to 65536", positions)
	}
	n := 0
	for _, name := range []string{"sentence_bert_config.json", "sentence_roberta_config.json", "sentence_distilbert_config.json"} {
		var c struct {
			Max *int `json:"max_seq_length"`
		}
		err := load(d, join(at, name), &c)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, err
		}
		if c.Max != nil {
			n = *c.Max
		}
		break
	}
	if n == 0 {
		var c struct {
			Max float64 `json:"model_max_length"` // 1e30 stands for "no limit"
		}
		if err := load(d, join(at, "tokenizer_config.json"), &c); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
		n = positions
		if c.Max >= 1 && c.Max < float64(positions) {
			n = int(c.Max)
		}
	}
	if n < 2 {
		return 0, fmt.Errorf("got max_seq_length %d, wanted at least 2: [CLS] and [SEP]", n)
	}
	return min(n, positions), nil
}
