package measure

import (
	"io"

	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/ort/placement"
	"github.com/embedgate/embedgate/validate/measure/protocol"
)

// planReader reads the plan of devices from a child's stderr while the child
// writes it.
type planReader struct {
	io.WriteCloser
	done chan struct{}
	ops  []providers.PlannedOp
	err  error
}

func newPlanReader() *planReader {
	r, w := io.Pipe()
	p := &planReader{WriteCloser: w, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.ops, p.err = placement.ReadComputePlan(r)
		_, _ = io.Copy(io.Discard, r) // after an error the child must not wait
	}()
	return p
}

// plan is what was read, once the child has ended.
func (p *planReader) plan() ([]providers.PlannedOp, error) {
	_ = p.Close()
	<-p.done
	return p.ops, p.err
}

// planOf is the plan that a job's process writes; nil: none.
func planOf(j protocol.Job) *providers.DevicePlan {
	if e, ok := providers.Lookup(j.Provider); ok && j.Kind == protocol.PlacementKind {
		return e.Plan
	}
	return nil
}
