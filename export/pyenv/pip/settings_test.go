package pip

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/pyenv/process"
	"github.com/embedgate/embedgate/internal/fault"
)

func TestPipsConfigurationIsReadForHowPackagesAreReached(t *testing.T) {
	assert.Equal(t, map[string]string{
		"INDEX_URL": "https://download.example/simple", "EXTRA_INDEX_URL": "https://a.example https://b.example", "TRUSTED_HOST": "a.example",
	}, reachable(map[string]map[string]string{
		"global":   {"index-url": "https://global.example/simple", "extra-index-url": "\nhttps://a.example\nhttps://b.example", "target": "/elsewhere", "user": "true"},
		"download": {"index-url": "https://download.example/simple"},
		"install":  {"no-binary": ":all:", "trusted_host": "a.example"},
		"freeze":   {"timeout": "10"},
	}))
}

// The user's own settings, in files and variables, as a real pip tells them.
func TestInstallersGetTheUsersMirrorAndNoOtherSetting(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil || !hasPip(t.Context(), python) {
		t.Skip("the Python on the PATH has no pip of its own")
	}
	for _, kv := range os.Environ() { // this machine's own settings
		for i := range kv {
			if name := kv[:i]; kv[i] == '=' && process.Passes(name) && (len(name) > 4 && name[:4] == "PIP_" || len(name) > 3 && name[:3] == "UV_") {
				t.Setenv(name, "")
				require.NoError(t, os.Unsetenv(name))
			}
		}
	}
	file := filepath.Join(t.TempDir(), "pip.conf")
	require.NoError(t, os.WriteFile(file, []byte("[global]\nindex-url = https://mirror.example/simple\nuser = true\ntarget = /elsewhere\n[install]\nprefix = /elsewhere\ncert = /a/cert.pem\n"), 0o666))
	t.Setenv("PIP_CONFIG_FILE", file)
	t.Setenv("SSL_CERT_FILE", "")
	env, err := readSettings(t.Context(), python)
	require.NoError(t, err)
	assert.Contains(t, env, "PIP_CONFIG_FILE="+os.DevNull)
	assert.Contains(t, env, "PIP_INDEX_URL=https://mirror.example/simple")
	assert.Contains(t, env, "UV_DEFAULT_INDEX=https://mirror.example/simple")
	assert.Contains(t, env, "SSL_CERT_FILE=/a/cert.pem")
	for _, kv := range env {
		assert.NotContains(t, kv, "elsewhere")
		assert.NotContains(t, kv, "USER")
	}

	t.Setenv("PIP_INDEX_URL", "https://variable.example/simple")
	t.Setenv("UV_INDEX_URL", "https://uv.example/simple")
	env, err = readSettings(t.Context(), python)
	require.NoError(t, err)
	assert.NotContains(t, env, "PIP_INDEX_URL=https://mirror.example/simple", "a variable rules over a file")
	assert.NotContains(t, env, "UV_DEFAULT_INDEX=https://variable.example/simple", "uv was told by the user")

	require.NoError(t, os.WriteFile(file, []byte("this is no configuration\n"), 0o666))
	_, err = readSettings(t.Context(), python)
	require.ErrorContains(t, err, "PIP_CONFIG_FILE")
	require.Equal(t, fault.Missing, fault.KindOf(err))
}
