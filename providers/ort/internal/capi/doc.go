// Package capi calls the functions of ONNX Runtime's C interface for which
// onnxruntime_go has no wrapper, and those of NVIDIA's CUDA runtime that copy to
// a device. It finds them in a library that is loaded already, by their place in
// a table that only grows at its end.
//
// Pointers of C stay in this package and in the binding of a session's inputs
// and outputs. It must not know what a session, a policy or a model is for.
package capi
