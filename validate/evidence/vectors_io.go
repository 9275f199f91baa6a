package evidence

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/golden/safetensors"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/internal/text"
)

// Tensor names in vectors.safetensors.
const (
	primaryTensor    = "vectors" // F32 [texts, dim]
	idsTensor        = "ids"     // I32 flat
	offsetsTensor    = "offsets" // I64 [texts+1]: text i's ids are ids[offsets[i]:offsets[i+1]]
	invariancePrefix = "invariance."
	rowsSuffix       = ".rows"    // I64, golden text indices
	vectorsSuffix    = ".vectors" // F32 [rows, dim]
)

// EncodeVectors returns vectors.safetensors' bytes.
func EncodeVectors(v Vectors) ([]byte, error) {
	texts, err := rowsOf("vectors", len(v.Primary), v.Dim)
	if err != nil {
		return nil, err
	}
	var ids []int32
	offsets := []int64{0}
	for i, row := range v.IDs {
		for _, id := range row {
			if id != int64(int32(id)) {
				return nil, fmt.Errorf("token id %d of text %d does not fit 32 bits", id, i)
			}
			ids = append(ids, int32(id))
		}
		offsets = append(offsets, int64(len(ids)))
	}
	tensors := []safetensors.Tensor{
		safetensors.FromF32(primaryTensor, []int{texts, v.Dim}, v.Primary),
		safetensors.FromI32(idsTensor, []int{len(ids)}, ids),
		safetensors.FromI64(offsetsTensor, []int{len(offsets)}, offsets),
	}
	seen := map[string]bool{}
	for _, run := range v.Invariance {
		if !validRunName(run.Name) || seen[run.Name] {
			return nil, fmt.Errorf("invariance run %q: a name of a-z, 0-9 and -, used once, is wanted", run.Name)
		}
		seen[run.Name] = true
		n, err := rowsOf(run.Name, len(run.Vecs), v.Dim)
		if err != nil {
			return nil, err
		}
		rows := make([]int64, len(run.Rows))
		for i, r := range run.Rows {
			rows[i] = int64(r)
		}
		tensors = append(tensors,
			safetensors.FromI64(invariancePrefix+run.Name+rowsSuffix, []int{len(rows)}, rows),
			safetensors.FromF32(invariancePrefix+run.Name+vectorsSuffix, []int{n, v.Dim}, run.Vecs))
	}
	var b bytes.Buffer
	if err := safetensors.Write(&b, tensors, nil); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func rowsOf(name string, values, dim int) (int, error) {
	if values == 0 {
		return 0, nil
	}
	if dim <= 0 || values%dim != 0 {
		return 0, fmt.Errorf("%s: %d values are no rows of %d", name, values, dim)
	}
	return values / dim, nil
}

// DecodeVectors reads vectors.safetensors' bytes. It checks that the tensors
// have the right types and shapes and agree with each other. The gate checks
// whether they fit the golden set.
func DecodeVectors(data []byte) (Vectors, error) {
	f, err := safetensors.Parse(data)
	if err != nil {
		return Vectors{}, err
	}
	if len(f.Meta) > 0 {
		return Vectors{}, badVectors("", "metadata", "none")
	}
	v := Vectors{SHA256: files.HashBytes(data)}
	if v.Primary, v.Dim, err = matrix(f, primaryTensor); err != nil {
		return Vectors{}, err
	}
	if v.IDs, err = decodeIDs(f); err != nil {
		return Vectors{}, err
	}
	if n := len(f.Names()); n > 3+2*MaxInvarianceRuns {
		return Vectors{}, badVectors("", fmt.Sprintf("%d tensors", n), fmt.Sprintf("at most %d", 3+2*MaxInvarianceRuns))
	}
	known := 3
	for _, name := range f.Names() { // in the order of the file, which is sorted below
		run, ok := strings.CutPrefix(name, invariancePrefix)
		if !ok {
			continue
		}
		run, ok = strings.CutSuffix(run, rowsSuffix)
		if !ok {
			continue
		}
		r, err := decodeRun(f, run, v.Dim)
		if err != nil {
			return Vectors{}, err
		}
		v.Invariance = append(v.Invariance, r)
		known += 2
	}
	if n := len(f.Names()); n != known {
		return Vectors{}, badVectors("", fmt.Sprintf("%d tensors", n), fmt.Sprintf("the %d that belong to evidence and no other", known))
	}
	slices.SortFunc(v.Invariance, func(a, b InvarianceRun) int { return strings.Compare(a.Name, b.Name) })
	return v, nil
}

func decodeIDs(f safetensors.File) ([][]int64, error) {
	flat, shape, err := f.I32(idsTensor)
	if err != nil {
		return nil, err
	}
	if len(shape) != 1 {
		return nil, badVectors(idsTensor, fmt.Sprintf("shape %v", shape), "one dimension")
	}
	offsets, shape, err := f.I64(offsetsTensor)
	if err != nil {
		return nil, err
	}
	if len(shape) != 1 || len(offsets) == 0 || offsets[0] != 0 || offsets[len(offsets)-1] != int64(len(flat)) || !slices.IsSorted(offsets) {
		return nil, badVectors(offsetsTensor, fmt.Sprintf("%d offsets", len(offsets)),
			fmt.Sprintf("one rising row from 0 to %d, the number of ids", len(flat)))
	}
	ids := make([][]int64, len(offsets)-1)
	all := make([]int64, len(flat))
	for i, id := range flat {
		all[i] = int64(id)
	}
	for i := range ids {
		ids[i] = all[offsets[i]:offsets[i+1]:offsets[i+1]]
	}
	return ids, nil
}

func decodeRun(f safetensors.File, name string, dim int) (InvarianceRun, error) {
	if !validRunName(name) {
		return InvarianceRun{}, badVectors(text.Clip(name), "an odd name of an invariance run", "a-z, 0-9 and -")
	}
	rows, shape, err := f.I64(invariancePrefix + name + rowsSuffix)
	if err != nil {
		return InvarianceRun{}, err
	}
	if len(shape) != 1 {
		return InvarianceRun{}, badVectors(invariancePrefix+name+rowsSuffix, fmt.Sprintf("shape %v", shape), "one dimension")
	}
	r := InvarianceRun{Name: name, Rows: make([]int, len(rows))}
	for i, n := range rows {
		if n < 0 || n > math.MaxInt32 {
			return InvarianceRun{}, badVectors(invariancePrefix+name+rowsSuffix, fmt.Sprintf("row %d", n), "an index of a golden text")
		}
		r.Rows[i] = int(n)
	}
	var d int
	if r.Vecs, d, err = matrix(f, invariancePrefix+name+vectorsSuffix); err != nil {
		return InvarianceRun{}, err
	}
	if d != dim || len(r.Vecs) != len(r.Rows)*dim {
		return InvarianceRun{}, badVectors(invariancePrefix+name+vectorsSuffix, fmt.Sprintf("%d values in rows of %d", len(r.Vecs), d),
			fmt.Sprintf("%d rows of %d", len(r.Rows), dim))
	}
	return r, nil
}

// matrix reads a float32 tensor of two dimensions and returns its width.
func matrix(f safetensors.File, name string) ([]float32, int, error) {
	v, shape, err := f.F32(name)
	if err != nil {
		return nil, 0, err
	}
	if len(shape) != 2 {
		return nil, 0, badVectors(name, fmt.Sprintf("shape %v", shape[:min(len(shape), 8)]), "two dimensions")
	}
	return v, shape[1], nil
}

func validRunName(s string) bool {
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

func badVectors(tensor, got, wanted string) error {
	thing := ""
	if tensor != "" {
		thing = "tensor " + tensor
	}
	return &fault.Error{Kind: fault.Usage, Thing: thing, Got: got, Wanted: wanted}
}
