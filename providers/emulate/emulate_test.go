package emulate

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/providers"
)

// fake is a machine with these programs, and with permission to mount in this way
// ("-m", "-rm" or none).
func fake(t *testing.T, platform, mount string, programs ...string) machine {
	os_, arch, _ := strings.Cut(platform, "/")
	root := t.TempDir()
	return machine{
		platform: providers.Platform{OS: os_, Arch: arch}, root: root,
		lookPath: func(p string) (string, error) {
			for _, have := range programs {
				if have == p {
					return "/bin/" + p, nil
				}
			}
			return "", errors.New("not found")
		},
		output: func(_ context.Context, argv ...string) (string, error) {
			switch {
			case argv[1] == "--version":
				return "qemu-any version 7.2.22 (Debian 1:7.2)\nCopyright\n", nil
			case argv[1] == "-cpu":
				return "Available CPUs:\nx86 Nehalem  Core i7\nx86 Haswell  Core\n  max neoverse-n1\n", errors.New("exit status 1")
			case argv[1] == mount:
				return "", nil
			}
			return "unshare: unshare failed: Operation not permitted\n", errors.New("exit status 1")
		},
	}
}

// withLibraries gives a machine the libraries of an architecture.
func withLibraries(t *testing.T, m machine, arch string) machine {
	a := architectures[arch]
	for _, f := range a.files {
		at := filepath.Join(m.root+a.prefix, f)
		require.NoError(t, os.MkdirAll(filepath.Dir(at), 0o755))
		require.NoError(t, os.WriteFile(at, nil, 0o644))
	}
	return m
}

func cpu(t *testing.T, name string) providers.CPU {
	c, ok := providers.LookupCPU(name)
	require.True(t, ok)
	return c
}

func TestAProgramOfThisArchitectureNeedsQEMUAlone(t *testing.T) {
	w, err := fake(t, "linux/amd64", "", "qemu-x86_64-static").find(t.Context(), cpu(t, "x86-64-v2"))
	require.NoError(t, err)
	assert.Equal(t, "qemu-x86_64", w.Emulator)
	assert.Equal(t, "7.2.22 (Debian 1:7.2)", w.Version)
	argv, err := w.Command(t.TempDir(), []string{"embedgate", "job"})
	require.NoError(t, err)
	assert.Equal(t, []string{"/bin/qemu-x86_64-static", "-cpu", "Nehalem", "embedgate", "job"}, argv)
	assert.Empty(t, w.Env)

	w, err = fake(t, "linux/amd64", "", "qemu-x86_64").find(t.Context(), cpu(t, "x86-64-v3"))
	require.NoError(t, err)
	argv, err = w.Command(t.TempDir(), []string{"embedgate"})
	require.NoError(t, err)
	assert.Equal(t, []string{"/bin/qemu-x86_64", "-cpu", "Haswell", "embedgate"}, argv)
}

func TestAProgramForARMHasItsLibrariesAndAnotherCPUInfo(t *testing.T) {
	for _, mount := range []string{"-m", "-rm"} {
		m := withLibraries(t, fake(t, "linux/amd64", mount, "qemu-aarch64-static", "unshare"), "arm64")
		w, err := m.find(t.Context(), cpu(t, "arm64"))
		require.NoError(t, err)
		assert.Equal(t, []string{"QEMU_LD_PREFIX=/usr/aarch64-linux-gnu"}, w.Env)
		dir := t.TempDir()
		argv, err := w.Command(dir, []string{"embedgate", "job"})
		require.NoError(t, err)
		assert.Equal(t, []string{"/bin/unshare", mount, "sh", "-c", runWithCPUInfo, "sh", filepath.Join(dir, "cpuinfo"),
			"/bin/qemu-aarch64-static", "-cpu", "neoverse-n1", "embedgate", "job"}, argv)
		b, err := os.ReadFile(filepath.Join(dir, "cpuinfo"))
		require.NoError(t, err)
		assert.Contains(t, string(b), "CPU implementer\t: 0x41")
	}
}

func TestAnARMMachineRunsItsProgramsAsTheyAre(t *testing.T) {
	w, err := fake(t, "darwin/arm64", "").find(t.Context(), cpu(t, "arm64"))
	require.NoError(t, err)
	assert.Equal(t, Way{}, w)
	argv, err := w.Command("", []string{"embedgate"})
	require.NoError(t, err)
	assert.Equal(t, []string{"embedgate"}, argv)
}

func TestAnARMMachineEmulatesX86(t *testing.T) {
	w, err := withLibraries(t, fake(t, "linux/arm64", "", "qemu-x86_64"), "amd64").find(t.Context(), cpu(t, "x86-64-v3"))
	require.NoError(t, err)
	assert.Equal(t, []string{"QEMU_LD_PREFIX=/usr/x86_64-linux-gnu"}, w.Env)
}

func TestWhatAMachineLacksIsNamedWithItsRemedy(t *testing.T) {
	for _, c := range []struct {
		name, cpu, got, next string
		machine              machine
	}{
		{"no QEMU", "x86-64-v2", "qemu-x86_64-static", "qemu-user-static", fake(t, "linux/amd64", "")},
		{"no QEMU for ARM", "arm64", "qemu-aarch64-static", "qemu-user-static", fake(t, "linux/amd64", "-m", "qemu-x86_64", "unshare")},
		{"no libraries for ARM", "arm64", "/usr/aarch64-linux-gnu/lib/ld-linux-aarch64.so.1", "libc6-arm64-cross", fake(t, "linux/amd64", "-m", "qemu-aarch64", "unshare")},
		{"no right to mount", "arm64", "Operation not permitted", "run as root", withLibraries(t, fake(t, "linux/amd64", "", "qemu-aarch64", "unshare"), "arm64")},
		{"no unshare", "arm64", "no unshare", "util-linux", withLibraries(t, fake(t, "linux/amd64", "-m", "qemu-aarch64"), "arm64")},
		{"another system", "x86-64-v2", "darwin/arm64", "Linux", fake(t, "darwin/arm64", "")},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.machine.find(t.Context(), cpu(t, c.cpu))
			require.Error(t, err)
			assert.Equal(t, fault.Missing, fault.KindOf(err))
			var f *fault.Error
			require.ErrorAs(t, err, &f)
			assert.Contains(t, f.Got, c.got)
			assert.Contains(t, f.Next, c.next)
			assert.Contains(t, f.Thing, c.cpu)
		})
	}
	t.Run("QEMU without the processor", func(t *testing.T) {
		m := fake(t, "linux/amd64", "", "qemu-x86_64")
		c := cpu(t, "x86-64-v2")
		c.Model = "Hypothetical"
		_, err := m.find(t.Context(), c)
		require.ErrorContains(t, err, "Hypothetical")
	})
}
