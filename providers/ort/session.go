package ort

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/cores"
	"github.com/embedgate/embedgate/providers/ort/internal/capi"
	"github.com/embedgate/embedgate/providers/ort/internal/environment"
	"github.com/embedgate/embedgate/providers/ort/internal/pooling"
	"github.com/embedgate/embedgate/providers/ort/internal/signature"
)

// Config says what to open.
type Config struct {
	Library   providers.Library   // ONNX Runtime's library and what goes with it
	Model     string              // path of the .onnx file
	Provider  string              // name in the catalogue; empty: cpu
	Options   providers.Options   // zero: the provider's measured best
	Embedding candidate.Embedding // what the model's configuration says
}

// Session is one model on one provider of ONNX Runtime. ONNX Runtime is given
// one batch at a time and spreads it over its threads; calls queue.
type Session struct {
	// lock holds one token: who takes it out owns everything below. It is a
	// channel and not a mutex, because a queued call must end with its context.
	lock   chan struct{}
	closed bool

	api     capi.API
	model   *ort.DynamicAdvancedSession
	stopper *stopper
	bufs    *buffers
	binding *binding // nil: the runtime copies what it needs where it needs it
	pool    pooling.Pooler
	spun    bool

	pooled bool
	rows   int // the batch size that the graph is fixed to; 0: any
	cols   int // likewise the sequence length
	pad    padding
	// remote: a device computes, whose work cannot be interrupted.
	remote     bool
	detached   <-chan struct{} // closed when a detached run has ended
	vocabulary int64           // ids are below it; 0: the runtime checks them itself
	executed   int             // how often the runtime was asked to execute the graph
	dim        int
	maxTokens  int
	info       providers.Info
}

var _ providers.Session = (*Session)(nil)

// Open loads the library, unless this process has it already, and the model.
// A file that is no model, or a model whose inputs this package does not know,
// is a fault.Usage; a missing library or provider is a fault.Missing. The
// context is checked between the steps: loading itself cannot be interrupted.
// With Options.Strict, a model of which the provider leaves a node to the CPU
// is a fault.Refused.
//
// A graph with a fixed batch and sequence gets padded input: rows in groups of
// its batch, each as long as its sequence, which then bounds MaxTokens.
func Open(ctx context.Context, c Config) (*Session, error) { return open(ctx, c, "") }

// open is Open; with a profile's path prefix, the session records where its
// nodes ran.
func open(ctx context.Context, c Config, profile string) (*Session, error) {
	entry, err := entryFor(c.Provider)
	if err != nil {
		return nil, err
	}
	if err := checkEmbedding(c.Embedding); err != nil {
		return nil, err
	}
	thing := filepath.Base(c.Model)
	if err := checkFile(c.Model, thing); err != nil {
		return nil, err
	}
	opts, err := withDefaults(c.Options, entry)
	if err != nil {
		return nil, err
	}
	lib, err := environment.Load(c.Library)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	devices, err := environment.Devices(entry, c.Library.Plugin, opts.Provider)
	if err != nil {
		return nil, err
	}
	sig, err := readSignature(c.Model, thing, c.Embedding)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	vocabulary := int64(0)
	if entry.Attach != providers.AttachNone {
		if vocabulary, err = signature.Vocabulary(c.Model, thing); err != nil {
			return nil, err
		}
	}
	spin, err := environment.AcquireCores(opts.Spinning, opts.Threads, cores.Here().Quota)
	if err != nil {
		return nil, err
	}
	opts.Spinning = &spin
	available := lib.Available
	if entry.Attach == providers.AttachPlugin {
		available = append(slices.Clip(available), entry.EP)
	}
	s := &Session{
		lock: make(chan struct{}, 1),
		api:  lib.API,
		bufs: newBuffers(sig, c.Embedding.Dimension),
		pool: pooling.Pooler{Mode: c.Embedding.Pooling, Normalize: c.Embedding.Normalize, Dim: c.Embedding.Dimension},
		spun: spin, pooled: sig.Pooled, dim: c.Embedding.Dimension, maxTokens: c.Embedding.MaxTokens,
		rows: sig.Rows, cols: sig.Cols,
		remote: entry.Attach != providers.AttachNone, vocabulary: vocabulary,
		info: providers.Info{
			Provider: entry.Name, Runtime: string(entry.Runtime), RuntimeVersion: lib.Version,
			Library: filepath.Base(lib.Path), LibrarySHA256: lib.SHA256,
			Options: opts, Available: available, Device: environment.CompleteDevice(c.Library.Device, devices),
		},
	}
	if s.cols > 0 {
		s.maxTokens = min(s.maxTokens, s.cols)
	}
	if err := s.start(ctx, c.Model, thing, target{entry: entry, devices: devices, profile: profile, library: c.Library, api: lib.API}, sig); err != nil {
		_ = s.Close() // the error that matters is err
		return nil, err
	}
	return s, nil
}

