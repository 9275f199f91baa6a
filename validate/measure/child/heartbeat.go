package child

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/measure/protocol"
)

// heartbeatInterval is the time between two heartbeats of a slow session. A fast
// one ends before the first, so that its parent sleeps and takes no core from
// what is timed.
const heartbeatInterval = 10 * time.Second

// heartbeat is a session that sends its parent a message at intervals, while its
// runs return.
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

// Run is the session's Run, and reads the clock once more.
func (p *heartbeat) Run(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
	out, err := p.Session.Run(ctx, b, out)
	said := p.lastSent.Load()
	if now := int64(time.Since(p.began)); now-said >= int64(heartbeatInterval) && p.lastSent.CompareAndSwap(said, now) {
		p.messages.Write(protocol.Message{})
	}
	return out, err
}
