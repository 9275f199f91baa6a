package providertest

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	"github.com/stretchr/testify/require"
)

// slackAddresses is what a process may still map under the limit: more than
// Go's runtime asks for at once, less than the large batch needs.
const slackAddresses = 256 << 20

// limitAddressSpace lets the process map little more memory than it has.
func limitAddressSpace(t T) (restore func()) {
	debug.FreeOSMemory()
	statm, err := os.ReadFile("/proc/self/statm")
	require.NoError(t, err)
	pages, err := strconv.ParseUint(strings.Fields(string(statm))[0], 10, 64)
	require.NoError(t, err)
	var before syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_AS, &before))
	limit := syscall.Rlimit{Cur: pages*uint64(os.Getpagesize()) + slackAddresses, Max: before.Max}
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_AS, &limit))
	return func() { require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_AS, &before)) }
}
