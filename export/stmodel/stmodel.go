// Package stmodel reads how a sentence-transformers directory goes from text
// to vector: pooling, normalisation, longest text, dimension. It assumes
// nothing that the directory does not say, refuses what embedgate cannot
// reproduce, and compares the directory's files with each other. It must not
// know what is done with the model.
//
// scripts/st_config.py reads the same files for the scripts. Both are held to
// the table scripts/tests/configurations.json.
package stmodel

import (
	"errors"
	"io/fs"
	"os"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/internal/fault"
)

const (
	// largest bounds the numbers of a configuration, longest the tokens of a
	// text, widest the numbers of a vector: beyond every model.
	largest = 1 << 24
	longest = 1 << 16
	widest  = 1 << 16

	fromRelease = "take the file from the model's own release"
	savedOnce   = "load and save the model once with a current sentence-transformers, which writes it so"
)

// Read reads the configuration files in dir. What cannot be reproduced exactly
// (other poolings, Dense layers, prompts, code of the model's own) is an error
// of kind Usage that names the file and the setting.
func Read(dir string) (candidate.Embedding, error) {
	if i, err := os.Stat(dir); err != nil || !i.IsDir() {
		return candidate.Embedding{}, refuse("model directory", dir+", which is no directory", "a sentence-transformers model directory", "give the folder that holds modules.json")
	}
	return read(os.DirFS(dir))
}

func read(d fs.FS) (e candidate.Embedding, err error) {
	m, err := readModules(d)
	if err != nil {
		return e, err
	}
	model, err := readModel(d)
	if err != nil {
		return e, err
	}
	if err := wholeModel(d); err != nil {
		return e, err
	}
	if e.Dimension, err = dimension(model); err != nil {
		return e, err
	}
	if e.Pooling, err = pooling(d, join(m.pooling, configFile), e.Dimension); err != nil {
		return e, err
	}
	if e.Normalize = m.normalizes; e.Normalize {
		if err := normalize(d, join(m.normalize, configFile)); err != nil {
			return e, err
		}
	}
	t, err := readTransformer(d)
	if err != nil {
		return e, err
	}
	e.MaxTokens, err = maxTokens(d, model, t)
	return e, err
}

func refuse(thing, got, wanted, next string) error {
	return &fault.Error{Kind: fault.Usage, Thing: thing, Got: got, Wanted: wanted, Next: next}
}

// absent tells whether a file of the directory is not there.
func absent(d fs.FS, name string) bool {
	_, err := fs.Stat(d, name)
	return errors.Is(err, fs.ErrNotExist)
}
