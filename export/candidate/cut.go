package candidate

import (
	"encoding/json"
	"maps"
)

// Encode is the bytes of candidate.json.
func (m Manifest) Encode() ([]byte, error) {
	b, err := json.MarshalIndent(m, "", "  ")
	return append(b, '\n'), err
}

// Cut is the manifest of a candidate that has these variants of m and no other:
// the files of the others are left out, and nothing else changes.
func (m Manifest) Cut(keep func(variant string) bool) Manifest {
	m.Variants, m.Files = maps.Clone(m.Variants), maps.Clone(m.Files)
	kept := map[string]bool{}
	for n, v := range m.Variants {
		kept[v.File] = kept[v.File] || keep(n)
	}
	for n, v := range m.Variants {
		if !keep(n) {
			delete(m.Variants, n)
		}
		if !kept[v.File] {
			delete(m.Files, v.File)
		}
	}
	return m
}
