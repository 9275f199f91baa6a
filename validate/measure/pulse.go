package measure

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/embedgate/embedgate/providers"
)

// beat is how often a slow session shows that it lives. A fast one is done
// before, so that its parent sleeps and takes no core from what is timed.
const beat = 10 * time.Second

// pulse is a session that tells its parent, now and then, that runs come back.
type pulse struct {
	providers.Session
	tell  *teller
	began time.Time
	said  atomic.Int64 // nanoseconds after began
}

func newPulse(s providers.Session, t *teller) *pulse {
	p := &pulse{Session: s, tell: t, began: time.Now().Add(-beat)}
	p.said.Store(int64(beat))
	return p
}

// Run is the session's own; the clock is read once more.
func (p *pulse) Run(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
	out, err := p.Session.Run(ctx, b, out)
	said := p.said.Load()
	if now := int64(time.Since(p.began)); now-said >= int64(beat) && p.said.CompareAndSwap(said, now) {
		p.tell.tell(note{})
	}
	return out, err
}
