package bundle

import (
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"fmt"
	"strings"
)

// platformOf returns the platform of a program or library, which its header
// names, in Go's form: "linux/amd64".
func platformOf(file string) (string, error) {
	if f, err := elf.Open(file); err == nil {
		defer func() { _ = f.Close() }() // read only
		arch := map[elf.Machine]string{elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64"}[f.Machine]
		return named("linux", arch, f.Machine)
	}
	if f, err := macho.Open(file); err == nil {
		defer func() { _ = f.Close() }() // read only
		arch := map[macho.Cpu]string{macho.CpuAmd64: "amd64", macho.CpuArm64: "arm64"}[f.Cpu]
		return named("darwin", arch, f.Cpu)
	}
	if f, err := macho.OpenFat(file); err == nil {
		defer func() { _ = f.Close() }() // read only
		return "darwin/*", nil
	}
	if f, err := pe.Open(file); err == nil {
		defer func() { _ = f.Close() }() // read only
		arch := map[uint16]string{pe.IMAGE_FILE_MACHINE_AMD64: "amd64", pe.IMAGE_FILE_MACHINE_ARM64: "arm64"}[f.Machine]
		return named("windows", arch, f.Machine)
	}
	return "", fmt.Errorf("%s: got no ELF, Mach-O or PE file, wanted a program or library", file)
}

func named(os, arch string, machine any) (string, error) {
	if arch == "" {
		return "", fmt.Errorf("got a file for %s on %v, wanted amd64 or arm64", os, machine)
	}
	return os + "/" + arch, nil
}

// runsOn reports whether a library of platform lib loads on platform p.
func runsOn(lib, p string) bool {
	return lib == p || (lib == "darwin/*" && strings.HasPrefix(p, "darwin/"))
}
