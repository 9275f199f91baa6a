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
)

// binding keeps a session's inputs and outputs in the memory where the session
// wants and has them, at addresses that stay: one set of tensors for each
// shape, which a run is bound to. Without it ONNX Runtime makes room on the
// device for each run, and work that a device has captured cannot be repeated,
// since it reads and writes where it once did. It serves one run at a time.
type binding struct {
	api        capi
	session    unsafe.Pointer // ONNX Runtime's
	options    unsafe.Pointer // of the run
	config     *ort.RunOptions
	sig        signature
	dim        int
	memory     []unsafe.Pointer // of each input, then of the output; the session's
	carry      []courier        // likewise: how its bytes get there, or from there
	allocators map[unsafe.Pointer]unsafe.Pointer
	env        unsafe.Pointer
	captures   bool // the device repeats work that it captured, by shape
	graph      int  // number of the last one
	shapes     map[shape]*bound
}

// courier copies n bytes from one of ONNX Runtime's tensors to another, or from
// one address to another.
type courier func(to, from unsafe.Pointer, n int) error

// bound is what runs of one shape use. Tensors are of each input, then of the
// output.
type bound struct {
	io           unsafe.Pointer
	device, host []unsafe.Pointer
	bytes        []int
	of           ort.Value // whose tensors host is
	graph        string
}

// newBinding is for a session that is made; the caller frees what it returns,
// also beside an error.
func newBinding(w wish, o map[string]string, model *ort.DynamicAdvancedSession, config *ort.RunOptions, sig signature, dim int) (*binding, error) {
	b := &binding{
		api: w.api, config: config, sig: sig, dim: dim,
		allocators: map[unsafe.Pointer]unsafe.Pointer{}, captures: captures(w.entry, o), shapes: map[shape]*bound{},
	}
	var err1, err2 error
	b.session, err1 = hidden(model, "s", "ortSession")
	b.options, err2 = hidden(config, "o")
	if err := errors.Join(err1, err2); err != nil {
		return b, err
	}
	in, out, err := b.api.memories(b.session, len(sig.inputs), sig.of)
	if err != nil {
		return b, fmt.Errorf("ask where the session's inputs and outputs are: %w", err)
	}
	b.memory = append(in, out[sig.place])
	var device courier
	for _, m := range b.memory {
		if b.api.onHost(m) {
			b.carry = append(b.carry, b.byAddress(copyHost))
			continue
		}
		if device == nil {
			if device, err = b.courier(w.entry, o, w.library); err != nil {
				return b, err
			}
		}
		b.carry = append(b.carry, device)
	}
	return b, nil
}

// captures tells whether an option asks the device to repeat captured work.
func captures(e providers.Entry, o map[string]string) bool {
	return slices.ContainsFunc(e.Captures, func(name string) bool {
		on, err := strconv.ParseBool(o[name])
		return err == nil && on
	})
}

// courier is the way to and from the provider's own memory.
func (b *binding) courier(e providers.Entry, o map[string]string, lib providers.Library) (courier, error) {
	switch e.Copy {
	case providers.CopyRuntime:
		var err error
		if b.env, err = b.api.environment(); err != nil {
			return nil, fmt.Errorf("find ONNX Runtime's environment: %w", err)
		}
		return func(to, from unsafe.Pointer, _ int) error { return b.api.copyTensor(b.env, to, from) }, nil
	case providers.CopyCUDA:
		return b.byCUDA(e, o["device_id"], lib)
	}
	return nil, &fault.Error{Kind: fault.Usage, Thing: "session option io_binding", Got: e.Name + ", whose memory embedgate has no way to copy to",
		Wanted: "a provider for which the catalogue names one", Next: "leave io_binding out of the policy's providers." + e.Name}
}

// byAddress carries by a function that wants to know where the bytes are.
func (b *binding) byAddress(move courier) courier {
	return func(to, from unsafe.Pointer, n int) error {
		t, err1 := b.api.data(to)
		f, err2 := b.api.data(from)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		return move(t, f, n)
	}
}

