package ort

import (
	"math"

	"github.com/embedgate/embedgate/export/candidate"
)

// pooler pools and normalises token vectors as sentence-transformers does,
// summing in float64.
type pooler struct {
	how       candidate.Pooling
	normalize bool
	dim       int
	acc       []float64
}

// pool appends rows × dim to out from hidden, rows × cols × dim.
func (p *pooler) pool(out, hidden []float32, mask []int64, rows, cols int) []float32 {
	if p.acc == nil {
		p.acc = make([]float64, p.dim)
	}
	for r := range rows {
		tokens := hidden[r*cols*p.dim : (r+1)*cols*p.dim]
		p.row(tokens, mask[r*cols:(r+1)*cols])
		if p.normalize {
			normalize(p.acc)
		}
		for _, x := range p.acc {
			out = append(out, float32(x))
		}
	}
	return out
}

func (p *pooler) row(tokens []float32, mask []int64) {
	start := 0.0
	if p.how == candidate.PoolMax {
		// sentence-transformers writes -1e9 over padding and takes the
		// maximum, so a row of nothing but padding is -1e9 and not -Inf.
		start = -1e9
	}
	for i := range p.acc {
		p.acc[i] = start
	}
	n := 0.0
	for t, m := range mask {
		if p.how == candidate.PoolCLS {
			// The first token, whatever its mask: padding is on the right.
			for i, x := range tokens[:p.dim] {
				p.acc[i] = float64(x)
			}
			return
		}
		if m == 0 {
			continue
		}
		n++
		v := tokens[t*p.dim : (t+1)*p.dim]
		if p.how == candidate.PoolMax {
			for i, x := range v {
				p.acc[i] = larger(p.acc[i], float64(x))
			}
		} else {
			for i, x := range v {
				p.acc[i] += float64(x)
			}
		}
	}
	if p.how == candidate.PoolMean {
		n = max(n, 1e-9) // torch.clamp(min=1e-9)
		for i := range p.acc {
			p.acc[i] /= n
		}
	}
}

// larger is torch.max of two: NaN wins.
func larger(a, b float64) float64 {
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
