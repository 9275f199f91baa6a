package capi

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
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	var source strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		require.NoError(t, err)
		source.Write(b)
	}
	places := regexp.MustCompile(`fn_(\w+) = (\d+),`).FindAllStringSubmatch(source.String(), -1)
	require.Len(t, places, 30)
	for _, p := range places {
		assert.Equal(t, strconv.Itoa(slices.Index(names, p[1])), p[2], p[1])
	}
}