func (b *binding) byCUDA(e providers.Entry, id string, lib providers.Library) (courier, error) {
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
	rt, err := openCUDART(lib.Preload[i])
	if err != nil {
		return nil, &fault.Error{Kind: fault.Missing, Thing: filepath.Base(lib.Preload[i]), Got: "a library without what copies to a device", Wanted: "NVIDIA's CUDA runtime", Err: err}
	}
	return b.byAddress(func(to, from unsafe.Pointer, n int) error { return rt.copy(device, to, from, n) }), nil
}

// run copies what t's inputs hold to where the session wants it, runs, and
// copies the answer to t's output.
func (b *binding) run(at shape, t tensors) error {
	x, err := b.boundTo(at, t)
	if err != nil {
		return fmt.Errorf("bind a batch of %d × %d tokens: %w", at.rows, at.cols, err)
	}
	last := len(x.device) - 1
	for i := range last {
		if err := b.carry[i](x.device[i], x.host[i], x.bytes[i]); err != nil {
			return fmt.Errorf("copy %s to the device: %w", b.sig.inputs[i].name, err)
		}
	}
	if b.captures {
		if err := b.config.AddRunConfigEntry("gpu_graph_id", x.graph); err != nil {
			return err
		}
	}
	if err := b.api.runBound(b.session, b.options, x.io); err != nil {
		return err
	}
	if err := b.carry[last](x.host[last], x.device[last], x.bytes[last]); err != nil {
		return fmt.Errorf("copy the answer from the device: %w", err)
	}
	return nil
}

// boundTo finds or makes what runs of one shape use.
func (b *binding) boundTo(at shape, t tensors) (*bound, error) {
	x, ok := b.shapes[at]
	if ok && x.of == t.outputs[0] {
		return x, nil
	}
	if !ok {
		if len(b.shapes) >= maxShapes {
			b.forget()
		}
		var err error
		if x, err = b.make(at); err != nil {
			b.release(x)
			return nil, err
		}
		b.shapes[at] = x
	}
	x.host = x.host[:0]
	for _, v := range slices.Concat(t.inputs, t.outputs) {
		p, err := hidden(v.GetInternals(), "ortValue")
		if err != nil {
			return nil, err
		}
		x.host = append(x.host, p)
	}
	x.of = t.outputs[0]
	return x, nil
}

func (b *binding) make(at shape) (*bound, error) {
	b.graph++ // an address that is given back may be another tensor's later
	x := &bound{graph: strconv.Itoa(b.graph)}
	var err error
	if x.io, err = b.api.ioBinding(b.session); err != nil {
		return x, err
	}
	in := ort.NewShape(int64(at.rows), int64(at.cols))
	for i, input := range b.sig.inputs {
		kind, size := typeInt64, 8
		if input.int32 {
			kind, size = typeInt32, 4
		}
		if err := b.add(x, i, false, input.name, in, kind, size); err != nil {
			return x, err
		}
	}
	return x, b.add(x, len(b.sig.inputs), true, b.sig.output, b.sig.outputShape(at, b.dim), typeFloat32, 4)
}

// add makes a tensor in the i-th memory and binds it.
func (b *binding) add(x *bound, i int, output bool, name string, s ort.Shape, kind elementType, size int) error {
	a, ok := b.allocators[b.memory[i]]
	if !ok {
		var err error
		if a, err = b.api.allocator(b.session, b.memory[i]); err != nil {
			return err
		}
		b.allocators[b.memory[i]] = a
	}
	t, err := b.api.tensor(a, s, kind)
	if err != nil {
		return err
	}
	x.device = append(x.device, t)
	x.bytes = append(x.bytes, int(s.FlattenedSize())*size)
	return b.api.bind(x.io, output, name, t)
}

func (b *binding) release(x *bound) {
	if x.io != nil {
		b.api.freeIOBinding(x.io)
	}
	for _, t := range x.device {
		b.api.freeTensor(t)
	}
}

// forget frees every shape's tensors.
func (b *binding) forget() {
	for _, x := range b.shapes {
		b.release(x)
	}
	clear(b.shapes)
}

// free frees everything; the session must still be there.
func (b *binding) free() {
	if b == nil {
		return
	}
	b.forget()
	for _, a := range b.allocators {
		b.api.freeAllocator(a)
	}
	clear(b.allocators)
	if b.env != nil {
		b.api.freeEnvironment(b.env)
		b.env = nil
	}
}
