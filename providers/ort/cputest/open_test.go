package cputest

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/export/exporttest"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/ort"
)

var background = context.Background()

// foundLibrary is kept because finding it starts a Python interpreter.
var foundLibrary struct {
	sync.Once
	path string
}

func config(t testing.TB, model string, e candidate.Embedding) ort.Config {
	t.Helper()
	foundLibrary.Do(func() { foundLibrary.path = exporttest.OrtLib(t) })
	require.NotEmpty(t, foundLibrary.path, "ONNX Runtime's library was not found, as an earlier test says")
	return ort.Config{Library: providers.Library{Path: foundLibrary.path}, Model: model, Provider: "cpu", Embedding: e}
}

func mustOpen(t testing.TB, c ort.Config) *ort.Session {
	t.Helper()
	s, err := ort.Open(background, c)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s
}
