// Package child is the process that measures: it opens one session and makes
// vectors, a placement record or latency samples, as its job says. It writes
// after each step, so that a crash of the runtime does not take what was
// finished. It must not know the policy or judge anything.
package child
