package capi

import (
	"syscall"
	"unsafe"
)

// Preload loads a library for the whole process, so that one that is loaded
// later finds it by name. It stays loaded.
func Preload(path string) error {
	_, err := syscall.LoadLibrary(path)
	return err
}

// symbol is the address of a function in a library, which is loaded already.
func symbol(path, name string) (unsafe.Pointer, error) {
	handle, err := syscall.LoadLibrary(path)
	if err != nil {
		return nil, err
	}
	p, err := syscall.GetProcAddress(handle, name)
	if err != nil {
		return nil, err
	}
	return *(*unsafe.Pointer)(unsafe.Pointer(&p)), nil // an address of code, which does not move
}
