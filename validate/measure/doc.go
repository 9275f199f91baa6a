// Package measure runs one provider × variant and writes evidence of it: token
// ids, vectors, where nodes ran, every latency sample, cold starts, memory. It
// never judges: it reads the policy's plan and none of its thresholds.
//
// Everything that touches a runtime happens in child processes, one after
// another and never two at once: one that makes the vectors, one that records
// the placement, one for each latency launch, then pairs of this provider and
// the one that it is compared with. A crash inside a runtime is therefore a
// line in the evidence and not the end of the program, each launch is a cold
// start, and each provider may load its own build of its runtime.
package measure
