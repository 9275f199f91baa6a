//go:build !windows

package capi

/*
#cgo linux LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdlib.h>
*/
import "C"

import (
	"errors"
	"runtime"
	"unsafe"
)

// Preload loads a library for the whole process, so that one that is loaded
// later finds its symbols. It stays loaded.
func Preload(path string) error {
	_, err := dlopen(path, C.RTLD_NOW|C.RTLD_GLOBAL)
	return err
}

// symbol is the address of a function in a library, which is loaded already.
func symbol(path, name string) (unsafe.Pointer, error) {
	handle, err := dlopen(path, C.RTLD_LAZY)
	if err != nil {
		return nil, err
	}
	runtime.LockOSThread() // dlerror is the thread's own
	defer runtime.UnlockOSThread()
	n := C.CString(name)
	defer C.free(unsafe.Pointer(n))
	p := C.dlsym(handle, n)
	if p == nil {
		return nil, errors.New(C.GoString(C.dlerror()))
	}
	return p, nil
}

func dlopen(path string, flags C.int) (unsafe.Pointer, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p := C.CString(path)
	defer C.free(unsafe.Pointer(p))
	handle := C.dlopen(p, flags)
	if handle == nil {
		return nil, errors.New(C.GoString(C.dlerror()))
	}
	return handle, nil
}
