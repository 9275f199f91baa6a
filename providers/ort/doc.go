// Package ort opens sessions on ONNX Runtime, through onnxruntime_go on a
// shared library whose path is given. It must not know where that library
// comes from, how a model was exported, or how its results are judged.
//
// ONNX Runtime's environment belongs to the process: the first Open loads the
// library, it stays loaded, and a later Open with another library is refused.
// Measure each runtime build in a process of its own.
//
// A session that spins needs the cores for itself: five spinning sessions in one
// process were measured six times slower than one. So a session spins by default
// only while no other one is open, and asking for a second one that spins is an
// error.
//
// internal/environment loads the library, internal/capi calls its C interface,
// internal/signature reads how a model is run, internal/pooling pools token
// vectors, and placement reads the runtime's records. cputest and devicetest
// hold tests alone.
package ort
