package ort

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/ort/internal/capi"
	"github.com/embedgate/embedgate/providers/ort/internal/signature"
)

// binding keeps a session's inputs and outputs in the memory where the session
// wants and has them, at addresses that stay: one set of tensors for each
// shape, which a run is bound to. Without it ONNX Runtime allocates memory on
// the device for each run, and a captured graph cannot be repeated,
// since it reads and writes at fixed addresses. It serves one run at a time.
type binding struct {
	api            capi.API
	session        unsafe.Pointer // ONNX Runtime's
	options        unsafe.Pointer // of the run
	config         *ort.RunOptions
	sig            signature.Signature
	dim            int
	memory         []unsafe.Pointer // of each input, then of the output; the session's
	copiers        []copyFunc       // likewise: copies its bytes to it, or from it
	allocators     map[unsafe.Pointer]unsafe.Pointer
	env            unsafe.Pointer
	capturesGraphs bool // the device repeats a graph that it captured, by shape
	graph          int  // number of the last one
	shapes         map[shape]*boundShape
}

// copyFunc copies n bytes from one of ONNX Runtime's tensors to another, or from
// one address to another.
type copyFunc func(to, from unsafe.Pointer, n int) error

// boundShape is what runs of one shape use. Tensors are of each input, then of the
// output.
type boundShape struct {
	io           unsafe.Pointer
	device, host []unsafe.Pointer
	bytes        []int
	hostTensors  ort.Value // whose tensors host is
	graph        string
}

// newBinding makes the binding of an open session. The caller frees what it
// returns, also when there is an error.
func newBinding(w target, o map[string]string, model *ort.DynamicAdvancedSession, config *ort.RunOptions, sig signature.Signature, dim int) (*binding, error) {
	b := &binding{
		api: w.api, config: config, sig: sig, dim: dim,
		allocators: map[unsafe.Pointer]unsafe.Pointer{}, capturesGraphs: captures(w.entry, o), shapes: map[shape]*boundShape{},
	}
	var err1, err2 error
	b.session, err1 = capi.PrivateHandle(model, "s", "ortSession")
	b.options, err2 = capi.PrivateHandle(config, "o")
	if err := errors.Join(err1, err2); err != nil {
		return b, err
	}
	in, out, err := b.api.Memories(b.session, len(sig.Inputs), sig.OutputCount)
	if err != nil {
		return b, fmt.Errorf("ask where the session's inputs and outputs are: %w", err)
	}
	b.memory = append(in, out[sig.OutputIndex])
	var device copyFunc
	for _, m := range b.memory {
		if b.api.IsOnHost(m) {
			b.copiers = append(b.copiers, b.copierByAddress(capi.CopyHost))
			continue
		}
		if device == nil {
			if device, err = b.deviceCopier(w.entry, o, w.library); err != nil {
				return b, err
			}
		}
		b.copiers = append(b.copiers, device)
	}
	return b, nil
}

// captures reports whether an option asks the device to capture a graph and
// repeat it.
func captures(e providers.Entry, o map[string]string) bool {
	return slices.ContainsFunc(e.Captures, func(name string) bool {
		on, err := strconv.ParseBool(o[name])
		return err == nil && on
	})
}

// deviceCopier copies to and from the provider's own memory.
func (b *binding) deviceCopier(e providers.Entry, o map[string]string, lib providers.Library) (copyFunc, error) {
	switch e.Copy {
	case providers.CopyRuntime:
		var err error
		if b.env, err = b.api.Environment(); err != nil {
			return nil, fmt.Errorf("find ONNX Runtime's environment: %w", err)
		}
		return func(to, from unsafe.Pointer, _ int) error { return b.api.CopyTensor(b.env, to, from) }, nil
	case providers.CopyCUDA:
		return b.cudaCopier(e, o["device_id"], lib)
	}
	return nil, &fault.Error{Kind: fault.Usage, Thing: "session option io_binding", Got: e.Name + ", whose memory embedgate has no way to copy to",
		Wanted: "a provider for which the catalogue names one", Next: "leave io_binding out of the policy's providers." + e.Name}
}

// copierByAddress copies between tensors with a function that takes addresses.
func (b *binding) copierByAddress(copyBytes copyFunc) copyFunc {
	return func(to, from unsafe.Pointer, n int) error {
		t, err1 := b.api.Data(to)
		f, err2 := b.api.Data(from)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		return copyBytes(t, f, n)
	}
}

