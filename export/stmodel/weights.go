package stmodel

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

const weightsFile = "model.safetensors"

// maxHeader bounds a weights file's list of tensors: a large model's has
// thousands, of a hundred bytes each.
const maxHeader = 16 << 20

// weights are the shapes and types of the weights file's tensors.
type weights map[string]struct {
	DType string  `json:"dtype"`
	Shape []int64 `json:"shape"`
}

// floats are the types of weights that can be read as numbers.
var floats = []string{"F16", "BF16", "F32", "F64"}

// readWeights reads the list of tensors and none of their numbers. Whether the
// file is complete shows when the script reads it.
func readWeights(d fs.FS) (weights, error) {
	b, err := header(d)
	if err != nil {
		return nil, err
	}
	var raw object
	bad := func(err error) error {
		return refuse(weightsFile, "a list of tensors that is "+jsonFault(err), "whole safetensors weights", "take the file again from the model's release")
	}
	if err := json.Unmarshal(b, &raw); err != nil {
		return nil, bad(err)
	}
	delete(raw, "__metadata__")
	w := weights{}
	for name, r := range raw {
		t := w[name]
		if err := json.Unmarshal(r, &t); err != nil {
			return nil, bad(err)
		}
		w[name] = t
	}
	for _, name := range slices.Sorted(maps.Keys(w)) {
		if t := w[name]; strings.HasSuffix(name, "weight") && !slices.Contains(floats, t.DType) {
			return nil, refuse(weightsFile, fmt.Sprintf("%.80q of type %.20q", name, t.DType), "weights in "+strings.Join(floats, ", "), "take the model's unquantised release; embedgate makes int8 and fp16 variants itself")
		}
	}
	return w, nil
}

func header(d fs.FS) ([]byte, error) {
	f, err := d.Open(weightsFile)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, refuse(weightsFile, "no such file in the model directory", "one file with all weights", "pin model.safetensors; where the release has several files of weights, load and save the model once with a larger max_shard_size")
		}
		return nil, refuse(weightsFile, "a file that cannot be read", "a readable file", "check the file and its permissions")
	}
	defer func() { _ = f.Close() }() // read only
	var size [8]byte
	n := uint64(0)
	if _, err = io.ReadFull(f, size[:]); err == nil {
		if n = binary.LittleEndian.Uint64(size[:]); n > maxHeader {
			return nil, refuse(weightsFile, fmt.Sprintf("a list of tensors of %d bytes", n), fmt.Sprintf("at most %d", maxHeader), "take the file again from the model's release")
		}
	}
	b := make([]byte, n)
	if err == nil {
		_, err = io.ReadFull(f, b)
	}
	if err != nil {
		return nil, refuse(weightsFile, "a file that ends in its list of tensors", "whole safetensors weights", "take the file again from the model's release")
	}
	return b, nil
}

// table finds the one tensor of an embedding table, whatever stands before its
// name: "bert." or "roberta.", where the model was saved with a head.
func (w weights) table(kind string) (name string, shape []int64) {
	for _, n := range slices.Sorted(maps.Keys(w)) {
		if n == kind || strings.HasSuffix(n, "."+kind) {
			if name != "" {
				return "", nil // two models in one file: transformers chooses
			}
			name, shape = n, w[n].Shape
		}
	}
	return name, shape
}

const wordTable = "embeddings.word_embeddings.weight"

// sameShapes compares the tables' shapes with what config.json says of them.
func (w weights) sameShapes(model object) error {
	for _, t := range []struct {
		name string
		keys [2]string // of rows and columns: the first that is there counts
	}{
		{wordTable, [2]string{"vocab_size", "embedding_size hidden_size dim"}},
		{"embeddings.position_embeddings.weight", [2]string{"max_position_embeddings", "embedding_size hidden_size dim"}},
		{"embeddings.token_type_embeddings.weight", [2]string{"type_vocab_size", "embedding_size hidden_size dim"}},
	} {
		name, shape := w.table(t.name)
		if name == "" {
			continue
		}
		if len(shape) != 2 {
			return refuse(weightsFile+" "+name, fmt.Sprintf("shape %v", shape), "a table of rows", fromRelease)
		}
		for i, keys := range t.keys {
			for _, key := range strings.Fields(keys) {
				raw := model[key]
				if isNull(raw) {
					continue
				}
				if string(raw) != fmt.Sprint(shape[i]) {
					return disagree(configFile+" "+key, display(raw), fmt.Sprintf("%d, as the shape %v of %s in %s has it", shape[i], shape, name, weightsFile))
				}
				break
			}
		}
	}
	return nil
}

// wordRows is how many rows the word table has: those of the weights, or what
// config.json says where the table has another name there. 0: neither gives it.
func (w weights) wordRows(model object) (rows int64, where string, err error) {
	if name, shape := w.table(wordTable); len(shape) == 2 {
		return shape[0], name + " in " + weightsFile, nil
	}
	if isNull(model["vocab_size"]) {
		return 0, "", nil
	}
	n, err := model.integer(configFile, "vocab_size")
	return int64(n), "the word table, vocab_size in " + configFile, err
}
