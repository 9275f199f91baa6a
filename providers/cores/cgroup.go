package cores

import (
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Files of a cgroup, as the kernel documents them in
// Documentation/admin-guide/cgroup-v2.rst and scheduler/sched-bwc.rst.
const (
	quotaV2  = "cpu.max"           // "max 100000" or "150000 100000"
	quotaV1  = "cpu.cfs_quota_us"  // -1: none
	periodV1 = "cpu.cfs_period_us" // microseconds
)

// hierarchy is where one kind of cgroup is mounted.
type hierarchy struct {
	mount string // the mount point, without a leading slash
	root  string // the cgroup that is mounted there: "/" outside containers
	v2    bool
}

// quota is the least that the cgroups of this process grant it, in processors.
// A cgroup is limited by those that contain it too, so each one up to the
// mount counts. A quota that cannot be read counts as none: the measurement
// then shows it.
func quota(root fs.FS) (least float64, ok bool) {
	mine := memberships(text(root, "proc/self/cgroup"))
	for _, h := range hierarchies(text(root, "proc/self/mountinfo")) {
		for _, dir := range h.ancestors(mine[h.v2]) {
			if q, is := h.read(root, dir); is && (!ok || q < least) {
				least, ok = q, true
			}
		}
	}
	return least, ok
}

func text(root fs.FS, name string) string {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return ""
	}
	return string(b)
}

// memberships reads /proc/self/cgroup, "4:cpu,cpuacct:/docker/1" a line or
// "0::/user.slice" for version 2: the path by whether it is version 2's.
func memberships(s string) map[bool]string {
	mine := map[bool]string{}
	for line := range strings.Lines(s) {
		f := strings.SplitN(strings.TrimRight(line, "\n"), ":", 3)
		switch {
		case len(f) != 3:
		case f[0] == "0" && f[1] == "":
			mine[true] = f[2]
		case slices.Contains(strings.Split(f[1], ","), "cpu"):
			mine[false] = f[2]
		}
	}
	return mine
}

// hierarchies reads /proc/self/mountinfo, of which a line is "36 25 0:31 ROOT
// PLACE OPTIONS [TAG…] - TYPE SOURCE OPTIONS".
func hierarchies(s string) (all []hierarchy) {
	for line := range strings.Lines(s) {
		before, after, ok := strings.Cut(strings.TrimRight(line, "\n"), " - ")
		b, a := strings.Fields(before), strings.Fields(after)
		if !ok || len(b) < 5 || len(a) < 3 {
			continue
		}
		h := hierarchy{mount: strings.Trim(unescape(b[4]), "/"), root: unescape(b[3]), v2: a[0] == "cgroup2"}
		if h.v2 || a[0] == "cgroup" && slices.Contains(strings.Split(a[2], ","), "cpu") {
			all = append(all, h)
		}
	}
	return all
}

// unescape decodes what mountinfo writes in octal: blanks and backslashes.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// ancestors lists the folders of a cgroup and of those that contain it, as far
// as the mount shows them. For a cgroup outside the mount, as a container's is,
// it is the mount itself.
func (h hierarchy) ancestors(cgroup string) (dirs []string) {
	rel := ""
	if cgroup == h.root || h.root == "/" {
		rel = strings.TrimPrefix(cgroup, h.root)
	} else if r, ok := strings.CutPrefix(cgroup, h.root+"/"); ok {
		rel = r
	}
	rel = path.Clean("/" + rel) // "/../.." of another namespace becomes "/"
	for {
		dirs = append(dirs, path.Join(h.mount, rel))
		if rel == "/" {
			return dirs
		}
		rel = path.Dir(rel)
	}
}

// read is the quota of one cgroup, in processors.
func (h hierarchy) read(root fs.FS, dir string) (float64, bool) {
	var granted, period string
	if h.v2 {
		f := strings.Fields(text(root, path.Join(dir, quotaV2)))
		if len(f) != 2 {
			return 0, false
		}
		granted, period = f[0], f[1]
	} else {
		granted = strings.TrimSpace(text(root, path.Join(dir, quotaV1)))
		period = strings.TrimSpace(text(root, path.Join(dir, periodV1)))
	}
	q, err := strconv.ParseInt(granted, 10, 64)
	p, perr := strconv.ParseInt(period, 10, 64)
	if err != nil || perr != nil || q <= 0 || p <= 0 { // "max" and -1 are no quota
		return 0, false
	}
	return float64(q) / float64(p), true
}
