package child

import (
	"context"
	"fmt"

	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/measure/protocol"
)

// recordedRuns is how many runs of each length a record adds up. One run shows
// where each node ran; with two the shares of time vary less. More would cost a
// slow provider minutes.
const recordedRuns = 2

// placement runs one text of each length in a session that records where nodes
// ran.
func (w *worker) placement(ctx context.Context, l loaded) error {
	r, err := l.opener.Record(ctx, l.entry, w.job)
	if err != nil {
		return protocol.FromSession(err)
	}
	defer r.Close() // after Finish nothing is left to close
	w.result.Session = r.Info()
	if err := w.hashModel(); err != nil {
		return err
	}
	w.messages.Write(protocol.Message{Stage: "placement"})
	for k, pt := range w.job.Points {
		w.messages.Write(protocol.Message{Message: "where its nodes run, " + pt.Label(),
			Done: int64(k), Total: int64(len(w.job.Points)), Unit: "lengths"})
		texts, err := textsOf(l.tok, w.job.Corpus, pt.Tokens, 1)
		if err != nil {
			return err
		}
		b := providers.Batch{Rows: 1, IDs: l.tok.Append(nil, texts[0], pt.Tokens)}
		b.Cols = len(b.IDs)
		for range b.IDs {
			b.Mask = append(b.Mask, 1)
		}
		if err := r.Run(ctx, b, recordedRuns); err != nil {
			return protocol.FromSession(err)
		}
	}
	records, err := r.Finish()
	if err != nil {
		return protocol.FromSession(err)
	}
	if len(records) != len(w.job.Points) {
		return fmt.Errorf("placement: %d records of %d lengths", len(records), len(w.job.Points))
	}
	for k, pt := range w.job.Points {
		w.result.Placement = append(w.result.Placement, evidence.PlacementRun{Tokens: pt.Tokens, Placement: records[k]})
	}
	return nil
}
