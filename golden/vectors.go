package golden

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/golden/safetensors"
)

// statePrefix and a text's id are the name of a tensor of layer states.
const statePrefix = "states."

// readVectors reads golden.safetensors, after the texts.
func (s *Set) readVectors() error {
	f, err := safetensors.Parse(s.Files[VectorsName])
	if err != nil {
		return err
	}
	n := len(s.Texts)
	pooled, shape, err := f.F64("pooled")
	if err != nil {
		return err
	}
	if !slices.Equal(shape, []int{n, s.Dim}) {
		return fmt.Errorf("pooled: got shape %v, wanted [%d %d]", shape, n, s.Dim)
	}
	for i, v := range pooled {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("pooled: got %v for text %s, wanted numbers", v, s.Texts[i/s.Dim].ID)
		}
	}
	ids, _, err := f.I32("ids")
	if err != nil {
		return err
	}
	offsets, _, err := f.I64("offsets")
	if err != nil {
		return err
	}
	if len(offsets) != n+1 || offsets[0] != 0 || offsets[n] != int64(len(ids)) {
		return fmt.Errorf("offsets: got %d of them for %d ids, wanted %d from 0 to the ids' count", len(offsets), len(ids), n+1)
	}
	s.Pooled, s.IDs = pooled, make([][]int64, n)
	for i := range n {
		a, b := offsets[i], offsets[i+1]
		if b-a < 2 || b-a > int64(s.MaxTokens) || b > int64(len(ids)) {
			return fmt.Errorf("offsets: got %d tokens for text %s, wanted 2 to %d", b-a, s.Texts[i].ID, s.MaxTokens)
		}
		row := make([]int64, 0, b-a)
		for _, id := range ids[a:b] {
			if id < 0 {
				return fmt.Errorf("ids: got %d in text %s, wanted none below zero", id, s.Texts[i].ID)
			}
			row = append(row, int64(id))
		}
		s.IDs[i] = row
	}
	return s.readStates(f)
}

// readStates reads all other tensors, which must be layer states.
func (s *Set) readStates(f safetensors.File) error {
	at := make(map[string]int, len(s.Texts))
	for i, t := range s.Texts {
		at[t.ID] = i
	}
	for _, name := range f.Names() {
		switch name {
		case "pooled", "ids", "offsets":
			continue
		}
		id, ok := strings.CutPrefix(name, statePrefix)
		i, known := at[id]
		if !ok || !known {
			return fmt.Errorf("got the tensor %.80q, wanted ids, offsets, pooled and states of texts", name)
		}
		v, shape, err := f.F32(name)
		if err != nil {
			return err
		}
		if len(shape) != 3 || shape[0] < 1 || shape[1] != len(s.IDs[i]) || shape[2] != s.Dim {
			return fmt.Errorf("%s: got shape %v, wanted [layers %d %d]", name, shape, len(s.IDs[i]), s.Dim)
		}
		if slices.ContainsFunc(v, func(x float32) bool { return math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) }) {
			return fmt.Errorf("%s: got NaN or Inf, wanted numbers", name)
		}
		s.States = append(s.States, State{Text: i, Layers: shape[0], Values: v})
	}
	slices.SortFunc(s.States, func(a, b State) int { return a.Text - b.Text })
	return nil
}
