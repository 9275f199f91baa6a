package cli_test

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
	b, err := os.ReadFile("../README.md")
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

// A newcomer types what the README says. Its first command is run, on a policy
// whose budgets a busy machine keeps; of the others, every word is known.
func TestTheReadmesCommandsAreThere(t *testing.T) {
	commands := readmeCommands(t)
	require.NotEmpty(t, commands)
	require.Equal(t, "run", commands[0])
	var script strings.Builder
	for _, c := range commands {
		script.WriteString("exits 0 embedgate " + c + " --help\n")
	}
	script.WriteString("exits 2 embedgate run --no-such-flag --help\n")
	if !testing.Short() {
		script.WriteString("exits 0 embedgate " + commands[0] + " --policy lax.yaml --to readme\nexists readme/all-MiniLM-L6-v2-1.0.0/release.json\n")
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/readme.txtar", []byte(script.String()), 0o666))
	scripts(t, dir)
}
