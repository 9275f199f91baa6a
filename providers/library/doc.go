// Package library finds a provider's runtime library on this machine, or
// fetches it, with all that its process needs beside it: libraries to load
// first, a plugin, environment variables, and what is known of the device. It
// works from the catalogue and must not know what a runtime does with it, nor
// policies, evidence or terminals.
package library

import (
	"context"
	"os"
	"os/exec"
	"runtime"

	"github.com/embedgate/embedgate/internal/progress"
	"github.com/embedgate/embedgate/providers"
)

// Options says where to look and whom to inform.
type Options struct {
	// Override is a runtime library to use unchanged. Empty: Var(entry), then,
	// for what comes in the export environment, pyenv.OrtLibVar.
	Override string
	CacheDir string // "": cache.Dir()
	Progress progress.Sink
	// RefuseSoftwareDevice refuses a software device that the user did not
	// name, before anything is fetched for it.
	RefuseSoftwareDevice bool
}

// Find returns the library of a provider, fetching or making what is not there
// yet. What this machine lacks, or cannot get, is a fault.Missing that says
// what to do; a device is asked for before anything is fetched.
func Find(ctx context.Context, e providers.Entry, o Options) (providers.Library, error) {
	return thisMachine().find(ctx, e, o)
}

// Fetch is Find for another machine of this platform: no device is asked for.
func Fetch(ctx context.Context, e providers.Entry, o Options) (providers.Library, error) {
	r, err := thisMachine().request(e, o)
	if err != nil {
		return providers.Library{}, err
	}
	return r.library(ctx)
}

// State reports what Find would find, without fetching or making anything: what
// is there, or what is missing and the next step. A library that Find has only
// to fetch is ok.
func State(ctx context.Context, e providers.Entry, o Options) (found, next string, ok bool) {
	return thisMachine().state(ctx, e, o)
}

// machine is what this package asks of the computer. Tests replace it by
// folders and programs of their own.
type machine struct {
	platform providers.Platform
	root     string // before every path of the operating system's; "" outside tests
	getenv   func(string) string
	lookPath func(program string) (string, error)
	output   func(ctx context.Context, program string, args ...string) ([]byte, error)
}

func thisMachine() machine {
	return machine{
		platform: providers.Platform{OS: runtime.GOOS, Arch: runtime.GOARCH},
		getenv:   os.Getenv,
		lookPath: exec.LookPath,
		output: func(ctx context.Context, program string, args ...string) ([]byte, error) {
			return exec.CommandContext(ctx, program, args...).Output()
		},
	}
}
