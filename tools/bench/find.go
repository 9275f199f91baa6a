package main

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

var benchmarkFunc = regexp.MustCompile(`(?m)^func Benchmark(\w+)\(b \*testing\.B\)`)

// benchmarks finds the repository's benchmarks: name → folder. So a package
// that moves needs no change here.
func benchmarks(root fs.FS) (map[string]string, error) {
	found := map[string]string{}
	err := fs.WalkDir(root, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); name == "testdata" || p != "." && strings.HasPrefix(name, ".") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, "_test.go") {
			return nil
		}
		src, err := fs.ReadFile(root, p)
		if err != nil {
			return err
		}
		for _, m := range benchmarkFunc.FindAllSubmatch(src, -1) {
			found[string(m[1])] = path.Dir(p)
		}
		return nil
	})
	return found, err
}

// packagesOf are the packages that have the benchmarks of the bars.
func packagesOf(bars []bar, found map[string]string) ([]string, error) {
	var packages []string
	for _, b := range bars {
		name, _, _ := strings.Cut(b.benchmark, "/")
		dir, ok := found[name]
		if !ok {
			return nil, fmt.Errorf("got no Benchmark%s in the repository, wanted the benchmark of the bar %q: was it renamed?", name, b.what)
		}
		packages = append(packages, "./"+dir)
	}
	slices.Sort(packages)
	return slices.Compact(packages), nil
}
