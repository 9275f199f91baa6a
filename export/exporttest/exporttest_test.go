package exporttest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/exporttest"
	"github.com/embedgate/embedgate/pipeline/policy"
)

func TestThePinsAreThoseOfTheShippedPolicy(t *testing.T) {
	p, err := policy.Load("../../policy.yaml")
	require.NoError(t, err)
	require.Equal(t, p.Model.Files, exporttest.Files())
	require.Equal(t, p.Model.Source, exporttest.Spec)
	require.Equal(t, p.Model.Name, exporttest.Model)
}

func TestTheRealThingsAreThere(t *testing.T) {
	require.FileExists(t, exporttest.OrtLib(t))
	require.FileExists(t, exporttest.SourceDir(t)+"/model.safetensors")
	if testing.Short() {
		return
	}
	require.FileExists(t, exporttest.Python(t))
}
