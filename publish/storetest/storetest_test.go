package storetest

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/publish/store"
)

func TestMemory(t *testing.T) {
	for _, r := range Rules {
		t.Run(r.Name, func(t *testing.T) {
			require.NoError(t, r.Check(t.Context(), t.TempDir(), func() store.Store { return NewMemory() }))
		})
	}
}

// broken is Memory with something replaced.
type broken struct {
	*Memory
	put    func(m *Memory, ctx context.Context, r store.Release) error
	exists func(m *Memory, ctx context.Context, name string) (bool, error)
	open   func(m *Memory, ctx context.Context, name string) (store.Folder, error)
	where  string
}

func (b broken) Location(name string) string {
	if b.where != "" {
		return b.where
	}
	return b.Memory.Location(name)
}

func (b broken) Put(ctx context.Context, r store.Release) error {
	if b.put != nil {
		return b.put(b.Memory, ctx, r)
	}
	return b.Memory.Put(ctx, r)
}

func (b broken) Exists(ctx context.Context, name string) (bool, error) {
	if b.exists != nil {
		return b.exists(b.Memory, ctx, name)
	}
	return b.Memory.Exists(ctx, name)
}

func (b broken) Open(ctx context.Context, name string) (store.Folder, error) {
	if b.open != nil {
		return b.open(b.Memory, ctx, name)
	}
	return b.Memory.Open(ctx, name)
}

// forget removes a release.
func (m *Memory) forget(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.releases, name)
}

// change replaces a file.
func (m *Memory) change(name, file string, b []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.releases[name][file] = b
}

// half is what a store without care leaves of a Put that failed.
func half(m *Memory, r store.Release) {
	_ = m.add(r.Name, map[string][]byte{"model/weights.bin": []byte("half")})
}

