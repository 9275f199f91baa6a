package pyscript

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/pyenv"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/progress"
)

// base is looked for once: that starts several Pythons.
var base = sync.OnceValues(func() (pyenv.Base, error) { return pyenv.FindBase(context.Background()) })

// script makes options that run body.
func script(t testing.TB, body string) Options {
	t.Helper()
	b, err := base()
	require.NoError(t, err)
	return Options{Python: b.Path, Script: "s.py", files: fstest.MapFS{"s.py": {Data: []byte(body)}}}
}

func TestProgressIsToldAndTheManifestReturned(t *testing.T) {
	o := script(t, `
import json, os, sys
print(json.dumps({"event": "progress", "message": "one of two", "done": 1, "total": 2}))
print(json.dumps({"event": "progress", "message": "a word"}))
print("chatter", file=sys.stderr)
print(json.dumps({"event": "manifest", "args": sys.argv[1:], "env": os.environ["FOR_THE_TEST"]}))
`)
	o.Args, o.Env = []string{"a b", "c"}, []string{"FOR_THE_TEST=here"}
	var told []progress.Event
	o.Progress = func(e progress.Event) { told = append(told, e) }
	raw, err := Run(t.Context(), o)
	require.NoError(t, err)
	var m struct {
		Args []string
		Env  string
	}
	require.NoError(t, json.Unmarshal(raw, &m))
	require.Equal(t, []string{"a b", "c"}, m.Args)
	require.Equal(t, "here", m.Env)
	require.Len(t, told, 2)
	assert.Contains(t, told[0].Message, "one of two")
	assert.Contains(t, told[1].Message, "a word")
}

func TestAScriptThatMisbehavesIsAnError(t *testing.T) {
	cases := map[string]struct {
		body, want string
		kind       fault.Kind
	}{
		"by garbage on stdout":                    {"print('Loading weights...')\nprint('{\"event\":\"manifest\"}')", "Loading weights", fault.Internal},
		"by an unknown event":                     {`print('{"event":"dance"}')`, `"dance"`, fault.Internal},
		"by no manifest":                          {`import sys; print("the last words", file=sys.stderr)`, "the last words", fault.Internal},
		"by more after garbage than a pipe holds": {"print('x')\nprint('y' * 1000000)", "wanted a line of JSON", fault.Internal},
		"by exit code 2 and an error line": {
			"import sys\nprint('Traceback of no interest', file=sys.stderr)\nprint('error: the model is wrong; next: take another', file=sys.stderr)\nsys.exit(2)",
			"s.py: the model is wrong; next: take another", fault.Usage,
		},
		"by exit code 1":           {"import sys\nprint('oh no', file=sys.stderr)\nsys.exit(1)", "oh no", fault.Internal},
		"by exit 1 and a manifest": {"import sys\nprint('{\"event\":\"manifest\"}')\nsys.exit(1)", "s.py", fault.Internal},
		"by an exception":          {`raise ValueError("out of the blue")`, "ValueError: out of the blue", fault.Internal},
		"by a signal":              {"import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "killed by killed", fault.Internal},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := Run(t.Context(), script(t, c.body))
			require.ErrorContains(t, err, c.want)
			assert.Equal(t, c.kind, fault.KindOf(err))
		})
	}
}

func TestAnErrorLineHidesWhatWentBefore(t *testing.T) {
	_, err := Run(t.Context(), script(t, "import sys\nprint('noise', file=sys.stderr)\nprint('error: bad', file=sys.stderr)\nsys.exit(2)"))
	require.EqualError(t, err, "s.py: bad")
}

func TestAnInterpreterThatIsNotThereIsAnError(t *testing.T) {
	o := script(t, "")
	o.Python = filepath.Join(t.TempDir(), "python")
	_, err := Run(t.Context(), o)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestWhenTheContextEndsTheScriptAndItsChildrenEnd(t *testing.T) {
	ended := filepath.Join(t.TempDir(), "ended")
	o := script(t, `
import subprocess, sys
# The child holds the pipe open: only its end lets Run return before it is done.
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
try:
    print('{"event":"progress","message":"started"}', flush=True)
    child.wait()
except KeyboardInterrupt:
    open(sys.argv[1], "w").close()
`)
	o.Args = []string{ended}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	o.Progress = func(progress.Event) { cancel() }
	_, err := Run(ctx, o)
	require.ErrorIs(t, err, context.Canceled)
	require.FileExists(t, ended, "the script was interrupted, not killed: it could clean up")
}
