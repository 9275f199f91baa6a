package ort

import (
	"context"

	"github.com/embedgate/embedgate/providers"
)

// padding is the reusable memory of one batch of a fixed shape.
type padding struct{ ids, mask []int64 }

// runPadded runs a batch on a graph whose batch or sequence is fixed, in groups
// of as many rows as it takes. The caller holds the lock.
func (s *Session) runPadded(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
	before := len(out)
	step := s.rows
	if step == 0 {
		step = b.Rows
	}
	for from := 0; from < b.Rows; from += step {
		if err := ctx.Err(); err != nil {
			return out[:before], err
		}
		group, real := s.pad.group(b, from, step, s.cols)
		var err error
		if out, err = s.execute(ctx, group, real, out); err != nil {
			return out[:before], err
		}
	}
	return out, nil
}

// group is rows from..from+step of b, padded to cols tokens (0: b's own) and
// to step rows. Padding tokens are masked out. Padding rows repeat the group's
// first one: a row without a real token makes some graphs compute NaN.
func (p *padding) group(b providers.Batch, from, step, cols int) (group providers.Batch, real int) {
	if cols == 0 {
		cols = b.Cols
	}
	if n := step * cols; len(p.ids) < n {
		p.ids, p.mask = make([]int64, n), make([]int64, n)
	}
	real = min(step, b.Rows-from)
	for r := range step {
		row := from
		if r < real {
			row += r
		}
		p.row(r*cols, cols, b.IDs[row*b.Cols:(row+1)*b.Cols], b.Mask[row*b.Cols:(row+1)*b.Cols])
	}
	n := step * cols
	return providers.Batch{Rows: step, Cols: cols, IDs: p.ids[:n], Mask: p.mask[:n]}, real
}

func (p *padding) row(at, cols int, ids, mask []int64) {
	n := copy(p.ids[at:at+cols], ids)
	copy(p.mask[at:at+cols], mask)
	clear(p.ids[at+n : at+cols])
	clear(p.mask[at+n : at+cols])
}
