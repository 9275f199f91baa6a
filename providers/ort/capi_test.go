package ort

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	ort "github.com/yalue/onnxruntime_go"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/providers/ort/internal/modeltest"
)

// apiFunctions are the functions of OrtApi in the header that onnxruntime_go
// brings, in their order.
func apiFunctions(t *testing.T) []string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/yalue/onnxruntime_go").Output()
	require.NoError(t, err)
	header, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "onnxruntime_c_api.h"))
	require.NoError(t, err)
	_, body, ok := strings.Cut(string(header), "\nstruct OrtApi {")
	require.True(t, ok)
	body, _, ok = strings.Cut(body, "\n};")
	require.True(t, ok)
	body = regexp.MustCompile(`(?s)/\*.*?\*/`).ReplaceAllString(body, "")
	body = regexp.MustCompile(`//.*`).ReplaceAllString(body, "")
	var names []string
	member := regexp.MustCompile(`ORT_API2_STATUS\(\s*(\w+)|ORT_CLASS_RELEASE\((\w+)\)|ORT_API_T\([^,]*,\s*(\w+)|\(\s*ORT_API_CALL\s*\*\s*(\w+)\s*\)`)
	for _, m := range member.FindAllStringSubmatch(body, -1) {
		switch {
		case m[2] != "":
			names = append(names, "Release"+m[2])
		default:
			names = append(names, m[1]+m[3]+m[4])
		}
	}
	return names
}

func TestThePlacesInTheInterfaceAreThoseOfTheHeader(t *testing.T) {
	names := apiFunctions(t)
	require.Greater(t, len(names), 400)
	first, err := os.ReadFile("capi.go")
	require.NoError(t, err)
	second, err := os.ReadFile("capi_binding.go")
	require.NoError(t, err)
	places := regexp.MustCompile(`fn_(\w+) = (\d+),`).FindAllStringSubmatch(string(first)+string(second), -1)
	require.Len(t, places, 30)
	for _, p := range places {
		assert.Equal(t, strconv.Itoa(slices.Index(names, p[1])), p[2], p[1])
	}
}

func TestWhatOnnxruntimeGoHidesIsWhereItIsLookedFor(t *testing.T) {
	s := mustOpen(t, config(t, modeltest.Lookup().Write(t), handEmbedding(candidate.PoolMean, false)))
	p, err := hidden(s.model, "s", "ortSession")
	require.NoError(t, err)
	assert.NotNil(t, p)
	devices, err := ort.GetEpDevices()
	require.NoError(t, err)
	kind, _, err := process.loaded.api.device(devices[0])
	require.NoError(t, err)
	assert.Equal(t, "cpu", kind)

	_, err = hidden(s.model, "s", "session")
	assert.ErrorContains(t, err, "has no session")
	_, err = hidden(s.model, "s")
	assert.NoError(t, err)
	_, err = hidden(s.model, "s", "inputNames")
	assert.ErrorContains(t, err, "is not open")
	_, err = hidden((*ort.DynamicAdvancedSession)(nil), "s")
	assert.ErrorContains(t, err, "not what this program was built for")
	_, err = hidden(&ort.DynamicAdvancedSession{}, "s")
	assert.ErrorContains(t, err, "is not open")
}

func TestASessionThatRecordsNothingSaysSo(t *testing.T) {
	s := mustOpen(t, config(t, modeltest.Lookup().Write(t), handEmbedding(candidate.PoolMean, false)))
	_, err := process.loaded.api.assigned(s.model)
	assert.Error(t, err, "the runtime's own refusal comes through")
}
