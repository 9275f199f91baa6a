package gate_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/gate"
	"github.com/embedgate/embedgate/validate/gate/gatetest"
	"github.com/embedgate/embedgate/validate/validatetest"
	"github.com/embedgate/embedgate/validate/verdict"
)

func TestEvidenceThatWasReadPassesTheGate(t *testing.T) {
	in := validatetest.SmallInput(t)
	e, err := evidence.Read(validatetest.WriteEvidence(t, in.Evidence[0]))
	require.NoError(t, err)
	in.Evidence = []evidence.Evidence{e}
	v := gatetest.Gate(t, in)
	assert.Equal(t, verdict.Pass, v.Result)
	assert.Equal(t, e.Digest, v.Rows[0].Evidence)
}

// FuzzEvidenceDir also judges what it has read: the gate must not panic on any
// evidence that can be read.
func FuzzEvidenceDir(f *testing.F) {
	in := validatetest.TinyInput(f)
	dir := validatetest.WriteEvidence(f, in.Evidence[0])
	vectors, err := os.ReadFile(filepath.Join(dir, evidence.VectorsName))
	require.NoError(f, err)
	data, err := os.ReadFile(filepath.Join(dir, evidence.FileName))
	require.NoError(f, err)
	f.Add(data, vectors)
	f.Add(data, vectors[:100])
	f.Add([]byte(`{"schema":1,"provider":"cpu","variant":"fp32","crash":{"stage":"","exit":1,"stderr":""}}`), []byte{})
	whole, err := check.NewReference(in.Golden)
	require.NoError(f, err)
	r := check.NewReferences(whole)
	f.Fuzz(func(t *testing.T, data, vectors []byte) {
		dir := t.TempDir()
		// The digest is corrected, or no code behind its check would run.
		if e, err := evidence.Parse(data); err == nil && len(vectors) > 0 {
			e.VectorsSHA256 = files.HashBytes(vectors)
			if data, err = json.Marshal(e); err != nil {
				return
			}
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, evidence.FileName), data, 0o600))
		if len(vectors) > 0 {
			require.NoError(t, os.WriteFile(filepath.Join(dir, evidence.VectorsName), vectors, 0o600))
		}
		e, err := evidence.Read(dir)
		if err != nil {
			require.Equal(t, fault.Usage, fault.KindOf(err))
			return
		}
		judge := in
		judge.Evidence = []evidence.Evidence{e}
		row := gate.JudgeRow(judge, r, e.Provider, e.Variant)
		require.NotEmpty(t, row.Findings)
		_, err = json.Marshal(row)
		require.NoError(t, err)
	})
}
