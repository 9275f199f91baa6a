package publish

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/embedgate/embedgate/internal/fault"
)

// ownMounts is set in the process that may mount. Its mounts are seen by it alone
// and end with it.
const ownMounts = "EMBEDGATE_TEST_OWN_MOUNTS"

// inOwnMounts runs the calling test again in a process that may mount file
// systems which no other process sees. It returns true in that process.
func inOwnMounts(t *testing.T) bool {
	if os.Getenv(ownMounts) != "" {
		return true
	}
	exe, err := os.Executable()
	require.NoError(t, err)
	var tried []string
	for _, flags := range []uintptr{unix.CLONE_NEWNS, unix.CLONE_NEWNS | unix.CLONE_NEWUSER} {
		c := exec.CommandContext(t.Context(), exe, "-test.run=^"+t.Name()+"$", "-test.v")
		c.Env = append(os.Environ(), ownMounts+"=1")
		c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
		if flags&unix.CLONE_NEWUSER != 0 {
			c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
			c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
		}
		out, err := c.CombinedOutput()
		var exit *exec.ExitError
		if err == nil || errors.As(err, &exit) && !strings.Contains(string(out), cannotMount) {
			t.Log(string(out))
			require.NoError(t, err, "in a process with mounts of its own")
			return false
		}
		tried = append(tried, fmt.Sprintf("%v: %s", err, out))
	}
	require.Fail(t, "this test needs to mount a small tmpfs, as root or in a user namespace; run with -short to leave it out", strings.Join(tried, "\n"))
	return false
}

const cannotMount = "cannot mount a tmpfs here"

func TestADiskThatIsFullLeavesNoPartialRelease(t *testing.T) {
	if testing.Short() {
		t.Skip("mounts small file systems: run without -short")
	}
	if !inOwnMounts(t) {
		return
	}
	disk := t.TempDir()
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatalf("%s: %v", cannotMount, err)
	}
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=4k"); err != nil {
		t.Fatalf("%s: %v", cannotMount, err)
	}
	t.Cleanup(func() { assert.NoError(t, unix.Unmount(disk, unix.MNT_DETACH)) })
	remount := func(size string) { require.NoError(t, unix.Mount("tmpfs", disk, "tmpfs", unix.MS_REMOUNT, size)) }
	target := filepath.Join(disk, "dist")
	f := newFixture(t)
	o := f.options(t, target)

	full := func(size string) (released bool) {
		require.NoError(t, os.RemoveAll(target))
		remount(size)
		_, err := Publish(t.Context(), o)
		if err == nil {
			require.True(t, wholeOrAbsent(t, target))
			return true
		}
		require.ErrorIs(t, err, unix.ENOSPC, size)
		require.Equal(t, fault.Missing, fault.KindOf(err))
		require.ErrorContains(t, err, "free some space")
		require.Empty(t, names(t, disk), "with %s: no partial release and nothing left in its way", size)

		remount("size=1m,nr_inodes=200")
		_, err = Publish(t.Context(), o)
		require.NoError(t, err, "the next run succeeds")
		require.True(t, wholeOrAbsent(t, target))
		return false
	}
	fits := 0
	for kib := 4; fits == 0; kib += 4 {
		require.Less(t, kib, 1024)
		if full(fmt.Sprintf("size=%dk,nr_inodes=200", kib)) {
			fits = kib
		}
	}
	require.Greater(t, fits, 40, "it did fail at many sizes before")
	fits = 0
	for inodes := 3; fits == 0; inodes++ { // full of files, not of bytes
		require.Less(t, inodes, 100)
		if full(fmt.Sprintf("size=1m,nr_inodes=%d", inodes)) {
			fits = inodes
		}
	}
	require.Greater(t, fits, 12)

	t.Run("a release that is there is found on a full disk", func(t *testing.T) {
		remount("size=1m,nr_inodes=200")
		filler, err := os.Create(filepath.Join(disk, "filler"))
		require.NoError(t, err)
		for err == nil {
			_, err = filler.Write(make([]byte, 4096))
		}
		require.ErrorIs(t, err, unix.ENOSPC)
		require.NoError(t, filler.Close())
		r, err := Publish(t.Context(), o)
		require.NoError(t, err)
		require.True(t, r.Existed)
	})
}
