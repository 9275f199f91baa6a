// Package pooling makes one vector of a text's token vectors, as
// sentence-transformers does. It must not know the runtime that computed them.
package pooling

import (
	"math"

	"github.com/embedgate/embedgate/export/candidate"
)

// Pooler pools and normalises token vectors as sentence-transformers does,
// summing in float64.
type Pooler struct {
	Mode      candidate.Pooling
	Normalize bool
	Dim       int
	acc       []float64
}

// Append appends rows × dim to out from hidden, rows × cols × dim.
func (p *Pooler) Append(out, hidden []float32, mask []int64, rows, cols int) []float32 {
	if p.acc == nil {
		p.acc = make([]float64, p.Dim)
	}
	for r := range rows {
		tokens := hidden[r*cols*p.Dim : (r+1)*cols*p.Dim]
		p.row(tokens, mask[r*cols:(r+1)*cols])
		if p.Normalize {
			normalize(p.acc)
		}
		for _, x := range p.acc {
			out = append(out, float32(x))
		}
	}
	return out
}

func (p *Pooler) row(tokens []float32, mask []int64) {
	start := 0.0
	if p.Mode == candidate.PoolMax {
		// sentence-transformers writes -1e9 over padding and takes the
		// maximum, so a row of nothing but padding is -1e9 and not -Inf.
		start = -1e9
	}
	for i := range p.acc {
		p.acc[i] = start
	}
	n := 0.0
	for t, m := range mask {
		if p.Mode == candidate.PoolCLS {
			// The first token, whatever its mask: padding is on the right.
			for i, x := range tokens[:p.Dim] {
				p.acc[i] = float64(x)
			}
			return
		}
		if m == 0 {
			continue
		}
		n++
		v := tokens[t*p.Dim : (t+1)*p.Dim]
		if p.Mode == candidate.PoolMax {
			for i, x := range v {
				p.acc[i] = maxNaN(p.acc[i], float64(x))
			}
		} else {
			for i, x := range v {
				p.acc[i] += float64(x)
			}
		}
	}
	if p.Mode == candidate.PoolMean {
		n = max(n, 1e-9) // torch.clamp(min=1e-9)
		for i := range p.acc {
			p.acc[i] /= n
		}
	}
}

// maxNaN is torch.max of two: NaN wins.
func maxNaN(a, b float64) float64 {
	if a > b || math.IsNaN(a) {
		return a
	}
	return b
}

// normalize is torch.nn.functional.normalize(p=2): v / max(‖v‖, 1e-12).
func normalize(v []float64) {
	sum := 0.0
	for _, x := range v {
		sum += x * x
	}
	n := max(math.Sqrt(sum), 1e-12)
	for i := range v {
		v[i] /= n
	}
}
