package saturation

import "github.com/embedgate/embedgate/export/onnxfile"

// sumsKey is one way to look at a tensor, which several products may share.
type sumsKey struct {
	tensor            *onnxfile.Initializer
	swapped, anyOrder bool
}

// columnSums are the pair sums of a tensor's columns.
type columnSums struct {
	columns, over, largest int
	err                    string // why they are not known
}

func (s *columnSums) column(largest int) {
	s.columns++
	if largest > PairLimit {
		s.over++
	}
	s.largest = max(s.largest, largest)
}

// sumColumns reads the weights: matrices of K × N, or of N × K where swapped.
// anyOrder takes the first axis for the columns and any two of a column's
// weights for a pair.
func sumColumns(t *onnxfile.Initializer, file []byte, swapped, anyOrder bool) (s columnSums) {
	b, why := t.Values8(file)
	if why != "" {
		return columnSums{err: why}
	}
	k, n, matrices := 1, 1, 1
	for i, d := range t.Dims { // Check has compared them with the bytes
		switch {
		case anyOrder && i == 0, !anyOrder && i > 0 && i == len(t.Dims)-1:
			n = int(d)
		case anyOrder, i == max(len(t.Dims)-2, 0):
			k *= int(d)
		default:
			matrices *= int(d)
		}
	}
	switch {
	case len(b) == 0:
	case swapped && len(t.Dims) != 2:
		return columnSums{err: "its weights are transposed and no matrix"}
	case anyOrder:
		for i := range n {
			s.column(worstPair(b[i*k : (i+1)*k]))
		}
	case swapped:
		for i := range k { // the file's rows are the product's columns
			s.column(pairs(b[i*n : (i+1)*n]))
		}
	default:
		for i := range matrices {
			s.byRows(b[i*k*n:(i+1)*k*n], n)
		}
	}
	return s
}

// pairSum is the larger of what two weights, as signed bytes, add up to in
// either direction.
func pairSum(a, b byte) int {
	x, y := int(int8(a)), int(int8(b))
	return max(max(x, 0)+max(y, 0), max(-x, 0)+max(-y, 0))
}

// pairs is the largest pair sum of a column.
func pairs(column []byte) (largest int) {
	for ; len(column) > 1; column = column[2:] {
		largest = max(largest, pairSum(column[0], column[1]))
	}
	if len(column) == 1 {
		largest = max(largest, pairSum(column[0], 0))
	}
	return largest
}

// byRows is pairs for each of n columns whose weights lie n apart.
func (s *columnSums) byRows(b []byte, n int) {
	largest := make([]uint16, n)
	zero := make([]byte, n)
	for len(b) > 0 {
		first, second := b[:n], zero
		b = b[n:]
		if len(b) > 0 {
			second, b = b[:n], b[n:]
		}
		for i, x := range first {
			if p := uint16(pairSum(x, second[i])); p > largest[i] {
				largest[i] = p
			}
		}
	}
	for _, p := range largest {
		s.column(int(p))
	}
}

// worstPair is the largest sum of any two weights.
func worstPair(column []byte) int {
	var up, down [2]int // the two largest in each direction
	for _, x := range column {
		v := int(int8(x))
		switch {
		case v > up[0]:
			up[0], up[1] = v, up[0]
		case v > up[1]:
			up[1] = v
		case -v > down[0]:
			down[0], down[1] = -v, down[0]
		case -v > down[1]:
			down[1] = -v
		}
	}
	return max(up[0]+up[1], down[0]+down[1])
}
