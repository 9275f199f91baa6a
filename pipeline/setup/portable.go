package setup

import (
	"context"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/export/cache"
	"github.com/embedgate/embedgate/export/pyenv"
	"github.com/embedgate/embedgate/export/pyenv/process"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/progress"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/emulate"
	"github.com/embedgate/embedgate/validate/measure"
)

// Target finds what measures a provider on another processor: the way to run
// there, and, for another architecture, embedgate and the runtime's library
// built for it.
func Target(o Options, provider string) func(ctx context.Context, cpu providers.CPU) (measure.Target, error) {
	return func(ctx context.Context, cpu providers.CPU) (t measure.Target, err error) {
		if t.Way, err = emulate.Find(ctx, cpu); err != nil {
			return t, err
		}
		if cpu.Arch == runtime.GOARCH {
			t.Executable = o.Executable
			t.Library, err = Libraries(o)(ctx, provider)
			return t, err
		}
		p := providers.Platform{OS: "linux", Arch: cpu.Arch}
		program, err := foreignProgram(ctx, o, p)
		if err != nil {
			return t, err
		}
		t.Executable = append([]string{program}, o.Executable[1:]...)
		t.Library.Path, err = foreignLibrary(ctx, p, provider, o.Progress)
		return t, err
	}
}

// Variables that name what runs on another architecture.
func programVar(p providers.Platform) string {
	return "EMBEDGATE_" + strings.ToUpper(p.Arch) + "_PROGRAM"
}
func libraryVar(p providers.Platform) string {
	return "EMBEDGATE_" + strings.ToUpper(p.Arch) + "_ORT_LIB"
}

// foreignLibrary is the provider's runtime for another platform.
func foreignLibrary(ctx context.Context, p providers.Platform, provider string, sink progress.Sink) (string, error) {
	if file := os.Getenv(libraryVar(p)); file != "" {
		return file, forPlatform(file, p, libraryVar(p))
	}
	e, ok := providers.Lookup(provider)
	piece, built := e.Source.FilesFor(p)
	if !ok || !built || e.Source.Origin != providers.FromWheel {
		return "", &fault.Error{Kind: fault.Missing, Thing: "provider " + provider, Got: "no build for " + p.String(), Wanted: "one", Next: "name its library in " + libraryVar(p)}
	}
	site, err := pyenv.Foreign(ctx, pyenv.Options{Kind: pyenv.Kind(e.Source.Env), Progress: sink}, p.String(), e.Source.Package)
	if err != nil {
		return "", err
	}
	found, err := filepath.Glob(filepath.Join(site, filepath.FromSlash(piece.Library)))
	if err != nil || len(found) == 0 {
		return "", &fault.Error{Kind: fault.Missing, Thing: "provider " + provider, Got: "no " + piece.Library + " in " + site, Wanted: e.Source.Package + " " + e.Source.Version,
			Next: "remove that folder and run the same command again"}
	}
	return found[0], nil
}

// foreignProgram is embedgate for another platform: one that the user names, or
// one that is built from the sources that this one was built from.
func foreignProgram(ctx context.Context, o Options, p providers.Platform) (string, error) {
	if file := os.Getenv(programVar(p)); file != "" {
		return file, forPlatform(file, p, programVar(p))
	}
	dir, ok := sources(o.Executable[0])
	_, err := exec.LookPath("go")
	if !ok || err != nil {
		return "", &fault.Error{
			Kind: fault.Missing, Thing: "embedgate for " + p.String(), Got: "none, and no sources of this one to build it from", Wanted: "one",
			Next: "run it in a checkout (go run . run --portability), or name one that `sh tools/cross/build " + p.String() + "` made in " + programVar(p),
		}
	}
	home, err := cache.Dir()
	if err != nil {
		return "", err
	}
	unlock, err := cache.Lock(ctx, filepath.Join(home, "cross"), nil)
	if err != nil {
		return "", err
	}
	defer unlock()
	o.Progress.Say("building embedgate for %s: the first time it fetches a C compiler (Zig, about 100 MB) and takes minutes", p)
	c := process.Command(ctx, "sh", filepath.Join(dir, "tools", "cross", "build"), p.String())
	c.Dir = dir
	var said process.Tail
	c.Stdout, c.Stderr = &said, &said
	if err := c.Run(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", &fault.Error{Kind: fault.Missing, Thing: "embedgate for " + p.String(), Got: "a build that failed: " + said.Lines(3), Wanted: "one", Err: err,
			Next: "see `sh tools/cross/build " + p.String() + "`, or name a program in " + programVar(p)}
	}
	return filepath.Join(dir, "build", "cross", fmt.Sprintf("embedgate-%s-%s", p.OS, p.Arch)), nil
}

const module = "module github.com/embedgate/embedgate"

// sources is the checkout that the program at executable was built from: the
// one in which `go run` was typed, or in whose folder it lies. A checkout that
// only happens to be the working directory may hold anything.
func sources(executable string) (dir string, ok bool) {
	dir, err := os.Getwd()
	if err != nil {
		return "", false
	}
	for ; ; dir = filepath.Dir(dir) {
		b, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if line, _, _ := strings.Cut(string(b), "\n"); err == nil && strings.TrimSpace(line) == module {
			break
		}
		if dir == filepath.Dir(dir) {
			return "", false
		}
	}
	rel, err := filepath.Rel(dir, executable)
	built := slices.ContainsFunc(strings.Split(filepath.ToSlash(executable), "/"), func(s string) bool { return strings.HasPrefix(s, "go-build") })
	return dir, built || err == nil && filepath.IsLocal(rel)
}

// forPlatform refuses a program or library of another platform.
func forPlatform(file string, p providers.Platform, from string) error {
	got := "no ELF file"
	if f, err := elf.Open(file); err == nil {
		defer func() { _ = f.Close() }() // read only
		if f.Machine == map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[p.Arch] {
			return nil
		}
		got = "one for " + f.Machine.String()
	}
	return &fault.Error{Kind: fault.Usage, Thing: from + ": " + file, Got: got, Wanted: "one for " + p.String(), Next: "name another file, or leave " + from + " out"}
}