// start makes what lives in ONNX Runtime, so that Close can free what there is.
func (s *Session) start(ctx context.Context, path, thing string, w target, sig signature.Signature) error {
	s.lock <- struct{}{}
	so, err := sessionOptions(w, s.info.Options)
	if err != nil {
		return err
	}
	defer so.Destroy()
	var inputs []string
	for _, in := range sig.Inputs {
		inputs = append(inputs, in.Name)
	}
	s.model, err = ort.NewDynamicAdvancedSession(path, inputs, []string{sig.Output}, so)
	if err != nil {
		return badSession(thing, w.entry, s.info.Options.Strict, err)
	}
	s.stopper, err = newStopper()
	if err != nil {
		return err
	}
	if s.info.Options.IOBinding {
		s.binding, err = newBinding(w, s.info.Options.Provider, s.model, s.stopper.options, sig, s.dim)
		if err != nil {
			return err
		}
	}
	if sig.DimensionKnown {
		return nil
	}
	// The file does not say the output's dimension: a run of a few tokens does.
	n := min(2, s.maxTokens)
	if _, err := s.Run(ctx, providers.Batch{Rows: 1, Cols: n, IDs: []int64{0, 0}[:n], Mask: []int64{1, 1}[:n]}, nil); err != nil {
		return &fault.Error{Kind: fault.Usage, Thing: thing, Got: "output " + sig.Output + " of another shape",
			Wanted: fmt.Sprintf("vectors of dimension %d, as the model's configuration says", s.dim), Err: err}
	}
	return nil
}

func entryFor(name string) (providers.Entry, error) {
	if name == "" {
		name = providers.Catalogue[0].Name
	}
	e, ok := providers.Lookup(name)
	if !ok {
		return e, &fault.Error{Kind: fault.Usage, Thing: "provider", Got: name, Wanted: providers.KnownNames()}
	}
	if reason, remedy, ok := e.Available(); !ok {
		return e, &fault.Error{Kind: fault.Missing, Thing: "provider " + name, Got: reason, Next: remedy}
	}
	if e.Runtime != providers.ONNXRuntime {
		return e, fmt.Errorf("provider %s: runs on %s, not on ONNX Runtime", name, e.Runtime)
	}
	return e, nil
}

// maxDimension and maxMaxTokens bound what a configuration can make this
// package allocate; the largest published encoders have 8,192 of each.
const (
	maxDimension = 1 << 16
	maxMaxTokens = 1 << 20
)

func checkEmbedding(e candidate.Embedding) error {
	bad := func(field, got, wanted string) error {
		return &fault.Error{Kind: fault.Usage, Thing: "embedding configuration, " + field, Got: got, Wanted: wanted}
	}
	switch e.Pooling {
	case candidate.PoolMean, candidate.PoolCLS, candidate.PoolMax:
	default:
		return bad("pooling", fmt.Sprintf("%q", e.Pooling), "mean, cls or max")
	}
	if e.Dimension < 1 || e.Dimension > maxDimension {
		return bad("dimension", fmt.Sprint(e.Dimension), fmt.Sprintf("1 to %d", maxDimension))
	}
	if e.MaxTokens < 1 || e.MaxTokens > maxMaxTokens {
		return bad("max_tokens", fmt.Sprint(e.MaxTokens), fmt.Sprintf("1 to %d", maxMaxTokens))
	}
	return nil
}

