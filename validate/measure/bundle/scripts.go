package bundle

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// libraryVar is the variable that names a provider's library to embedgate.
func libraryVar(provider string) string { return "EMBEDGATE_" + strings.ToUpper(provider) + "_LIB" }

// script returns the script that a user runs on the other machine. The policy's
// reader or Options.check has checked every name in it: letters, digits and ._-
// need no quoting in either shell.
func (m Manifest) script() (name string, text []byte) {
	if strings.HasPrefix(m.Platform, "windows/") {
		return windowsScript, []byte(strings.ReplaceAll(m.cmd(), "\n", "\r\n"))
	}
	return shellScript, []byte(m.sh())
}

func (m Manifest) sh() string {
	var b strings.Builder
	fmt.Fprintf(&b, `#!/bin/sh
# Measures %s on this machine, without network, Go or Python. The evidence is
# then in the folder evidence, beside this file: bring it back and judge it.
set -eu
cd "$(dirname "$0")"
here=$PWD
`, m.Provider)
	search := "LD_LIBRARY_PATH"
	if strings.HasPrefix(m.Platform, "darwin/") {
		search = "DYLD_LIBRARY_PATH"
	}
	// The runtime's own libraries open others by name alone.
	fmt.Fprintf(&b, "export %s=\"$here/%s/%s${%s:+:$%s}\"\n", search, LibraryDir, m.Provider, search, search)
	for _, p := range slices.Sorted(maps.Keys(m.Libraries)) {
		fmt.Fprintf(&b, "export %s=\"$here/%s\"\n", libraryVar(p), m.Libraries[p])
	}
	fmt.Fprintf(&b, "export EMBEDGATE_ORT_LIB=\"$here/%s\" XDG_CACHE_HOME=\"$here/cache\"\n", m.Libraries[m.Provider])
	for _, v := range m.Variants {
		fmt.Fprintf(&b, "\"$here/embedgate\" %s\n", strings.Join(m.command(v, "/"), " "))
	}
	b.WriteString("echo \"bring back $here/evidence\" >&2\n")
	return b.String()
}

func (m Manifest) cmd() string {
	var b strings.Builder
	fmt.Fprintf(&b, `@echo off
rem Measures %s on this machine, without network, Go or Python. The evidence is
rem then in the folder evidence, beside this file: bring it back and judge it.
setlocal
cd /d "%%~dp0"
set "here=%%CD%%"
set "PATH=%%here%%\%s\%s;%%PATH%%"
`, m.Provider, LibraryDir, m.Provider)
	for _, p := range slices.Sorted(maps.Keys(m.Libraries)) {
		fmt.Fprintf(&b, "set \"%s=%%here%%\\%s\"\n", libraryVar(p), backslash(m.Libraries[p]))
	}
	fmt.Fprintf(&b, "set \"EMBEDGATE_ORT_LIB=%%here%%\\%s\"\nset \"XDG_CACHE_HOME=%%here%%\\cache\"\n", backslash(m.Libraries[m.Provider]))
	for _, v := range m.Variants {
		fmt.Fprintf(&b, "\"%%here%%\\embedgate.exe\" %s || exit /b\n", strings.Join(m.command(v, `\`), " "))
	}
	b.WriteString("echo bring back %here%\\evidence 1>&2\n")
	return b.String()
}

func backslash(p string) string { return strings.ReplaceAll(p, "/", `\`) }

// command returns the arguments that measure one variant.
func (m Manifest) command(variant, sep string) []string {
	args := []string{
		"measure", "--policy", strings.ReplaceAll(PolicyName, "/", sep), "--candidate", CandidateDir,
		"--provider", m.Provider, "--variant", variant, "--out", "evidence" + sep + m.Provider + "-" + variant,
	}
	if m.Nonce != "" {
		args = append(args, "--nonce", m.Nonce)
	}
	return args
}
