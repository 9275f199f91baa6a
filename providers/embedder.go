package providers

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
)

// DefaultBatch is how many texts share a batch by default.
const DefaultBatch = 32

// Tokenizer turns text into token ids. It must be safe for concurrent use.
type Tokenizer interface {
	// Append appends text's ids, special tokens included and at most limit of
	// them, and returns the extended slice.
	Append(ids []int64, text string, limit int) []int64
	// PadID is the id that fills a row after its last real token.
	PadID() int64
}

// Embedder makes vectors of texts with one Session. It batches texts of similar
// length, so that little padding is computed. It is safe for concurrent use and does not own the Session.
type Embedder struct {
	tok     Tokenizer
	session Session
	scratch sync.Pool // of *row
}

// row is the reusable memory of one text.
type row struct{ ids, mask []int64 }

// NewEmbedder joins a tokenizer and a session of the same model.
func NewEmbedder(tok Tokenizer, s Session) *Embedder {
	return &Embedder{tok: tok, session: s, scratch: sync.Pool{New: func() any { return new(row) }}}
}

// EmbedOne appends the Dim float32 of one text to out. It runs the text alone
// and unpadded, and allocates nothing of its own after the first calls.
func (e *Embedder) EmbedOne(ctx context.Context, text string, out []float32) ([]float32, error) {
	r := e.scratch.Get().(*row)
	defer e.scratch.Put(r)
	r.ids = e.tok.Append(r.ids[:0], text, e.session.MaxTokens())
	for len(r.mask) < len(r.ids) {
		r.mask = append(r.mask, 1)
	}
	return e.session.Run(ctx, Batch{Rows: 1, Cols: len(r.ids), IDs: r.ids, Mask: r.mask[:len(r.ids)]}, out)
}

// Embed returns len(texts) × Dim float32, row-major, in the order of texts.
// Texts are sorted by length and cut into batches of at most batch texts (0 or
// less: DefaultBatch), each padded to its own longest text only.
func (e *Embedder) Embed(ctx context.Context, texts []string, batch int) ([]float32, error) {
	vectors, _, err := e.EmbedStats(ctx, texts, batch)
	return vectors, err
}

// EmbedStats is Embed and the count of what was computed.
func (e *Embedder) EmbedStats(ctx context.Context, texts []string, batch int) ([]float32, Stats, error) {
	c := e.tokenize(texts)
	dim := e.session.Dim()
	out := make([]float32, len(texts)*dim)
	var st Stats
	var ids, mask []int64
	var vecs []float32
	for _, b := range cut(c.order, c.length, batch) {
		cols := c.length(b[0])
		ids, mask = c.pad(ids[:0], mask[:0], b, cols, e.tok.PadID())
		var err error
		vecs, err = e.session.Run(ctx, Batch{Rows: len(b), Cols: cols, IDs: ids, Mask: mask}, vecs[:0])
		if err != nil {
			return nil, Stats{}, fmt.Errorf("embed %d texts of up to %d tokens: %w", len(b), cols, err)
		}
		for i, text := range b {
			copy(out[text*dim:(text+1)*dim], vecs[i*dim:(i+1)*dim])
		}
		st.add(b, cols, c.length)
	}
	return out, st, nil
}

// corpus is tokenized texts: text i is ids[start[i]:start[i+1]].
type corpus struct {
	ids   []int64
	start []int
	order []int // text indices, longest first, ties in the texts' order
}

func (e *Embedder) tokenize(texts []string) corpus {
	c := corpus{start: make([]int, 1, len(texts)+1), order: make([]int, len(texts))}
	limit := e.session.MaxTokens()
	for i, text := range texts {
		c.ids = e.tok.Append(c.ids, text, limit)
		c.start = append(c.start, len(c.ids))
		c.order[i] = i
	}
	// Longest first: the largest buffers are made once, and a batch that is
	// too large for the machine fails at the start and not at the end.
	slices.SortStableFunc(c.order, func(a, b int) int { return cmp.Compare(c.length(b), c.length(a)) })
	return c
}

func (c corpus) length(text int) int { return c.start[text+1] - c.start[text] }

func (c corpus) pad(ids, mask []int64, batch []int, cols int, pad int64) ([]int64, []int64) {
	for _, text := range batch {
		n := c.length(text)
		ids = append(ids, c.ids[c.start[text]:c.start[text+1]]...)
		for i := range cols {
			if i < n {
				mask = append(mask, 1)
			} else {
				ids, mask = append(ids, pad), append(mask, 0)
			}
		}
	}
	return ids, mask
}
