package providertest

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/providers"
)

const hungryRule = "a run without enough memory is an error and not the end"

// hungry runs a batch for which there is no memory.
func hungry(t T, open Open, f Facts) {
	if f.HungryRows == 0 {
		t.Logf("left out: there are no facts about a batch that needs much memory")
		return
	}
	s := open(t)
	defer mustClose(t, s)
	small := single(f, 4, 1)
	want := run(t, s, small)
	big := rows(f, f.HungryRows, f.MaxTokens, 9)
	feed := func() {}
	if f.starve != nil {
		feed = f.starve(t)
	}
	out, err := s.Run(context.Background(), big, []float32{1})
	feed()
	if assert.Error(t, err, "%d rows of %d tokens", f.HungryRows, f.MaxTokens) {
		t.Logf("%v", err)
	}
	assert.NotErrorIs(t, err, providers.ErrClosed)
	assert.Len(t, out, 1, "nothing is appended")
	alive(t, f, s, small, want)
}

// starvedChild makes a test binary one that runs the rule about memory under a
// limit: Go's own runtime does not survive one in every case, and a provider
// may not either.
const starvedChild = "EMBEDGATE_TEST_STARVED"

// inStarvedChild runs the test t once more in a process of its own, where check
// takes memory away.
func inStarvedChild(t *testing.T, f Facts, check func(Facts)) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("a process's memory is limited by Linux's means")
	}
	if os.Getenv(starvedChild) != "" {
		f.starve = limitMemory
	}
	if f.HungryRows == 0 || f.OwnLimit || os.Getenv(starvedChild) != "" {
		check(f)
		return
	}
	var pattern []string
	for part := range strings.SplitSeq(t.Name(), "/") {
		pattern = append(pattern, "^"+regexp.QuoteMeta(part)+"$")
	}
	c := exec.Command(os.Args[0], "-test.run="+strings.Join(pattern, "/"), "-test.v", "-test.timeout=5m")
	c.Env = append(os.Environ(), starvedChild+"=1")
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS", "%s", out)
	t.Logf("%s", out)
}
