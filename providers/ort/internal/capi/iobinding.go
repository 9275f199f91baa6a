package capi

/*
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// Places in OrtApi, as in api.go.
enum {
	fn_CreateEnv = 3,
	fn_CreateTensorAsOrtValue = 48,
	fn_GetTensorMutableData = 51,
	fn_ReleaseEnv = 92,
	fn_ReleaseValue = 96,
	fn_CreateAllocator = 131,
	fn_ReleaseAllocator = 132,
	fn_RunWithBinding = 133,
	fn_CreateIoBinding = 134,
	fn_ReleaseIoBinding = 135,
	fn_BindInput = 136,
	fn_BindOutput = 137,
	fn_SynchronizeBoundOutputs = 203,
	fn_MemoryInfoGetDeviceType = 225,
	fn_SessionGetMemoryInfoForInputs = 380,
	fn_SessionGetMemoryInfoForOutputs = 381,
	fn_CopyTensors = 386,
};

static void *eg_env(const void *const *api, void **env) {
	const int fatal = 4;
	return ((void *(*)(int, const char *, void **))api[fn_CreateEnv])(fatal, "embedgate", env);
}

// eg_free calls a function that releases a thing.
static void eg_free(const void *const *api, int fn, void *thing) {
	((void (*)(void *))api[fn])(thing);
}

// eg_memories calls a function that gives the memory of each input or output.
static void *eg_memories(const void *const *api, int fn, const void *session, void **infos, size_t n) {
	return ((void *(*)(const void *, void **, size_t))api[fn])(session, infos, n);
}

static int eg_memory_device(const void *const *api, const void *info) {
	int type = -1;
	((void (*)(const void *, int *))api[fn_MemoryInfoGetDeviceType])(info, &type);
	return type;
}

static void *eg_allocator(const void *const *api, const void *session, const void *info, void **out) {
	return ((void *(*)(const void *, const void *, void **))api[fn_CreateAllocator])(session, info, out);
}

static void *eg_tensor(const void *const *api, void *allocator, const int64_t *shape, size_t n, int type, void **out) {
	return ((void *(*)(void *, const int64_t *, size_t, int, void **))api[fn_CreateTensorAsOrtValue])(allocator, shape, n, type, out);
}

static void *eg_data(const void *const *api, void *value, void **data) {
	return ((void *(*)(void *, void **))api[fn_GetTensorMutableData])(value, data);
}

static void *eg_io_binding(const void *const *api, void *session, void **out) {
	return ((void *(*)(void *, void **))api[fn_CreateIoBinding])(session, out);
}

// eg_bind calls BindInput or BindOutput.
static void *eg_bind(const void *const *api, int fn, void *binding, const char *name, const void *value) {
	return ((void *(*)(void *, const char *, const void *))api[fn])(binding, name, value);
}

static void *eg_run_bound(const void *const *api, void *session, const void *options, void *binding) {
	void *status = ((void *(*)(void *, const void *, const void *))api[fn_RunWithBinding])(session, options, binding);
	if (status) return status;
	return ((void *(*)(void *))api[fn_SynchronizeBoundOutputs])(binding);
}

static void *eg_copy(const void *const *api, const void *env, const void *from, void *to) {
	return ((void *(*)(const void *, const void *const *, void *const *, void *, size_t))api[fn_CopyTensors])(env, &from, &to, NULL, 1);
}
*/
import "C"

import (
	"unsafe"

	ort "github.com/yalue/onnxruntime_go"
)

// ElementType is ONNX's number for a tensor's type.
type ElementType C.int

const (
	TypeFloat32 ElementType = 1
	TypeInt32   ElementType = 6
	TypeInt64   ElementType = 7
)

// deviceCPU is OrtMemoryInfoDeviceType_CPU.
const deviceCPU = 0

// Environment is the process's one environment of ONNX Runtime: making it again
// gives the same one, counted.
func (a API) Environment() (env unsafe.Pointer, err error) {
	err = a.check(C.eg_env(a.table, &env))
	return env, err
}

// Memories says where a session wants its inputs and has its outputs. What is
// returned belongs to the session.
func (a API) Memories(session unsafe.Pointer, inputs, outputs int) (in, out []unsafe.Pointer, err error) {
	in, out = make([]unsafe.Pointer, inputs), make([]unsafe.Pointer, outputs)
	if err = a.check(C.eg_memories(a.table, C.fn_SessionGetMemoryInfoForInputs, session, &in[0], C.size_t(inputs))); err != nil {
		return nil, nil, err
	}
	err = a.check(C.eg_memories(a.table, C.fn_SessionGetMemoryInfoForOutputs, session, &out[0], C.size_t(outputs)))
	return in, out, err
}

// IsOnHost tells whether a kind of memory is the host's own.
func (a API) IsOnHost(memory unsafe.Pointer) bool {
	return C.eg_memory_device(a.table, memory) == deviceCPU
}

func (a API) NewAllocator(session, memory unsafe.Pointer) (p unsafe.Pointer, err error) {
	err = a.check(C.eg_allocator(a.table, session, memory, &p))
	return p, err
}

func (a API) NewTensor(allocator unsafe.Pointer, shape ort.Shape, t ElementType) (p unsafe.Pointer, err error) {
	err = a.check(C.eg_tensor(a.table, allocator, (*C.int64_t)(unsafe.Pointer(&shape[0])), C.size_t(len(shape)), C.int(t), &p))
	return p, err
}

func (a API) Data(tensor unsafe.Pointer) (p unsafe.Pointer, err error) {
	err = a.check(C.eg_data(a.table, tensor, &p))
	return p, err
}

func (a API) NewIOBinding(session unsafe.Pointer) (p unsafe.Pointer, err error) {
	err = a.check(C.eg_io_binding(a.table, session, &p))
	return p, err
}

// Bind names a tensor as an input, or as an output, of every run.
func (a API) Bind(binding unsafe.Pointer, output bool, name string, tensor unsafe.Pointer) error {
	fn := C.int(C.fn_BindInput)
	if output {
		fn = C.fn_BindOutput
	}
	n := append([]byte(name), 0) // copied by the runtime
	return a.check(C.eg_bind(a.table, fn, binding, (*C.char)(unsafe.Pointer(&n[0])), tensor))
}

// RunBound runs a session on what is bound, and waits until the outputs are
// there.
func (a API) RunBound(session, options, binding unsafe.Pointer) error {
	return a.check(C.eg_run_bound(a.table, session, options, binding))
}

func (a API) CopyTensor(env, to, from unsafe.Pointer) error {
	return a.check(C.eg_copy(a.table, env, from, to))
}

func (a API) FreeTensor(p unsafe.Pointer)      { C.eg_free(a.table, C.fn_ReleaseValue, p) }
func (a API) FreeAllocator(p unsafe.Pointer)   { C.eg_free(a.table, C.fn_ReleaseAllocator, p) }
func (a API) FreeIOBinding(p unsafe.Pointer)   { C.eg_free(a.table, C.fn_ReleaseIoBinding, p) }
func (a API) FreeEnvironment(p unsafe.Pointer) { C.eg_free(a.table, C.fn_ReleaseEnv, p) }

// CopyHost copies n bytes within the host's memory.
func CopyHost(to, from unsafe.Pointer, n int) error {
	C.memcpy(to, from, C.size_t(n))
	return nil
}
