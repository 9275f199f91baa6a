package stderr

import (
	"io"

	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/ort/placement"
	"github.com/embedgate/embedgate/validate/measure/protocol"
)

// DevicePlanReader reads the device plan from a child's stderr while the child
// writes it.
type DevicePlanReader struct {
	io.WriteCloser
	done chan struct{}
	ops  []providers.PlannedOp
	err  error
}

func NewDevicePlanReader() *DevicePlanReader {
	r, w := io.Pipe()
	p := &DevicePlanReader{WriteCloser: w, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.ops, p.err = placement.ReadComputePlan(r)
		_, _ = io.Copy(io.Discard, r) // after an error the child must not wait
	}()
	return p
}

// Plan is what was read, once the child has ended.
func (p *DevicePlanReader) Plan() ([]providers.PlannedOp, error) {
	_ = p.Close()
	<-p.done
	return p.ops, p.err
}

// DevicePlanOf is the plan that a job's process writes; nil: none.
func DevicePlanOf(j protocol.Job) *providers.DevicePlan {
	if e, ok := providers.Lookup(j.Provider); ok && j.Kind == protocol.PlacementKind {
		return e.Plan
	}
	return nil
}
