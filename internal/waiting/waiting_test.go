package waiting_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/internal/waiting"
)

func TestWorkThatDoesNotEndIsLeft(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	never := make(chan struct{})
	defer close(never)
	_, err := waiting.Until(ctx, func() (int, error) { <-never; return 1, nil })
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestTheAnswerAndItsErrorAreReturned(t *testing.T) {
	bad := errors.New("bad")
	v, err := waiting.Until(t.Context(), func() (int, error) { return 7, bad })
	require.Equal(t, 7, v)
	require.Equal(t, bad, err)
}
