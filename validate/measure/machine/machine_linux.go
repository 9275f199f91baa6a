package machine

import (
	"bufio"
	"bytes"
	"os"
	"strconv"
	"strings"
)

// hardware reads the processor's name, the memory that this process may have,
// in bytes, and the kernel's release. What cannot be read is empty.
func hardware() (cpu string, memory int64, kernel string) {
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	memory = kilobytes("/proc/meminfo", "MemTotal")
	if limit, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		if n, err := strconv.ParseInt(strings.TrimSpace(string(limit)), 10, 64); err == nil && n > 0 {
			memory = min(memory, n)
		}
	}
	cpu = field("/proc/cpuinfo", "model name")
	if cpu == "" { // arm64 has part numbers only
		if part := field("/proc/cpuinfo", "CPU part"); part != "" {
			cpu = "implementer " + field("/proc/cpuinfo", "CPU implementer") + " part " + part
		}
	}
	return cpu, memory, strings.TrimSpace(string(release))
}

// PeakRSS is the largest resident set of this process, in bytes. getrusage
// would also count what the parent had before the exec.
func PeakRSS() int64 { return kilobytes("/proc/self/status", "VmHWM") }

// ReadTicks reads what all cores did since boot.
func ReadTicks() ticks {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return ticks{}
	}
	return parseTicks(b)
}

// parseTicks reads /proc/stat's first line: cpu user nice system idle iowait
// irq softirq steal …; what follows is counted in user and nice already.
func parseTicks(b []byte) ticks {
	line, _, _ := bytes.Cut(b, []byte("\n"))
	f := strings.Fields(string(line))
	if len(f) < 9 || f[0] != "cpu" {
		return ticks{}
	}
	t := ticks{ok: true}
	for i, s := range f[1:9] {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return ticks{}
		}
		t.total += n
		if i == 7 {
			t.steal = n
		}
	}
	return t
}

// kilobytes reads a field of the form "name:  123 kB", in bytes.
func kilobytes(file, name string) int64 {
	n, _, _ := strings.Cut(field(file, name), " ")
	kb, err := strconv.ParseInt(n, 10, 64)
	if err != nil {
		return 0
	}
	return kb << 10
}

// field reads the first "name: value" of a file in /proc.
func field(file, name string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		if k, v, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
