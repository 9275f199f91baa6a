package storetest

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/embedgate/embedgate/publish/store"
)

// Memory is a store in memory, for tests.
type Memory struct {
	mu       sync.Mutex
	releases map[string]map[string][]byte
}

// NewMemory returns an empty store.
func NewMemory() *Memory { return &Memory{releases: map[string]map[string][]byte{}} }

// Location names the release.
func (m *Memory) Location(name string) string { return "memory:" + name }

// Exists tells whether the release is there.
func (m *Memory) Exists(_ context.Context, name string) (bool, error) {
	if err := store.CheckName(name); err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.releases[name]
	return ok, nil
}

// Put reads the files into memory.
func (m *Memory) Put(ctx context.Context, r store.Release) error {
	if err := r.Validate(); err != nil {
		return err
	}
	step := r.Step
	if step == nil {
		step = func(string) {}
	}
	dir, err := os.MkdirTemp("", "store")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a test's
	content := map[string][]byte{}
	for name, f := range r.Files {
		step("file " + name)
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := f.CopyTo(ctx, path); err != nil {
			return err
		}
		if content[name], err = os.ReadFile(path); err != nil {
			return err
		}
	}
	step("check")
	if r.Check != nil {
		if err := r.Check(ctx, dir); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	step("add")
	return m.add(r.Name, content)
}

func (m *Memory) add(name string, content map[string][]byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.releases[name]; ok {
		return fmt.Errorf("%s: %w", m.Location(name), store.ErrExists)
	}
	m.releases[name] = content
	return nil
}

// Open writes the release to a temporary folder.
func (m *Memory) Open(_ context.Context, name string) (store.Folder, error) {
	if err := store.CheckName(name); err != nil {
		return store.Folder{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	content, ok := m.releases[name]
	if !ok {
		return store.Folder{}, fmt.Errorf("%s: %w", m.Location(name), fs.ErrNotExist)
	}
	dir, err := os.MkdirTemp("", "store")
	if err != nil {
		return store.Folder{}, err
	}
	for f, b := range content {
		path := filepath.Join(dir, filepath.FromSlash(f))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return store.Folder{}, err
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			return store.Folder{}, err
		}
	}
	return store.Folder{Dir: dir, Remove: func() error { return os.RemoveAll(dir) }}, nil
}
