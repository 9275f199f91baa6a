// Package stmodel reads how a sentence-transformers directory goes from text
// to vector: pooling, normalisation, longest text, dimension. It assumes
// nothing that the directory does not state, refuses what embedgate cannot
// reproduce, and compares the directory's files with each other. It must not
// know what is done with the model.
//
// It is the one reader of these settings: the scripts are given its Config.
package stmodel

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/internal/fault"
)

const (
	// maxNumber bounds the numbers of a configuration, maxTextTokens the tokens
	// of a text, maxDimension the numbers of a vector. No model has more.
	maxNumber     = 1 << 24
	maxTextTokens = 1 << 16
	maxDimension  = 1 << 16

	fromRelease = "take the file from the model's own release"
	savedOnce   = "load and save the model once with a current sentence-transformers, which writes it so"
)

// Config is what a directory says.
type Config struct {
	candidate.Embedding
	Positions int    `json:"positions"` // tokens that the position table has room for; 0 where the model has no table
	ModelType string `json:"-"`         // config.json's, such as "bert"
}

// Argument is the configuration as the scripts take it with --config.
func (c Config) Argument() (string, error) {
	b, err := json.Marshal(c)
	return string(b), err
}

// Read reads the configuration files in dir. What cannot be reproduced exactly
// (other poolings, Dense layers, prompts, code of the model's own) is an error
// of kind Usage that names the file and the setting.
func Read(dir string) (Config, error) {
	if i, err := os.Stat(dir); err != nil || !i.IsDir() {
		return Config{}, refuse("model directory", dir+", which is no directory", "a sentence-transformers model directory", "give the folder that holds modules.json")
	}
	return read(os.DirFS(dir))
}

func read(d fs.FS) (c Config, err error) {
	m, err := readModules(d)
	if err != nil {
		return c, err
	}
	model, err := readModel(d)
	if err != nil {
		return c, err
	}
	if err := wholeModel(d); err != nil {
		return c, err
	}
	if c.Dimension, err = dimension(model); err != nil {
		return c, err
	}
	if c.Pooling, err = pooling(d, join(m.pooling, configFile), c.Dimension); err != nil {
		return c, err
	}
	if c.Normalize = m.normalizes; c.Normalize {
		if err := normalize(d, join(m.normalize, configFile)); err != nil {
			return c, err
		}
	}
	t, err := readTransformer(d)
	if err != nil {
		return c, err
	}
	if c.Positions, err = positions(model); err != nil {
		return c, err
	}
	c.ModelType, _ = text(model["model_type"]) // readModel wants one
	c.MaxTokens, err = maxTokens(d, c.Positions, t)
	return c, err
}

func refuse(thing, got, wanted, next string) error {
	return &fault.Error{Kind: fault.Usage, Thing: thing, Got: got, Wanted: wanted, Next: next}
}

// absent reports whether the directory lacks a file.
func absent(d fs.FS, name string) bool {
	_, err := fs.Stat(d, name)
	return errors.Is(err, fs.ErrNotExist)
}