func checkFile(path, thing string) error {
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &fault.Error{Kind: fault.Usage, Thing: thing, Got: "no such file", Wanted: "an ONNX model", Err: err}
	case err != nil:
		return &fault.Error{Kind: fault.Usage, Thing: thing, Wanted: "an ONNX model", Err: err}
	case !st.Mode().IsRegular():
		return &fault.Error{Kind: fault.Usage, Thing: thing, Got: "not a regular file", Wanted: "an ONNX model"}
	case st.Size() == 0:
		return &fault.Error{Kind: fault.Usage, Thing: thing, Got: "an empty file", Wanted: "an ONNX model"}
	}
	return nil
}

func badModel(thing string, err error) error {
	return &fault.Error{Kind: fault.Usage, Thing: thing, Got: "a file that ONNX Runtime does not load",
		Wanted: "a whole, valid ONNX model", Next: "check its digest, or export it again", Err: err}
}

// badSession says why a model that the CPU has read opens no session.
func badSession(thing string, e providers.Entry, strict bool, err error) error {
	switch {
	case strict && strings.Contains(err.Error(), "disable_cpu_ep_fallback"),
		strict && strings.Contains(err.Error(), "fallback to CPU EP has been explicitly disabled"):
		return &fault.Error{Kind: fault.Refused, Thing: "provider " + e.Name + " on " + thing,
			Got: "nodes that it leaves to the CPU", Wanted: "every node on " + e.EP + ", as strict asks",
			Next: "leave strict out to record which nodes they are", Err: err}
	case strings.Contains(err.Error(), "graph capture feature"):
		return &fault.Error{Kind: fault.Usage, Thing: "provider " + e.Name + " on " + thing,
			Got: "nodes that it leaves to another provider", Wanted: "every node on " + e.EP + ", so that its work can be captured",
			Next: "use a variant with fixed shapes, or leave out " + strings.Join(e.Captures, ", "), Err: err}
	case e.Attach != providers.AttachNone:
		return &fault.Error{Kind: fault.Missing, Thing: "provider " + e.Name,
			Got: "no session for " + thing + ", which the CPU reads", Wanted: e.Needs, Next: e.Remedy, Err: err}
	}
	return badModel(thing, err)
}

// readSignature loads the model once without optimising it: onnxruntime_go
// tells inputs and outputs of a file, not of a session, and needs their names
// to make one.
func readSignature(path, thing string, e candidate.Embedding) (signature.Signature, error) {
	cpu := providers.Entry{Name: "signature"}
	so, err := sessionOptions(target{entry: cpu}, providers.Options{Threads: 1})
	if err != nil {
		return signature.Signature{}, err
	}
	defer so.Destroy()
	if err := so.SetGraphOptimizationLevel(ort.GraphOptimizationLevelDisableAll); err != nil {
		return signature.Signature{}, fmt.Errorf("set session options: %w", err)
	}
	if err := so.AddSessionConfigEntry("session.disable_prepacking", "1"); err != nil {
		return signature.Signature{}, fmt.Errorf("set session options: %w", err)
	}
	ins, outs, err := ort.GetInputOutputInfoWithOptions(path, so)
	if err != nil {
		return signature.Signature{}, badModel(thing, err)
	}
	return signature.Of(thing, ins, outs, e)
}

// Dim is the length of one vector.
func (s *Session) Dim() int { return s.dim }

// MaxTokens is the longest row the model takes.
func (s *Session) MaxTokens() int { return s.maxTokens }

// Info says what was opened.
func (s *Session) Info() providers.Info {
	i := s.info
	spin := *i.Options.Spinning
	i.Options.Spinning = &spin
	i.Options.DisabledOptimizers = append([]string{}, i.Options.DisabledOptimizers...)
	i.Available = append([]string{}, i.Available...)
	return i
}

// Close waits for the batch that runs, then frees everything. Batches that
// still queue get providers.ErrClosed.
func (s *Session) Close() error {
	<-s.lock
	defer func() { s.lock <- struct{}{} }()
	if s.closed {
		return nil
	}
	s.closed = true
	s.binding.free()
	s.binding = nil
	s.bufs.freeTensors()
	s.bufs = nil
	var err error
	if s.stopper != nil {
		err = s.stopper.free()
	}
	if s.model != nil {
		err = errors.Join(err, s.model.Destroy())
	}
	environment.ReleaseCores(s.spun)
	if err != nil {
		return fmt.Errorf("close session: %w", err)
	}
	return nil
}
