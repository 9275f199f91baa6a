package providertest

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/providers"
)

var facts = Facts{
	Provider: "fake", Dim: 8, MaxTokens: 32, Vocab: 50, Normalize: true,
	Tolerance: 1e-6, SlowRows: 24, Rounds: 20, OutOfMemoryRows: 4000,
}

func newFake() *Fake { return &Fake{Facts: facts, PerRow: time.Millisecond} }

func TestTheFakeConforms(t *testing.T) {
	Run(t, func(T) providers.Session { return newFake() }, facts)
}

// One session stays open beside the others, and is closed before memory is
// measured.
func TestTheSessionKeptOpenIsClosedBeforeMemoryIsMeasured(t *testing.T) {
	f := facts
	f.KeepOneOpen, f.DeviceLimits = true, true // in this process, where the sessions are counted
	var first *Fake
	var alone []bool // each later session
	Run(t, func(T) providers.Session {
		s := newFake()
		if first == nil {
			first = s
		} else {
			alone = append(alone, first.closed)
		}
		return s
	}, f)
	assert.False(t, alone[0], "a rule's session has it beside it")
	assert.True(t, alone[len(alone)-f.Rounds], "the last rule's have not")
	assert.True(t, first.closed)
}

// recorder is a T that only remembers whether a rule failed.
type recorder struct {
	sync.Mutex
	failed bool
	said   strings.Builder
}

func (r *recorder) Helper()             {}
func (r *recorder) Logf(string, ...any) {}
func (r *recorder) Errorf(format string, args ...any) {
	r.Lock()
	defer r.Unlock()
	r.failed = true
	fmt.Fprintf(&r.said, format, args...)
}
func (r *recorder) FailNow() {
	r.Lock()
	r.failed = true
	r.Unlock()
	runtime.Goexit()
}

// verdict runs one rule on a session and says whether the rule failed.
func verdict(rule Rule, f Facts, open Open) (failed bool, said string) {
	r := &recorder{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				r.Errorf("panic: %v", p)
			}
		}()
		rule.Check(r, open, f)
	}()
	<-done
	return r.failed, r.said.String()
}

// broken is a fake with some of its methods replaced.
type broken struct {
	*Fake
	run   func(ctx context.Context, b providers.Batch, out []float32) ([]float32, error)
	close func() error
	info  func() providers.Info
	dim   func() int
}

func (s *broken) Run(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
	if s.run != nil {
		return s.run(ctx, b, out)
	}
	return s.Fake.Run(ctx, b, out)
}

func (s *broken) Close() error {
	if s.close != nil {
		return s.close()
	}
	return s.Fake.Close()
}

func (s *broken) Info() providers.Info {
	if s.info != nil {
		return s.info()
	}
	return s.Fake.Info()
}

func (s *broken) Dim() int {
	if s.dim != nil {
		return s.dim()
	}
	return s.Fake.Dim()
}

var background = context.Background()

func TestEachRuleFailsOnASessionThatBreaksIt(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the suite once for each rule: run without -short")
	}
	t.Cleanup(func() {
		for _, f := range leakedFiles {
			_ = f.Close()
		}
		leakedFiles, leakedBytes = nil, nil
		close(leakedStop)
	})
	for _, rule := range Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			require.NotEmpty(t, breakages[rule.Name], "a rule has a broken fake that it must catch")
			if runtime.GOOS != "linux" && strings.Contains(rule.Name, "leak") {
				t.Skip("files and memory are read from /proc")
			}
			for i, breakIt := range breakages[rule.Name] {
				failed, _ := verdict(rule, facts, func(T) providers.Session {
					s := &broken{Fake: newFake()}
					breakIt(s)
					return s
				})
				assert.True(t, failed, "broken fake %d passed", i)
			}
		})
	}
}

func TestEveryBrokenFakeBelongsToARule(t *testing.T) {
	for name := range breakages {
		assert.True(t, slices.ContainsFunc(Rules(), func(r Rule) bool { return r.Name == name }), name)
	}
}
