// Package waiting lets a caller leave work that takes no context.
package waiting

import "context"

// Until returns what f returns, or ctx's error as soon as ctx ends. What f still
// computes is then lost: f must change nothing that anybody else looks at.
func Until[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type answer struct {
		v   T
		err error
	}
	done := make(chan answer, 1)
	go func() {
		v, err := f()
		done <- answer{v, err}
	}()
	select {
	case a := <-done:
		return a.v, a.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}
