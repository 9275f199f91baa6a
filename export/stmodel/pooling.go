package stmodel

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/export/candidate"
)

// poolings are those that embedgate reproduces, by sentence-transformers' names.
const poolings = "mean, cls or max"

// poolingFlags are the older spelling of pooling_mode, in the order in which
// sentence-transformers joins several.
var poolingFlags = []struct{ key, mode string }{
	{"pooling_mode_cls_token", "cls"}, {"pooling_mode_max_tokens", "max"}, {"pooling_mode_mean_tokens", "mean"},
	{"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens"}, {"pooling_mode_weightedmean_tokens", "weightedmean"}, {"pooling_mode_lasttoken", "lasttoken"},
}

func pooling(d fs.FS, name string, hidden int) (candidate.Pooling, error) {
	c, err := loadObject(d, name, false)
	if err != nil {
		return "", err
	}
	modes, err := poolingModes(name, c)
	if err != nil {
		return "", err
	}
	if len(modes) != 1 {
		return "", refuse(name+" pooling", fmt.Sprintf("%d poolings side by side (%s)", len(modes), strings.Join(modes, ", ")), "exactly one of "+poolings, "choose a model with one pooling")
	}
	p := candidate.Pooling(modes[0])
	if !slices.Contains([]candidate.Pooling{candidate.PoolMean, candidate.PoolCLS, candidate.PoolMax}, p) {
		return "", refuse(name+" pooling", modes[0], "one of "+poolings, "choose a model with one of these poolings")
	}
	key := "word_embedding_dimension"
	if _, ok := c["embedding_dimension"]; ok {
		key = "embedding_dimension"
	}
	size, err := c.integer(name, key)
	if err == nil && size != hidden {
		err = refuse(name+" "+key, fmt.Sprint(size), fmt.Sprintf("%d, the model's hidden size in config.json", hidden), "take both files from the same release")
	}
	return p, err
}

// poolingModes are the poolings that a configuration names; mean where it
// names none, as sentence-transformers takes it.
func poolingModes(name string, c object) (modes []string, err error) {
	if raw, ok := c["pooling_mode"]; ok {
		all := []json.RawMessage{raw}
		if len(raw) > 0 && raw[0] == '[' {
			if err := json.Unmarshal(raw, &all); err != nil {
				return nil, refuse(name+" pooling_mode", jsonFault(err), "one of "+poolings, fromRelease)
			}
		}
		for _, one := range all {
			mode, ok := text(one)
			if !ok {
				mode = display(one)
			}
			modes = append(modes, mode)
		}
		return modes, nil
	}
	known := map[string]bool{}
	for _, f := range poolingFlags {
		on, err := c.boolean(name, f.key, false)
		if err != nil {
			return nil, err
		}
		if known[f.key] = true; on {
			modes = append(modes, f.mode)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(c)) {
		if strings.HasPrefix(key, "pooling_mode_") && !known[key] && isSet(c[key]) {
			return nil, refuse(name, "the pooling "+key, "one of "+poolings, "choose a model with one of these poolings")
		}
	}
	if len(modes) == 0 {
		modes = []string{"mean"}
	}
	return modes, nil
}
