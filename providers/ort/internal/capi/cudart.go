package capi

/*
#include <stddef.h>

// eg_cuda_copy is cudaMemcpy, which finds out by itself which side is the
// device's, and then waits for the device: a copy of less than 64 KB to it
// returns before it is there, and ONNX Runtime's stream does not wait for other streams.
static int eg_cuda_copy(void *memcpy_fn, void *synchronize_fn, void *to, const void *from, size_t n) {
	const int by_address = 4;
	int bad = ((int (*)(void *, const void *, size_t, int))memcpy_fn)(to, from, n, by_address);
	return bad ? bad : ((int (*)(void))synchronize_fn)();
}

static int eg_cuda_device(void *set_device_fn, int device) {
	return ((int (*)(int))set_device_fn)(device);
}
*/
import "C"

import (
	"fmt"
	"unsafe"
)

// CUDART is what is used of NVIDIA's CUDA runtime.
type CUDART struct{ memcpy, synchronize, setDevice unsafe.Pointer }

func OpenCUDART(library string) (c CUDART, err error) {
	for _, f := range []struct {
		name string
		to   *unsafe.Pointer
	}{{"cudaMemcpy", &c.memcpy}, {"cudaDeviceSynchronize", &c.synchronize}, {"cudaSetDevice", &c.setDevice}} {
		if *f.to, err = symbol(library, f.name); err != nil {
			return c, err
		}
	}
	return c, nil
}

// Copy copies n bytes to or from the device. The calling thread's device is set
// each time: Go moves its goroutines between threads.
func (c CUDART) Copy(device int, to, from unsafe.Pointer, n int) error {
	if e := C.eg_cuda_device(c.setDevice, C.int(device)); e != 0 {
		return fmt.Errorf("cudaSetDevice(%d): CUDA error %d", device, int(e))
	}
	if e := C.eg_cuda_copy(c.memcpy, c.synchronize, to, from, C.size_t(n)); e != 0 {
		return fmt.Errorf("cudaMemcpy of %d bytes: CUDA error %d", n, int(e))
	}
	return nil
}
