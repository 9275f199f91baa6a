// Package placement reads what a runtime wrote about where a model's nodes ran:
// ONNX Runtime's profile and CoreML's compute plan. It must not know how a
// session is opened, or what a check makes of the record.
package placement
