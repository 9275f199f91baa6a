// Package ort opens sessions on ONNX Runtime, through onnxruntime_go on a
// shared library whose path is given. It must not know where that library
// comes from, how a model was exported, or what is thought of its numbers.
//
// ONNX Runtime's environment belongs to the process: the first Open loads the
// library, it stays loaded, and a later Open with another library is refused.
// Measure each runtime build in a process of its own.
//
// One session that spins owns the cores: five spinning sessions in one process
// were measured six times slower than one. So a session spins by itself only
// while no other one is open, and asking for a second one that spins is an
// error.
package ort
