// Package safetensors reads and writes the safetensors format
// (https://github.com/huggingface/safetensors, "Format"). Input is hostile: a
// header's length, offsets and shapes are checked before anything is allocated
// for them. It must not know what the tensors mean.
package safetensors
