package ort

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/providers/ort/internal/modeltest"
)

func TestARunThatCannotBeInterruptedIsDetached(t *testing.T) {
	s := mustOpen(t, config(t, modeltest.Lookup().Write(t), modeltest.Embedding(candidate.PoolMean, false)))
	hold := make(chan struct{})
	ctx, cancel := context.WithCancel(background)
	time.AfterFunc(5*time.Millisecond, cancel)
	<-s.lock
	stopped, detached, err := s.stopper.runDetached(ctx, func() error { <-hold; return nil })
	assert.True(t, stopped)
	assert.ErrorIs(t, err, context.Canceled)
	require.NotNil(t, detached)
	s.detached = detached
	s.unlock()

	short, stop := context.WithTimeout(background, 20*time.Millisecond)
	defer stop()
	_, err = s.Run(short, padded, nil)
	assert.ErrorIs(t, err, context.DeadlineExceeded, "a later run queues behind it")
	close(hold)
	_, err = s.Run(background, padded, nil)
	assert.NoError(t, err, "and is not stopped by what stopped it")

	stopped, detached, err = s.stopper.runDetached(background, func() error { return errors.New("broken") })
	assert.False(t, stopped)
	assert.Nil(t, detached)
	assert.ErrorContains(t, err, "broken")
}
