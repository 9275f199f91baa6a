package child

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/measure/protocol"
)

const (
	corpusBatch = 32 // the batch size in which padding is counted
	concurrency = 4  // goroutines on one session
	fullSpread  = 32 // texts of a spread where they are many
)

// SpreadTexts returns how many of n texts are run again padded, in other
// positions and concurrently: half of them, at least 8 and at most 32. The gate
// requires 16, or half where there are fewer, so that a slow provider, for which
// the policy has few texts, ends in minutes.
func SpreadTexts(n int) int { return min(fullSpread, max(8, (n+1)/2)) }

// vectors embeds every golden text alone, then again in other batches.
func (w *worker) vectors(ctx context.Context, l opened) error {
	w.messages.Write(protocol.Message{Stage: "vectors"})
	v := &evidence.Vectors{Dim: l.session.Dim()}
	total, reported := int64(len(w.job.Texts)), time.Now()
	for i, text := range w.job.Texts {
		v.IDs = append(v.IDs, l.tok.Append(nil, string(text), l.session.MaxTokens()))
		var err error
		if v.Primary, err = l.embed.EmbedOne(ctx, string(text), v.Primary); err != nil {
			return protocol.FromSession(err)
		}
		if done := int64(i + 1); done%50 == 0 || done == total || time.Since(reported) > heartbeatInterval {
			reported = time.Now()
			w.messages.Write(protocol.Message{Message: "texts one by one", Done: done, Total: total, Unit: "texts"})
		}
	}
	if err := w.saveVectors(*v); err != nil {
		return err
	}

	rows := make([]int, len(w.job.Texts))
	texts := make([]string, len(rows))
	for i, t := range w.job.Texts {
		rows[i], texts[i] = i, string(t)
	}
	r := rerun{l: l, ids: v.IDs, limit: w.job.Spread}
	for _, step := range []struct {
		name string
		run  func(context.Context, []int) ([]int, []float32, error)
	}{
		{"padded", r.padded},
		{"position", r.position},
		{"concurrent", r.concurrent},
	} {
		w.messages.Write(protocol.Message{Message: "texts again: " + step.name})
		rows, vecs, err := step.run(ctx, rows)
		if err != nil {
			return protocol.FromSession(err)
		}
		v.Invariance = append(v.Invariance, evidence.InvarianceRun{Name: step.name, Rows: rows, Vecs: vecs})
	}

	w.messages.Write(protocol.Message{Message: "texts again: batches of 32"})
	vecs, count, err := l.embed.EmbedStats(ctx, texts, corpusBatch)
	if err != nil {
		return protocol.FromSession(err)
	}
	v.Invariance = append(v.Invariance, evidence.InvarianceRun{Name: "batch-32", Rows: rows, Vecs: vecs})
	w.result.Useful, w.result.Computed = count.Useful, count.Computed
	return w.saveVectors(*v)
}

// saveVectors writes the vectors so far to a new directory in the format of
// evidence, then the result that names it.
func (w *worker) saveVectors(v evidence.Vectors) error {
	dir := fmt.Sprintf("vectors-%d", len(v.Invariance))
	if err := evidence.Write(filepath.Join(w.dir, dir), evidence.Evidence{Raw: v}); err != nil {
		return err
	}
	w.result.Vectors = dir
	return w.save()
}

// rerun embeds texts again in other batches, by their ids: only the batch
// changes, and not the tokenizer's work.
type rerun struct {
	l   opened
	ids [][]int64
	// limit is the largest number of texts that are run again padded, in other
	// positions and concurrently; 0: SpreadTexts.
	limit int
}

func (r rerun) spread(n int) int {
	if r.limit > 0 {
		return min(r.limit, SpreadTexts(n))
	}
	return SpreadTexts(n)
}

// batch runs texts of these indices as the rows of one batch, padded to the
// longest.
func (r rerun) batch(ctx context.Context, rows []int, out []float32) ([]float32, error) {
	b := providers.Batch{Rows: len(rows)}
	for _, i := range rows {
		b.Cols = max(b.Cols, len(r.ids[i]))
	}
	pad := r.l.tok.PadID()
	for _, i := range rows {
		b.IDs = append(b.IDs, r.ids[i]...)
		for c := range b.Cols {
			if c < len(r.ids[i]) {
				b.Mask = append(b.Mask, 1)
			} else {
				b.IDs, b.Mask = append(b.IDs, pad), append(b.Mask, 0)
			}
		}
	}
	return r.l.session.Run(ctx, b, out)
}

// padded runs each text in a batch with a longer one, and keeps only the vector
// of the shorter. Every other text is with the next longer one, which pads it by
// little; the rest are with the longest of all, which may pad by hundreds.
func (r rerun) padded(ctx context.Context, all []int) (rows []int, vecs []float32, err error) {
	longest := slices.MaxFunc(all, func(a, b int) int { return cmp.Compare(len(r.ids[a]), len(r.ids[b])) })
	shorter := slices.DeleteFunc(slices.Clone(all), func(i int) bool { return len(r.ids[i]) == len(r.ids[longest]) })
	spread := append(spreadOf(r.ids, shorter, r.spread(len(all))), longest)
	var out []float32
	for k, i := range spread[:len(spread)-1] {
		beside := longest
		if k%2 == 0 {
			next := slices.IndexFunc(spread[k:], func(j int) bool { return len(r.ids[j]) > len(r.ids[i]) })
			beside = spread[k+next] // there is one: the longest, if no other
		}
		if out, err = r.batch(ctx, []int{i, beside}, out[:0]); err != nil {
			return nil, nil, err
		}
		rows, vecs = append(rows, i), append(vecs, out[:r.l.session.Dim()]...)
	}
	return rows, vecs, nil
}

// position runs each text in two positions of a batch of texts of similar
// length: eight of them, or four where texts are few.
func (r rerun) position(ctx context.Context, all []int) (rows []int, vecs []float32, err error) {
	spread := spreadOf(r.ids, all, r.spread(len(all)))
	size := max(4, len(spread)/4)
	if len(spread)%size == 1 {
		size++ // a single text has no other position
	}
	for group := range slices.Chunk(spread, size) {
		turned := make([]int, len(group))
		for p, i := range group {
			turned[(p+(len(group)+1)/2)%len(group)] = i
		}
		for _, order := range [][]int{group, turned} {
			if vecs, err = r.batch(ctx, order, vecs); err != nil {
				return nil, nil, err
			}
			rows = append(rows, order...)
		}
	}
	return rows, vecs, nil
}

// concurrent runs texts from several goroutines on the same session, each in
// another order, so that long and short texts run at the same time. Each
// goroutine runs every text, or half of them where texts are few.
func (r rerun) concurrent(ctx context.Context, all []int) ([]int, []float32, error) {
	spread := spreadOf(r.ids, all, r.spread(len(all)))
	share := spread
	if len(spread) < fullSpread {
		share = spread[:(len(spread)+1)/2]
	}
	rows := make([][]int, concurrency)
	vecs := make([][]float32, concurrency)
	g, ctx := errgroup.WithContext(ctx)
	for c := range concurrency {
		g.Go(func() (err error) {
			for k := range share {
				i := spread[(k+c*len(spread)/concurrency)%len(spread)]
				if vecs[c], err = r.batch(ctx, []int{i}, vecs[c]); err != nil {
					return err
				}
				rows[c] = append(rows[c], i)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	var allRows []int
	var allVecs []float32
	for c := range concurrency {
		allRows, allVecs = append(allRows, rows[c]...), append(allVecs, vecs[c]...)
	}
	return allRows, allVecs, nil
}
