package providertest

import (
	"context"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/providers"
)

// mapped is memory that is in use and not Go's, as a runtime's is.
func mapped(t *testing.T, bytes int) {
	t.Helper()
	b, err := syscall.Mmap(-1, 0, bytes, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	require.NoError(t, err)
	for i := 0; i < bytes; i += 4096 {
		b[i] = 1
	}
	t.Cleanup(func() { assert.NoError(t, syscall.Munmap(b)) })
}

// Only memory that the runtime itself keeps is excused.
func TestARuntimeThatKeepsMemoryHidesNoOtherLeak(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the rule about leaks six times: run without -short")
	}
	f := facts
	f.KeptBytes = 2 << 20
	// afterRun does a thing at the end of a session that has run.
	afterRun := func(s *broken, do func()) {
		ran := false
		s.run = func(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
			ran = true
			return s.Fake.Run(ctx, b, out)
		}
		s.close = func() error {
			if ran {
				do()
			}
			return s.Fake.Close()
		}
	}
	for _, c := range []struct {
		name string
		leak func(t *testing.T, s *broken)
		want bool
	}{
		{"what it may keep", func(t *testing.T, s *broken) { afterRun(s, func() { mapped(t, f.KeptBytes) }) }, false},
		{"more than that", func(t *testing.T, s *broken) { afterRun(s, func() { mapped(t, 3*f.KeptBytes) }) }, true},
		{"on opening", func(t *testing.T, s *broken) { mapped(t, f.KeptBytes) }, true},
		{"on running", func(t *testing.T, s *broken) {
			s.run = func(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
				mapped(t, f.KeptBytes/2) // there are two runs a round
				return s.Fake.Run(ctx, b, out)
			}
		}, true},
		{"Go's memory", func(_ *testing.T, s *broken) {
			afterRun(s, func() { leakedBytes = append(leakedBytes, make([]byte, f.KeptBytes/2)) })
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			failed, said := verdict(Rule{leakRule, leaks}, f, func(T) providers.Session {
				s := &broken{Fake: newFake()}
				c.leak(t, s)
				return s
			})
			assert.Equal(t, c.want, failed, said)
		})
	}
	leakedBytes = nil
}
