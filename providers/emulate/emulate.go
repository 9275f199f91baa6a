// Package emulate says how a program runs on a processor that this machine does
// not have: under QEMU's user emulation, on Linux. It must not know what the program
// does, nor policies, evidence or terminals.
package emulate

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/providers"
)

// Way is how a program runs on a processor. Its zero value runs it as it is.
type Way struct {
	Emulator string // "qemu-x86_64"; empty: nothing is emulated
	Version  string
	Model    string   // of the processor, as the emulator names it
	Env      []string // "NAME=value" that the program's process needs

	prefix  []string // what comes before the program on its command line
	cpuinfo string   // content that its /proc/cpuinfo must have; empty: the machine's
	unshare []string // how a mount of its own is made for that
}

// runWithCPUInfo gives a process of its own mount namespace another /proc/cpuinfo.
const runWithCPUInfo = `mount --bind "$1" /proc/cpuinfo && shift && exec "$@"`

// Command is the command line of a program and its arguments. It may write to
// dir, a folder that outlives the process.
func (w Way) Command(dir string, argv []string) ([]string, error) {
	argv = slices.Concat(w.prefix, argv)
	if w.cpuinfo == "" {
		return argv, nil
	}
	file := filepath.Join(dir, "cpuinfo")
	if err := os.WriteFile(file, []byte(w.cpuinfo), 0o644); err != nil {
		return nil, err
	}
	return slices.Concat(w.unshare, []string{"sh", "-c", runWithCPUInfo, "sh", file}, argv), nil
}

// Find looks for what a processor's programs need on this machine. What it
// lacks is a fault.Missing that says what to do.
func Find(ctx context.Context, c providers.CPU) (Way, error) { return thisMachine().find(ctx, c) }

// machine is what this package asks of the computer. Tests replace it by programs
// and folders of their own.
type machine struct {
	platform providers.Platform
	root     string // before every path of the operating system's; "" outside tests
	lookPath func(program string) (string, error)
	output   func(ctx context.Context, argv ...string) (string, error)
}

func thisMachine() machine {
	return machine{
		platform: providers.Platform{OS: runtime.GOOS, Arch: runtime.GOARCH},
		lookPath: exec.LookPath,
		output: func(ctx context.Context, argv ...string) (string, error) {
			b, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
			return string(b), err
		},
	}
}

// crossLibraries is what programs of another architecture need besides QEMU.
type crossLibraries struct {
	qemu     string   // QEMU's name of the architecture
	prefix   string   // where Debian's cross packages put its C libraries
	files    []string // below prefix, that must be there
	packages string
}

var architectures = map[string]crossLibraries{
	"amd64": {
		qemu: "x86_64", prefix: "/usr/x86_64-linux-gnu", files: []string{"lib/ld-linux-x86-64.so.2", "lib/libc.so.6", "lib/libstdc++.so.6"},
		packages: "libc6-amd64-cross libstdc++6-amd64-cross",
	},
	"arm64": {
		qemu: "aarch64", prefix: "/usr/aarch64-linux-gnu", files: []string{"lib/ld-linux-aarch64.so.1", "lib/libc.so.6", "lib/libstdc++.so.6"},
		packages: "libc6-arm64-cross libstdc++6-arm64-cross",
	},
}

func missing(c providers.CPU, got, wanted, next string) error {
	return &fault.Error{Kind: fault.Missing, Thing: "processor " + c.Name, Got: got, Wanted: wanted, Next: next}
}

