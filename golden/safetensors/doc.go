// Package safetensors reads and writes the safetensors format
// (https://github.com/huggingface/safetensors, "Format"). Input is hostile: a
// header's length, offsets and shapes are checked before anything is allocated
// for them. It must not know what the tensors mean, nor where the bytes come
// from.
//
// A file is eight bytes of header length (little-endian), a JSON header, and
// the tensors' bytes back to back in little-endian order. The reader is
// stricter than the format where leniency could hide something: the byte
// buffer must be covered exactly, without holes or overlaps, no key may appear
// twice, and a data type that is not in the table is refused.
package safetensors
