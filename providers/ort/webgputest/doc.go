// Package webgputest holds the tests of sessions on WebGPU. They are a package
// of their own because a process loads one build of ONNX Runtime, and
// providers/ort's tests load the CPU's. It has no code.
package webgputest
