package signature

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/onnxfile/onnxedit"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/providers/ort/internal/modeltest"
)

func TestTheVocabularyIsThatOfTheTableOfIDs(t *testing.T) {
	cast := modeltest.LookupOf("last_hidden_state", modeltest.Int32)
	cast.Nodes = []onnxedit.Node{
		{Op: "Cast", In: []string{"input_ids"}, Out: []string{"wide"}, Attributes: []onnxedit.Attribute{onnxedit.Int("to", modeltest.Int64)}},
		{Op: "Identity", In: []string{"words"}, Out: []string{"table"}},
		{Op: "Gather", In: []string{"table", "wide"}, Out: []string{"last_hidden_state"}},
	}
	other := modeltest.Lookup() // looks up the mask, and no id
	other.Nodes[0].In = []string{"words", "attention_mask"}
	for name, c := range map[string]struct {
		g    modeltest.Graph
		want int64
	}{
		"looked up directly":          {modeltest.Lookup(), modeltest.Vocab},
		"through casts":               {cast, modeltest.Vocab},
		"a table of something else":   {other, 0},
		"beside a table of something": {modeltest.Pooled(), modeltest.Vocab},
	} {
		t.Run(name, func(t *testing.T) {
			n, err := Vocabulary(c.g.Write(t), "model.onnx")
			assert.Equal(t, c.want, n)
			if c.want == 0 {
				require.ErrorContains(t, err, "no table")
				assert.Equal(t, fault.Usage, fault.KindOf(err))
			}
		})
	}
	path := filepath.Join(t.TempDir(), "x.onnx")
	require.NoError(t, os.WriteFile(path, []byte("no model"), 0o600))
	_, err := Vocabulary(path, "x.onnx")
	assert.Equal(t, fault.Usage, fault.KindOf(err))
}
