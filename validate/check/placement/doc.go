// Package placement proves from the runtime's own record on which provider and
// device a model ran. It must not know about vectors or latency.
package placement
