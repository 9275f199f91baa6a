package support

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export"
	"github.com/embedgate/embedgate/export/exporttest"
)

// The variants that are made for CoreML are predicted to run there as one
// piece: that is what they are made for.
func TestTheRealStaticVariantsRunOnCoreMLAsOnePiece(t *testing.T) {
	for _, variant := range []string{"fp32-static128", "fp16-static128"} {
		t.Run(variant, func(t *testing.T) {
			r, err := export.Run(context.Background(), export.Options{Model: exporttest.Model, Spec: exporttest.Spec, Files: exporttest.Files(), Variants: []string{variant}})
			require.NoError(t, err)
			p := predict(t, "coreml", read(t, r.Candidate, variant))
			assert.Empty(t, p.Elsewhere)
			assert.Equal(t, 1, p.Partitions)
			assert.Equal(t, 1.0, p.FLOPsShare)
			assert.True(t, p.Whole())
		})
	}
}
