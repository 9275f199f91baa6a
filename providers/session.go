package providers

import (
	"context"
	"errors"
)

// Batch is token ids ready for a model: Rows × Cols, row-major, right-padded.
// Mask is 1 for a real token and 0 for padding. The callee keeps neither slice.
type Batch struct {
	Rows, Cols int
	IDs, Mask  []int64
}

// Session is one loaded model on one provider. It may be used from several
// goroutines at once; calls are queued where the runtime is not concurrent.
type Session interface {
	// Run appends Rows × Dim float32 to out, pooled and normalised as the
	// model's configuration says, and returns the extended slice. Rows == 0
	// appends nothing. After ctx is cancelled it returns ctx.Err() soon and
	// the session stays usable. Out-of-range ids, Cols over MaxTokens and a
	// wrong slice length are errors, not crashes.
	Run(ctx context.Context, b Batch, out []float32) ([]float32, error)
	// Dim is the length of one vector.
	Dim() int
	// MaxTokens is the longest row the model takes.
	MaxTokens() int
	// Info says what was really opened, for the evidence.
	Info() Info
	// Close frees everything. A second Close does nothing; Run after Close
	// returns ErrClosed.
	Close() error
}

// ErrClosed is returned by a session that was closed.
var ErrClosed = errors.New("session is closed")

// Options is what a session was asked for. Its zero value means the
// provider's measured best.
type Options struct {
	Threads            int               `json:"threads"`             // intra-op threads; 0: one for each core this process may use, of a quota the whole ones
	Spinning           *bool             `json:"spinning,omitempty"`  // nil: spin when Threads > 1, no other session is open and no CPU quota applies
	DisabledOptimizers []string          `json:"disabled_optimizers"` // nil: the catalogue's; empty, non-nil: none
	Provider           map[string]string `json:"provider,omitempty"`  // the provider's own options, passed through
	Strict             bool              `json:"strict,omitempty"`    // opening fails where a node would fall back to the CPU
	// IOBinding keeps inputs and outputs in the device's memory, one set of
	// tensors for each shape, so that their addresses stay. What a device
	// captures to repeat it (CUDA graphs) needs that.
	IOBinding bool `json:"io_binding,omitempty"`
}

// Info is what was opened. Who opens a session records it and does not judge it.
type Info struct {
	Provider       string   `json:"provider"`
	Runtime        string   `json:"runtime"` // "onnxruntime"
	RuntimeVersion string   `json:"runtime_version"`
	Library        string   `json:"library"`        // base name of the shared library
	LibrarySHA256  string   `json:"library_sha256"` // of its bytes
	Options        Options  `json:"options"`        // as used, defaults filled in
	Available      []string `json:"available"`      // providers the library was built with
	Device         Device   `json:"device"`         // what it computes on
}
