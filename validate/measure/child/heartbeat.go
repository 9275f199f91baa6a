package child

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/measure/protocol"
)

// heartbeatInterval is how often a slow session shows that it lives. A fast one is done
// before, so that its parent sleeps and takes no core from what is timed.
const heartbeatInterval = 10 * time.Second

// heartbeat is a session that tells its parent, now and then, that runs come back.
type heartbeat struct {
	providers.Session
	messages *protocol.MessageWriter
	began    time.Time
	lastSent atomic.Int64 // nanoseconds after began
}

func newHeartbeat(s providers.Session, t *protocol.MessageWriter) *heartbeat {
	p := &heartbeat{Session: s, messages: t, began: time.Now().Add(-heartbeatInterval)}
	p.lastSent.Store(int64(heartbeatInterval))
	return p
}

// Run is the session's own; the clock is read once more.
func (p *heartbeat) Run(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
	out, err := p.Session.Run(ctx, b, out)
	said := p.lastSent.Load()
	if now := int64(time.Since(p.began)); now-said >= int64(heartbeatInterval) && p.lastSent.CompareAndSwap(said, now) {
		p.messages.Write(protocol.Message{})
	}
	return out, err
}
