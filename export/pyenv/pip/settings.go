package pip

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/export/pyenv/process"
	"github.com/embedgate/embedgate/internal/fault"
)

// readSettings is what the environment of pip and uv gets besides Environ: how
// packages are reached, as the user's pip.conf has it, and no configuration
// file. A file may also say to install elsewhere (user, target, prefix), to
// take other versions (constraint), or to refuse wheels (no-binary); uv's file
// is not read: forUV gives uv pip's settings. python is one that
// has pip.
func readSettings(ctx context.Context, python string) ([]string, error) {
	var tail process.Tail
	c := exec.CommandContext(ctx, python, "-I", "-c", readConfigScript)
	c.Env, c.Stderr = process.Environ(), &tail
	out, err := c.Output()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var sections map[string]map[string]string
	if err == nil {
		err = json.Unmarshal(bytes.TrimSpace(out), &sections)
	}
	if err != nil {
		return nil, &fault.Error{
			Kind: fault.Missing, Thing: "pip's configuration", Got: "a file that cannot be read", Wanted: "one that is right, or none",
			Err: errors.New(tail.Lines(1)), Next: "correct it (pip config debug lists the files), or set PIP_CONFIG_FILE to " + os.DevNull + " to do without",
		}
	}
	settings := map[string]string{}
	for _, name := range process.PipSettings {
		if v, ok := os.LookupEnv("PIP_" + name); ok {
			settings[name] = v
		}
	}
	env := []string{"PIP_CONFIG_FILE=" + os.DevNull, "UV_NO_CONFIG=1"}
	for name, v := range reachable(sections) {
		if _, ok := settings[name]; !ok { // a variable overrides a file
			settings[name] = v
			env = append(env, "PIP_"+name+"="+v)
		}
	}
	return append(env, forUV(settings)...), nil
}

// readConfigScript prints pip's configuration files as one JSON object of sections,
// in pip's own order. "pip config list" does not print all of them.
const readConfigScript = `import configparser, json, os
try:
    from pip._internal.configuration import get_configuration_files
    files = get_configuration_files()
except ImportError:
    files = {}
own = os.environ.get("PIP_CONFIG_FILE", "")
kinds = ["global"] if own and os.path.exists(own) else ["global", "user"]
names = [f for k in kinds + ["site"] for f in files.get(k, [])] + [own]
read = configparser.RawConfigParser()
if own != os.devnull:
    read.read([n for n in names if n])
print(json.dumps({s: dict(read.items(s)) for s in read.sections()}))
`

// reachable keeps how packages are reached. A command's own section overrides
// the global one.
func reachable(sections map[string]map[string]string) map[string]string {
	settings := map[string]string{}
	for _, section := range []string{"global", "download", "install"} {
		for key, value := range sections[section] {
			name := strings.ToUpper(strings.ReplaceAll(key, "-", "_"))
			if slices.Contains(process.PipSettings, name) {
				settings[name] = strings.Join(strings.Fields(value), " ")
			}
		}
	}
	return settings
}

// forUV returns pip's settings as uv's variables, without those that the user
// set for uv.
func forUV(pip map[string]string) (env []string) {
	for _, s := range []struct{ from, to, or string }{
		{"INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"},
		{"EXTRA_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_INDEX"},
		{"FIND_LINKS", "UV_FIND_LINKS", ""},
		{"NO_INDEX", "UV_NO_INDEX", ""},
		{"TRUSTED_HOST", "UV_INSECURE_HOST", ""},
		{"PROXY", "ALL_PROXY", "HTTPS_PROXY"},
		{"CERT", "SSL_CERT_FILE", ""},
	} {
		v := pip[s.from]
		if v == "" || os.Getenv(s.to) != "" || s.or != "" && os.Getenv(s.or) != "" {
			continue
		}
		if s.from == "FIND_LINKS" { // uv divides by commas, pip by blanks
			v = strings.Join(strings.Fields(v), ",")
		}
		env = append(env, s.to+"="+v)
	}
	return env
}

// Network is what a person should check when packages cannot be reached: the
// variables that decide it, by name only, since their values may be secret.
func Network() string {
	var set []string
	for _, kv := range os.Environ() {
		name, v, _ := strings.Cut(kv, "=")
		theirs := strings.HasPrefix(name, "PIP_") || strings.HasPrefix(name, "UV_")
		if v != "" && (strings.HasSuffix(strings.ToUpper(name), "_PROXY") || name == "SSL_CERT_FILE" || name == "REQUESTS_CA_BUNDLE" || theirs && process.Passes(name)) {
			set = append(set, name)
		}
	}
	s := "network and proxy (HTTPS_PROXY) and pip's configuration (pip config debug)"
	if len(set) > 0 {
		slices.Sort(set)
		s += "; set here are " + strings.Join(set, ", ")
	}
	return s
}
