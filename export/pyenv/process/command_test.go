package process

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEnvironKeepsOtherPythonsOutAndTheInstallersSettings(t *testing.T) {
	for _, v := range []string{"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_USER", "PIP_INDEX_URL", "UV_DEFAULT_INDEX", "PYTHONHASHSEED", "ORT_DISABLE_TELEMETRY"} {
		t.Setenv(v, "7")
	}
	env := Environ()
	for _, gone := range []string{"PYTHONPATH=7", "PYTHONHOME=7", "VIRTUAL_ENV=7", "PIP_USER=7", "ORT_DISABLE_TELEMETRY=7"} {
		assert.NotContains(t, env, gone)
	}
	for _, kept := range []string{"PIP_INDEX_URL=7", "UV_DEFAULT_INDEX=7", "PYTHONHASHSEED=7", "PYTHONNOUSERSITE=1", "PYTHONUTF8=1", "ORT_DISABLE_TELEMETRY=1"} {
		assert.Contains(t, env, kept)
	}
}

func TestTailKeepsTheLastLines(t *testing.T) {
	var tail Tail
	for i := range 100_000 {
		_, err := tail.Write([]byte("line " + strconv.Itoa(i) + "\r\n\n"))
		require.NoError(t, err)
	}
	require.Equal(t, "line 99998\nline 99999", tail.Lines(2))
	require.LessOrEqual(t, len(tail.buf), 2*tailBytes)
	_, err := tail.Write([]byte(strings.Repeat("x", 1<<20) + "\nend \xff"))
	require.NoError(t, err)
	require.Equal(t, "end ?", tail.Lines(1))
	require.LessOrEqual(t, len(tail.buf), 2*tailBytes)
	require.Empty(t, new(Tail).Lines(3))
}

func TestAFailedCommandIsNamedWithoutItsPaths(t *testing.T) {
	require.Equal(t, "python -m uv pip install", shortCommand("/a/b/python", []string{"-m", "uv", "pip", "install", "--quiet", "-r", "/x"}))
	require.Equal(t, "python3 -m venv", shortCommand("/usr/bin/python3", []string{"-m", "venv", "/home/a/b"}))
}

func TestEnvironKeepsHowPackagesAreReachedAndNothingElseOfThePythons(t *testing.T) {
	for _, v := range []string{"PIP_EXTRA_INDEX_URL", "PIP_CERT", "PIP_CONFIG_FILE", "UV_INDEX", "UV_INDEX_COMPANY_PASSWORD", "UV_CACHE_DIR", "HTTPS_PROXY"} {
		t.Setenv(v, "7")
		assert.Contains(t, Environ(), v+"=7")
	}
	for _, v := range []string{
		"PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_CONSTRAINT", "PIP_NO_BINARY", "PIP_REQUIRE_VIRTUALENV", "PIP_PYTHON", "PIP_DRY_RUN",
		"UV_TARGET", "UV_CONSTRAINT", "UV_EXCLUDE_NEWER", "UV_PYTHON", "UV_CONFIG_FILE", "UV_PROJECT_ENVIRONMENT", "UV_SYSTEM_PYTHON",
		"PYTHONWARNINGS", "PYTHONOPTIMIZE", "PYTHONIOENCODING", "PYTHONINSPECT", "PYTHONUSERBASE", "PYTHONDONTWRITEBYTECODE", "__PYVENV_LAUNCHER__",
	} {
		t.Setenv(v, "7")
		assert.NotContains(t, Environ(), v+"=7")
	}
}
