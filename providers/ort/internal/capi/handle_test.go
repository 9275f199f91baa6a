package capi_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	onnxruntime "github.com/yalue/onnxruntime_go"

	"github.com/embedgate/embedgate/export/exporttest"
	"github.com/embedgate/embedgate/providers/ort/internal/capi"
	"github.com/embedgate/embedgate/providers/ort/internal/modeltest"
)

// open loads ONNX Runtime and makes a session that records nothing.
func open(t *testing.T) (capi.API, *onnxruntime.DynamicAdvancedSession) {
	t.Helper()
	library := exporttest.OrtLib(t)
	if !onnxruntime.IsInitialized() {
		t.Setenv("ORT_DISABLE_TELEMETRY", "1")
		onnxruntime.SetSharedLibraryPath(library)
		require.NoError(t, onnxruntime.InitializeEnvironment(onnxruntime.WithLogLevelFatal()))
	}
	api, err := capi.Open(library)
	require.NoError(t, err)
	s, err := onnxruntime.NewDynamicAdvancedSession(modeltest.Lookup().Write(t),
		[]string{"input_ids", "attention_mask"}, []string{"last_hidden_state"}, nil)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Destroy()) })
	return api, s
}

func TestThePrivateHandlesOfOnnxruntimeGoAreFound(t *testing.T) {
	api, s := open(t)
	p, err := capi.PrivateHandle(s, "s", "ortSession")
	require.NoError(t, err)
	assert.NotNil(t, p)
	devices, err := onnxruntime.GetEpDevices()
	require.NoError(t, err)
	kind, _, err := api.Device(devices[0])
	require.NoError(t, err)
	assert.Equal(t, "cpu", kind)

	_, err = capi.PrivateHandle(s, "s", "session")
	assert.ErrorContains(t, err, "has no session")
	_, err = capi.PrivateHandle(s, "s")
	assert.NoError(t, err)
	_, err = capi.PrivateHandle(s, "s", "inputNames")
	assert.ErrorContains(t, err, "is not open")
	_, err = capi.PrivateHandle((*onnxruntime.DynamicAdvancedSession)(nil), "s")
	assert.ErrorContains(t, err, "not what this program was built for")
	_, err = capi.PrivateHandle(&onnxruntime.DynamicAdvancedSession{}, "s")
	assert.ErrorContains(t, err, "is not open")
}

func TestASessionThatRecordsNothingSaysSo(t *testing.T) {
	api, s := open(t)
	_, err := api.Assigned(s)
	assert.Error(t, err, "the runtime's own refusal comes through")
}