func TestTheSuiteFindsABrokenStore(t *testing.T) {
	for name, c := range map[string]struct {
		broken
		rule string // that it breaks
	}{
		"has everything": {broken{exists: func(*Memory, context.Context, string) (bool, error) { return true, nil }}, "an empty store holds nothing"},
		"opens what is not there": {broken{open: func(m *Memory, ctx context.Context, name string) (store.Folder, error) {
			f, err := m.Open(ctx, name)
			if err != nil {
				return store.Folder{Dir: os.TempDir()}, nil
			}
			return f, nil
		}}, "an empty store holds nothing"},
		"changes a byte": {broken{put: func(m *Memory, ctx context.Context, r store.Release) error {
			err := m.Put(ctx, r)
			if err == nil {
				m.change(r.Name, "a@b-c+d/1_P/c.json", []byte("[]"))
			}
			return err
		}}, "what is opened is what was put"},
		"adds a file": {broken{put: func(m *Memory, ctx context.Context, r store.Release) error {
			err := m.Put(ctx, r)
			if err == nil {
				m.change(r.Name, "index.json", nil)
			}
			return err
		}}, "what is opened is what was put"},
		"writes nothing": {broken{put: func(_ *Memory, ctx context.Context, r store.Release) error {
			return NewMemory().Put(ctx, r)
		}}, "what is opened is what was put"},
		"one location for all": {broken{where: "here"}, "two names are two releases"},
		"keeps the last release only": {broken{put: func(m *Memory, ctx context.Context, r store.Release) error {
			if len(m.releases) == 1 && m.releases[r.Name] == nil {
				m.forget("model-1.0.0")
			}
			return m.Put(ctx, r)
		}}, "two names are two releases"},
		"says nothing of the same": {broken{put: func(m *Memory, ctx context.Context, r store.Release) error {
			if have := m.releases[r.Name]; have != nil && string(have[store.ManifestName]) == string(r.Files[store.ManifestName].Bytes) {
				return nil
			}
			return m.Put(ctx, r)
		}}, "the same put twice is reported and unchanged"},
		"overwrites": {broken{put: func(m *Memory, ctx context.Context, r store.Release) error {
			m.forget(r.Name)
			return m.Put(ctx, r)
		}}, "other content under a taken name is reported and the first is unchanged"},
		"overwrites and reports it": {broken{put: func(m *Memory, ctx context.Context, r store.Release) error {
			err := m.Put(ctx, r)
			if err != nil && m.releases[r.Name] != nil {
				m.change(r.Name, store.ManifestName, r.Files[store.ManifestName].Bytes)
			}
			return err
		}}, "other content under a taken name is reported and the first is unchanged"},
		"checks after": {broken{put: func(m *Memory, ctx context.Context, r store.Release) error {
			check := r.Check
			r.Check = nil
			err := m.Put(ctx, r)
			if err == nil && check != nil {
				f, _ := m.Open(ctx, r.Name)
				defer func() { _ = f.Close() }()
				if err = check(ctx, f.Dir); err != nil {
					m.forget(r.Name)
				}
			}
			return err
		}}, "a release is not there before its check accepts it"},
		"checks nothing": {broken{put: func(m *Memory, ctx context.Context, r store.Release) error {
			r.Check = nil
			return m.Put(ctx, r)
		}}, "a release that its check refuses is not there"},
		"checks an empty folder": {broken{put: func(m *Memory, ctx context.Context, r store.Release) error {
			if check := r.Check; check != nil {
				r.Check = func(ctx context.Context, _ string) error {
					dir, err := os.MkdirTemp("", "store")
					if err != nil {
						return err
					}
					defer func() { _ = os.RemoveAll(dir) }()
					return check(ctx, dir)
				}
			}
			return m.Put(ctx, r)
		}}, "a release is not there before its check accepts it"},
		"leaves half of what failed": {broken{put: func(m *Memory, ctx context.Context, r store.Release) error {
			err := m.Put(ctx, r)
			if err != nil {
				half(m, r)
			}
			return err
		}}, "a file that cannot be read, or is another, leaves nothing"},
		"believes the source": {broken{put: func(m *Memory, ctx context.Context, r store.Release) error {
			files := map[string]store.File{}
			for name, f := range r.Files {
				if f.Path != "" {
					b, err := os.ReadFile(f.Path)
					if err != nil {
						return &store.SourceError{Path: f.Path, Err: err}
					}
					f = store.FileOf(b)
				}
				files[name] = f
			}
			r.Files = files
			return m.Put(ctx, r)
		}}, "a file that cannot be read, or is another, leaves nothing"},
		"takes any name": {broken{put: func(m *Memory, ctx context.Context, r store.Release) error {
			if store.CheckName(r.Name) != nil {
				return m.add(r.Name, nil)
			}
			return m.Put(ctx, r)
		}}, "names that are no plain paths are refused"},
		"takes any path": {broken{put: func(m *Memory, ctx context.Context, r store.Release) error {
			for f := range r.Files {
				if store.CheckPath(f) != nil {
					return nil
				}
			}
			return m.Put(ctx, r)
		}}, "names that are no plain paths are refused"},
		"needs no manifest": {broken{put: func(m *Memory, ctx context.Context, r store.Release) error {
			if _, ok := r.Files[store.ManifestName]; !ok {
				return nil
			}
			return m.Put(ctx, r)
		}}, "a release without its manifest is refused"},
		"leaves half when it is cancelled": {broken{put: func(m *Memory, ctx context.Context, r store.Release) error {
			err := m.Put(ctx, r)
			if ctx.Err() != nil {
				half(m, r)
			}
			return err
		}}, "cancelled at any step, all of the release is there or nothing"},
		"goes on when it was cancelled": {broken{put: func(m *Memory, ctx context.Context, r store.Release) error {
			return m.Put(context.WithoutCancel(ctx), r)
		}}, "cancelled at any step, all of the release is there or nothing"},
		"has no steps": {broken{put: func(m *Memory, ctx context.Context, r store.Release) error {
			r.Step = nil
			return m.Put(ctx, r)
		}}, "cancelled at any step, all of the release is there or nothing"},
		"lets all succeed at once": {broken{put: func(m *Memory, ctx context.Context, r store.Release) error {
			_ = m.Put(ctx, r)
			return nil
		}}, "of several that put one name at once, one succeeds"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, r := range Rules {
				if r.Name != c.rule {
					continue
				}
				err := r.Check(t.Context(), t.TempDir(), func() store.Store {
					b := c.broken
					b.Memory = NewMemory()
					return b
				})
				require.Error(t, err)
				t.Log(err)
				return
			}
			t.Fatalf("there is no rule %q", c.rule)
		})
	}
}