func (b *binding) cudaCopier(e providers.Entry, id string, lib providers.Library) (copyFunc, error) {
	device := 0
	if id != "" {
		var err error
		if device, err = strconv.Atoi(id); err != nil {
			return nil, &fault.Error{Kind: fault.Usage, Thing: "provider " + e.Name + ", option device_id", Got: id, Wanted: "a number"}
		}
	}
	i := slices.IndexFunc(lib.Preload, func(p string) bool {
		name := filepath.Base(p)
		return strings.HasPrefix(name, "libcudart.so") || strings.HasPrefix(name, "cudart64_")
	})
	if i < 0 {
		return nil, &fault.Error{Kind: fault.Missing, Thing: "provider " + e.Name, Got: "no CUDA runtime among the libraries that are loaded for it",
			Wanted: "libcudart beside " + filepath.Base(lib.Path) + ", to copy to the device", Next: "leave io_binding out, or let embedgate find the library by itself"}
	}
	rt, err := capi.OpenCUDART(lib.Preload[i])
	if err != nil {
		return nil, &fault.Error{Kind: fault.Missing, Thing: filepath.Base(lib.Preload[i]), Got: "a library without the functions that copy to a device", Wanted: "NVIDIA's CUDA runtime", Err: err}
	}
	return b.copierByAddress(func(to, from unsafe.Pointer, n int) error { return rt.Copy(device, to, from, n) }), nil
}

// run copies what t's inputs hold to where the session wants it, runs, and
// copies the result to t's output.
func (b *binding) run(at shape, t tensors) error {
	x, err := b.shapeFor(at, t)
	if err != nil {
		return fmt.Errorf("bind a batch of %d × %d tokens: %w", at.rows, at.cols, err)
	}
	last := len(x.device) - 1
	for i := range last {
		if err := b.copiers[i](x.device[i], x.host[i], x.bytes[i]); err != nil {
			return fmt.Errorf("copy %s to the device: %w", b.sig.Inputs[i].Name, err)
		}
	}
	if b.capturesGraphs {
		if err := b.config.AddRunConfigEntry("gpu_graph_id", x.graph); err != nil {
			return err
		}
	}
	if err := b.api.RunBound(b.session, b.options, x.io); err != nil {
		return err
	}
	if err := b.copiers[last](x.host[last], x.device[last], x.bytes[last]); err != nil {
		return fmt.Errorf("copy the result from the device: %w", err)
	}
	return nil
}

// shapeFor finds or makes what runs of one shape use.
func (b *binding) shapeFor(at shape, t tensors) (*boundShape, error) {
	x, ok := b.shapes[at]
	if ok && x.hostTensors == t.outputs[0] {
		return x, nil
	}
	if !ok {
		if len(b.shapes) >= maxShapes {
			b.freeShapes()
		}
		var err error
		if x, err = b.newShape(at); err != nil {
			b.freeShape(x)
			return nil, err
		}
		b.shapes[at] = x
	}
	x.host = x.host[:0]
	for _, v := range slices.Concat(t.inputs, t.outputs) {
		p, err := capi.PrivateHandle(v.GetInternals(), "ortValue")
		if err != nil {
			return nil, err
		}
		x.host = append(x.host, p)
	}
	x.hostTensors = t.outputs[0]
	return x, nil
}

func (b *binding) newShape(at shape) (*boundShape, error) {
	b.graph++ // a freed address may be another tensor's later
	x := &boundShape{graph: strconv.Itoa(b.graph)}
	var err error
	if x.io, err = b.api.NewIOBinding(b.session); err != nil {
		return x, err
	}
	in := ort.NewShape(int64(at.rows), int64(at.cols))
	for i, input := range b.sig.Inputs {
		kind, size := capi.TypeInt64, 8
		if input.Int32 {
			kind, size = capi.TypeInt32, 4
		}
		if err := b.addTensor(x, i, false, input.Name, in, kind, size); err != nil {
			return x, err
		}
	}
	return x, b.addTensor(x, len(b.sig.Inputs), true, b.sig.Output, b.sig.OutputShape(at.rows, at.cols, b.dim), capi.TypeFloat32, 4)
}

// addTensor makes a tensor in the i-th memory and binds it.
func (b *binding) addTensor(x *boundShape, i int, output bool, name string, s ort.Shape, kind capi.ElementType, size int) error {
	a, ok := b.allocators[b.memory[i]]
	if !ok {
		var err error
		if a, err = b.api.NewAllocator(b.session, b.memory[i]); err != nil {
			return err
		}
		b.allocators[b.memory[i]] = a
	}
	t, err := b.api.NewTensor(a, s, kind)
	if err != nil {
		return err
	}
	x.device = append(x.device, t)
	x.bytes = append(x.bytes, int(s.FlattenedSize())*size)
	return b.api.Bind(x.io, output, name, t)
}

func (b *binding) freeShape(x *boundShape) {
	if x.io != nil {
		b.api.FreeIOBinding(x.io)
	}
	for _, t := range x.device {
		b.api.FreeTensor(t)
	}
}

// freeShapes frees every shape's tensors.
func (b *binding) freeShapes() {
	for _, x := range b.shapes {
		b.freeShape(x)
	}
	clear(b.shapes)
}

// free frees everything; the session must still be open.
func (b *binding) free() {
	if b == nil {
		return
	}
	b.freeShapes()
	for _, a := range b.allocators {
		b.api.FreeAllocator(a)
	}
	clear(b.allocators)
	if b.env != nil {
		b.api.FreeEnvironment(b.env)
		b.env = nil
	}
}
