package cores

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
)

const (
	mountsV1 = "36 32 0:31 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:13 - cgroup cgroup rw,cpu,cpuacct\n" +
		"37 32 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
	mountsV2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
)

// tree is a file system of these files.
func tree(files map[string]string) fstest.MapFS {
	m := fstest.MapFS{}
	for name, s := range files {
		m[name] = &fstest.MapFile{Data: []byte(s)}
	}
	return m
}

func TestAQuotaIsReadWhereverACgroupPutsIt(t *testing.T) {
	const v1, v2 = "sys/fs/cgroup/cpu,cpuacct", "sys/fs/cgroup"
	for _, c := range []struct {
		name  string
		files map[string]string
		want  Limit // of 4 usable processors
	}{
		{"no cgroups at all", nil, Limit{Whole: 4}},
		{"version 2, a container's own root", map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": mountsV2, v2 + "/cpu.max": "100000 100000\n",
		}, Limit{1, 1}},
		{"version 2, no quota", map[string]string{
			"proc/self/cgroup": "0::/a\n", "proc/self/mountinfo": mountsV2, v2 + "/a/cpu.max": "max 100000\n",
		}, Limit{Whole: 4}},
		{"version 2, one processor and a half", map[string]string{
			"proc/self/cgroup": "0::/a\n", "proc/self/mountinfo": mountsV2, v2 + "/a/cpu.max": "150000 100000\n",
		}, Limit{1, 1.5}},
		{"version 2, half a processor", map[string]string{
			"proc/self/cgroup": "0::/a\n", "proc/self/mountinfo": mountsV2, v2 + "/a/cpu.max": "50000 100000\n",
		}, Limit{1, 0.5}},
		{"version 2, a narrower one above", map[string]string{
			"proc/self/cgroup": "0::/pod/box\n", "proc/self/mountinfo": mountsV2,
			v2 + "/pod/box/cpu.max": "300000 100000\n", v2 + "/pod/cpu.max": "200000 100000\n",
		}, Limit{2, 2}},
		{"version 2, a narrower one below", map[string]string{
			"proc/self/cgroup": "0::/pod/box\n", "proc/self/mountinfo": mountsV2,
			v2 + "/pod/box/cpu.max": "200000 100000\n", v2 + "/pod/cpu.max": "300000 100000\n",
		}, Limit{2, 2}},
		{"version 2, a sibling's", map[string]string{
			"proc/self/cgroup": "0::/a\n", "proc/self/mountinfo": mountsV2, v2 + "/b/cpu.max": "100000 100000\n",
		}, Limit{Whole: 4}},
		{"version 2, more than there are processors", map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": mountsV2, v2 + "/cpu.max": "800000 100000\n",
		}, Limit{Whole: 4}},
		{"version 2, another namespace's path", map[string]string{
			"proc/self/cgroup": "0::/../../x\n", "proc/self/mountinfo": mountsV2, v2 + "/cpu.max": "200000 100000\n",
		}, Limit{2, 2}},
		{"version 1", map[string]string{
			"proc/self/cgroup": "9:name=systemd:/x\n4:cpu,cpuacct:/docker/1\n0::/\n", "proc/self/mountinfo": mountsV1,
			v1 + "/docker/1/cpu.cfs_quota_us": "200000\n", v1 + "/docker/1/cpu.cfs_period_us": "100000\n",
		}, Limit{2, 2}},
		{"version 1, no quota", map[string]string{
			"proc/self/cgroup": "4:cpu,cpuacct:/\n", "proc/self/mountinfo": mountsV1,
			v1 + "/cpu.cfs_quota_us": "-1\n", v1 + "/cpu.cfs_period_us": "100000\n",
		}, Limit{Whole: 4}},
		{"version 1, a container that sees its own part", map[string]string{
			"proc/self/cgroup":       "4:cpu,cpuacct:/docker/1/sub\n",
			"proc/self/mountinfo":    "36 32 0:31 /docker/1 /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n",
			v1 + "/cpu.cfs_quota_us": "100000\n", v1 + "/cpu.cfs_period_us": "100000\n",
			v1 + "/sub/cpu.cfs_quota_us": "-1\n", v1 + "/sub/cpu.cfs_period_us": "100000\n",
		}, Limit{1, 1}},
		{"version 1, the machine's path in a container", map[string]string{
			"proc/self/cgroup":       "4:cpu,cpuacct:/elsewhere\n",
			"proc/self/mountinfo":    "36 32 0:31 /docker/1 /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n",
			v1 + "/cpu.cfs_quota_us": "100000\n", v1 + "/cpu.cfs_period_us": "100000\n",
		}, Limit{1, 1}},
		{"both versions, version 1 with the quota", map[string]string{
			"proc/self/cgroup": "4:cpu,cpuacct:/a\n0::/\n", "proc/self/mountinfo": mountsV1 + "42 32 0:40 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
			v1 + "/a/cpu.cfs_quota_us": "100000\n", v1 + "/a/cpu.cfs_period_us": "100000\n",
		}, Limit{1, 1}},
		{"a place with a blank in its name", map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": `30 23 0:26 / /sys/fs/c\040g rw - cgroup2 cgroup2 rw`,
			"sys/fs/c g/cpu.max": "100000 100000\n",
		}, Limit{1, 1}},
		{"nonsense in each file", map[string]string{
			"proc/self/cgroup": "\x00:::\n0::\nx\n", "proc/self/mountinfo": mountsV2 + " - \n- - -\nx - cgroup2 c rw\n", v2 + "/cpu.max": "many few\n",
		}, Limit{Whole: 4}},
		{"a period of nothing", map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": mountsV2, v2 + "/cpu.max": "100000 0\n",
		}, Limit{Whole: 4}},
		{"a negative quota", map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": mountsV2, v2 + "/cpu.max": "-5 100000\n",
		}, Limit{Whole: 4}},
	} {
		t.Run(c.name, func(t *testing.T) { assert.Equal(t, c.want, limit(tree(c.files), 4, 4)) })
	}
}

func TestWithoutAQuotaEveryUsableProcessorIsUsed(t *testing.T) {
	assert.Equal(t, Limit{Whole: 2}, limit(tree(nil), 2, 8))
	assert.Equal(t, Limit{Whole: 1}, limit(tree(nil), 0, 1), "never none")
	assert.Positive(t, Here().Whole)
}

func FuzzQuota(f *testing.F) {
	f.Add("0::/a\n", mountsV2, "150000 100000\n")
	f.Add("4:cpu,cpuacct:/a\n", mountsV1, "1 1")
	f.Fuzz(func(t *testing.T, cgroup, mounts, max string) {
		l := limit(tree(map[string]string{
			"proc/self/cgroup": cgroup, "proc/self/mountinfo": mounts, "sys/fs/cgroup/a/cpu.max": max, "sys/fs/cgroup/cpu.max": max,
		}), 4, 4)
		if l.Whole < 1 || l.Whole > 4 || l.Quota < 0 || l.Quota >= 4 {
			t.Fatalf("%+v", l)
		}
	})
}
