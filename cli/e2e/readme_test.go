package e2e_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// readmeCommands are the arguments of each `go run . …` in the README's sh
// blocks.
func readmeCommands(t *testing.T) (all []string) {
	b, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(b), -1) {
		for line := range strings.Lines(block[1]) {
			if args, ok := strings.CutPrefix(line, "go run . "); ok {
				args, _, _ = strings.Cut(args, "#")
				all = append(all, strings.TrimSpace(args))
			}
		}
	}
	return all
}

// A newcomer types what the README says. Of each command every word is known;
// testdata/long/run.txtar runs the first one, on a policy whose budgets a busy
// machine keeps.
func TestTheReadmesCommandsAreThere(t *testing.T) {
	commands := readmeCommands(t)
	require.NotEmpty(t, commands)
	require.Equal(t, "run", commands[0])
	var script strings.Builder
	for _, c := range commands {
		script.WriteString("exits 0 embedgate " + c + " --help\n")
	}
	script.WriteString("exits 2 embedgate run --no-such-flag --help\n")
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/readme.txtar", []byte(script.String()), 0o666))
	scripts(t, dir, shipped(t))
}
