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

const outOfMemoryRule = "a run without enough memory is an error and does not end the process"

// outOfMemory runs a batch for which there is no memory.
func outOfMemory(t T, open Open, f Facts) {
	if f.OutOfMemoryRows == 0 {
		t.Logf("skipped: there are no facts about a batch that needs much memory")
		return
	}
	s := open(t)
	defer mustClose(t, s)
	small := single(f, 4, 1)
	want := run(t, s, small)
	big := rows(f, f.OutOfMemoryRows, f.MaxTokens, 9)
	restore := func() {}
	if f.limitMemory != nil {
		restore = f.limitMemory(t)
	}
	out, err := s.Run(context.Background(), big, []float32{1})
	restore()
	if assert.Error(t, err, "%d rows of %d tokens", f.OutOfMemoryRows, f.MaxTokens) {
		t.Logf("%v", err)
	}
	assert.NotErrorIs(t, err, providers.ErrClosed)
	assert.Len(t, out, 1, "nothing is appended")
	stillWorks(t, f, s, small, want)
}

// limitedChild makes this test binary a process that runs the rule about memory under a
// limit: Go's own runtime does not survive one in every case, and a provider
// may not either.
const limitedChild = "EMBEDGATE_TEST_LIMITED_MEMORY"

// inLimitedChild runs the test t once more in a process of its own, where check
// limits the memory.
func inLimitedChild(t *testing.T, f Facts, check func(Facts)) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("a process's memory can be limited on Linux alone")
	}
	if os.Getenv(limitedChild) != "" {
		f.limitMemory = limitAddressSpace
	}
	if f.OutOfMemoryRows == 0 || f.DeviceLimits || os.Getenv(limitedChild) != "" {
		check(f)
		return
	}
	var pattern []string
	for part := range strings.SplitSeq(t.Name(), "/") {
		pattern = append(pattern, "^"+regexp.QuoteMeta(part)+"$")
	}
	c := exec.Command(os.Args[0], "-test.run="+strings.Join(pattern, "/"), "-test.v", "-test.timeout=5m")
	c.Env = append(os.Environ(), limitedChild+"=1")
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS", "%s", out)
	t.Logf("%s", out)
}