func (m machine) find(ctx context.Context, c providers.CPU) (Way, error) {
	if c.Native && c.Arch == m.platform.Arch {
		return Way{}, nil
	}
	arch, ok := architectures[c.Arch]
	if m.platform.OS != "linux" || !ok {
		return Way{}, missing(c, "a machine of "+m.platform.String(), "Linux, for QEMU's user emulation",
			"measure it on a Linux machine and gate its evidence here")
	}
	w, err := m.qemu(ctx, c, arch)
	if err != nil || c.Arch == m.platform.Arch {
		return w, err
	}
	for _, f := range arch.files {
		if _, err := os.Stat(m.root + arch.prefix + "/" + f); err != nil {
			return Way{}, missing(c, "no "+arch.prefix+"/"+f, "the C and C++ libraries of "+c.Arch, "Debian, Ubuntu: apt-get install "+arch.packages)
		}
	}
	w.Env = []string{"QEMU_LD_PREFIX=" + arch.prefix}
	if c.Arch == "arm64" {
		// ONNX Runtime's cpuinfo crashes where /proc/cpuinfo is another
		// architecture's, and QEMU shows the machine's own.
		w.cpuinfo = armCPUInfo(runtime.NumCPU())
		if w.unshare, err = m.mounts(ctx, c); err != nil {
			return Way{}, err
		}
	}
	return w, nil
}

// qemu finds the emulator, and proves that it has the processor.
func (m machine) qemu(ctx context.Context, c providers.CPU, a crossLibraries) (Way, error) {
	name := "qemu-" + a.qemu
	static, errStatic := m.lookPath(name + "-static")
	plain, errPlain := m.lookPath(name)
	if errStatic != nil && errPlain != nil {
		return Way{}, missing(c, "neither "+name+"-static nor "+name+" on the PATH", "QEMU's user emulation of "+a.qemu,
			"Debian, Ubuntu: apt-get install qemu-user-static")
	}
	program := cmp.Or(static, plain)
	version, err := m.output(ctx, program, "--version")
	models, _ := m.output(ctx, program, "-cpu", "help") // which ends with 1
	if ctx.Err() != nil {
		return Way{}, ctx.Err()
	}
	if err != nil {
		return Way{}, missing(c, program+", which does not run", "QEMU's user emulation of "+a.qemu, "install it again")
	}
	w := Way{Emulator: name, Version: versionOf(version), Model: c.Model, prefix: []string{program, "-cpu", c.Model}}
	if !slices.Contains(strings.Fields(models), c.Model) {
		return Way{}, missing(c, fmt.Sprintf("%s %s without the processor %s", name, w.Version, c.Model), "QEMU 7.0 or later", "install a newer qemu-user-static")
	}
	return w, nil
}

// versionOf reads "qemu-x86_64 version 7.2.22 (Debian 1:7.2+dfsg-7)".
func versionOf(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	if _, v, ok := strings.Cut(line, " version "); ok {
		return strings.TrimSpace(v)
	}
	return strings.TrimSpace(line)
}

// mounts finds how this process may have a mount of its own: as root, or as
// root of a user namespace of its own.
func (m machine) mounts(ctx context.Context, c providers.CPU) ([]string, error) {
	program, err := m.lookPath("unshare")
	if err != nil {
		return nil, missing(c, "no unshare on the PATH", "a mount namespace, since ONNX Runtime must not read this machine's /proc/cpuinfo", "Debian, Ubuntu: apt-get install util-linux")
	}
	dir, err := os.MkdirTemp("", "embedgate-mount-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	var said string
	for _, way := range []string{"-m", "-rm"} {
		try := Way{cpuinfo: armCPUInfo(1), unshare: []string{program, way}}
		argv, err := try.Command(dir, []string{"true"})
		if err != nil {
			return nil, err
		}
		out, err := m.output(ctx, argv...)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err == nil {
			return try.unshare, nil
		}
		said = strings.TrimSpace(out)
	}
	line, _, _ := strings.Cut(said, "\n")
	return nil, missing(c, "no right to mount ("+line+")", "a mount namespace, since ONNX Runtime must not read this machine's /proc/cpuinfo",
		"run as root, in a container with --cap-add SYS_ADMIN and without its seccomp profile, or where users may make namespaces (sysctl kernel.unprivileged_userns_clone=1)")
}

// armCPUInfo is /proc/cpuinfo of n Neoverse N1 cores, as Linux writes it.
func armCPUInfo(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "processor\t: %d\nBogoMIPS\t: 50.00\n"+
			"Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp\n"+
			"CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x3\nCPU part\t: 0xd0c\nCPU revision\t: 1\n\n", i)
	}
	return b.String()
}
