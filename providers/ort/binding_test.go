package ort

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/ort/internal/modeltest"
)

// bindingOf is c with inputs and outputs that stay where they are.
func bindingOf(c Config) Config {
	c.Options.IOBinding = true
	return c
}

// Bound or not, the same ids give the same bits, in whatever order shapes come
// and however often the memory behind them is made anew.
func TestBindingChangesNoBit(t *testing.T) {
	for _, g := range []modeltest.Graph{modeltest.Lookup(), modeltest.LookupOf("last_hidden_state", modeltest.Int32), modeltest.Pooled()} {
		path := g.Write(t)
		e := modeltest.Embedding(candidate.PoolMean, true)
		free, bound := mustOpen(t, config(t, path, e)), mustOpen(t, bindingOf(config(t, path, e)))
		require.NotNil(t, bound.binding)
		require.True(t, bound.Info().Options.IOBinding, "the evidence says it")
		for round := range 3 {
			for _, at := range []shape{{1, 3}, {4, 7}, {1, 3}, {9, 12}, {2, 1}, {4, 7}} {
				b := providers.Batch{Rows: at.rows, Cols: at.cols}
				for i := range at.rows * at.cols {
					b.IDs, b.Mask = append(b.IDs, int64((i*7+round)%modeltest.Vocab)), append(b.Mask, 1)
				}
				want, err := free.Run(background, b, nil)
				require.NoError(t, err)
				got, err := bound.Run(background, b, nil)
				require.NoError(t, err)
				require.Equal(t, want, got, "%v in round %d", at, round)
			}
			bound.bufs.freeTensors() // host memory comes and goes; what is bound stays
		}
		assert.Len(t, bound.binding.shapes, 4)
	}
}

func TestTheNumberOfBoundShapesIsLimited(t *testing.T) {
	s := mustOpen(t, bindingOf(config(t, modeltest.Lookup().Write(t), modeltest.Embedding(candidate.PoolMean, false))))
	row := func(rows int) {
		b := providers.Batch{Rows: rows, Cols: 1, IDs: make([]int64, rows), Mask: make([]int64, rows)}
		for i := range b.Mask {
			b.Mask[i] = 1
		}
		_, err := s.Run(background, b, nil)
		require.NoError(t, err)
	}
	for rows := range maxShapes + 1 {
		row(rows + 1)
	}
	assert.Len(t, s.binding.shapes, 1)
	first := s.binding.shapes[shape{maxShapes + 1, 1}].graph
	assert.Equal(t, fmt.Sprint(maxShapes+1), first, "a graph that was captured for other addresses is never named again")
}

func TestWhatADeviceCapturesIsBound(t *testing.T) {
	for _, e := range providers.Catalogue {
		for _, name := range e.Captures {
			_, err := withDefaults(providers.Options{Provider: map[string]string{name: "1"}}, e)
			require.ErrorContains(t, err, "io_binding", "%s, %s", e.Name, name)
			require.Equal(t, fault.Usage, fault.KindOf(err))
			_, err = withDefaults(providers.Options{Provider: map[string]string{name: "1"}, IOBinding: true}, e)
			require.NoError(t, err)
			_, err = withDefaults(providers.Options{Provider: map[string]string{name: "0"}}, e)
			require.NoError(t, err)
		}
	}
}

func TestADeviceWithoutAWayToCopyIsRefused(t *testing.T) {
	b := &binding{}
	_, err := b.deviceCopier(providers.Entry{Name: "thing"}, nil, providers.Library{})
	require.ErrorContains(t, err, "thing, whose memory embedgate has no way to copy to")
	cuda, _ := providers.Lookup("cuda")
	_, err = b.deviceCopier(cuda, nil, providers.Library{Path: "/x/libonnxruntime.so"})
	require.ErrorContains(t, err, "no CUDA runtime among the libraries")
	require.Equal(t, fault.Missing, fault.KindOf(err))
	_, err = b.deviceCopier(cuda, map[string]string{"device_id": "one"}, providers.Library{})
	require.ErrorContains(t, err, "device_id")
	// A library of that name that is none.
	_, err = b.deviceCopier(cuda, nil, providers.Library{Preload: []string{"/nowhere/libcudart.so.13"}})
	require.ErrorContains(t, err, "libcudart.so.13: got a library without the functions that copy to a device")
}

// cudartC stands for NVIDIA's CUDA runtime where there is no GPU: how the real
// one is called, and what becomes of its errors. It copies backwards, so that a
// copy which did not go through it shows.
const cudartC = `
#include <stddef.h>
static int device = -1, waiting = 0;
int cudaSetDevice(int d) { device = d; return d == 7 ? 101 : 0; }
int cudaMemcpy(void *to, const void *from, size_t n, int kind) {
	if (device != 1 || kind != 4) return 1;
	for (size_t i = 0; i < n; i++) ((char *)to)[i] = ((const char *)from)[n - 1 - i];
	waiting = 1;
	return 0;
}
int cudaDeviceSynchronize(void) { int ok = waiting; waiting = 0; return ok ? 0 : 1; }
`

func TestCopiesForCUDAGoThroughItsRuntime(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("builds a shared library as Linux has them")
	}
	dir := t.TempDir()
	source, library := filepath.Join(dir, "cudart.c"), filepath.Join(dir, "libcudart.so.13")
	require.NoError(t, os.WriteFile(source, []byte(cudartC), 0o666))
	out, err := exec.Command("cc", "-shared", "-fPIC", "-o", library, source).CombinedOutput()
	require.NoError(t, err, "%s", out)

	s := mustOpen(t, bindingOf(config(t, modeltest.Lookup().Write(t), modeltest.Embedding(candidate.PoolMean, false))))
	_, err = s.Run(background, providers.Batch{Rows: 1, Cols: 2, IDs: []int64{1, 2}, Mask: []int64{1, 1}}, nil)
	require.NoError(t, err)
	x := s.binding.shapes[shape{1, 2}]
	cuda, _ := providers.Lookup("cuda")
	copier, err := s.binding.deviceCopier(cuda, map[string]string{"device_id": "1"}, providers.Library{Preload: []string{"/other.so", library}})
	require.NoError(t, err)
	require.NoError(t, copier(x.device[0], x.host[0], x.bytes[0]))
	p, err := s.binding.api.Data(x.device[0])
	require.NoError(t, err)
	require.Equal(t, []int64{2 << 56, 1 << 56}, unsafe.Slice((*int64)(p), 2), "16 bytes, backwards")

	copier, err = s.binding.deviceCopier(cuda, map[string]string{"device_id": "7"}, providers.Library{Preload: []string{library}})
	require.NoError(t, err)
	require.ErrorContains(t, copier(x.device[0], x.host[0], x.bytes[0]), "cudaSetDevice(7): CUDA error 101")
	copier, err = s.binding.deviceCopier(cuda, nil, providers.Library{Preload: []string{library}})
	require.NoError(t, err)
	require.ErrorContains(t, copier(x.device[0], x.host[0], x.bytes[0]), "cudaMemcpy of 16 bytes: CUDA error 1")
}
