package child

import (
	"context"
	"time"

	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/measure/machine"
	"github.com/embedgate/embedgate/validate/measure/protocol"
)

// textsPerPoint is how many different texts the samples of a point use.
const textsPerPoint = 8

// latency times text to vector at each point: a block of samples a point, with
// as many turns of the calibration loop between them.
func (w *worker) latency(ctx context.Context, l opened) error {
	w.messages.Write(protocol.Message{Stage: string(w.job.Kind)})
	for k, pt := range w.job.Points {
		w.messages.Write(protocol.Message{Message: pt.Label(),
			Done: int64(k), Total: int64(len(w.job.Points)), Unit: "lengths"})
		run, err := w.block(ctx, l, pt)
		if err != nil {
			return err
		}
		w.result.Latency = append(w.result.Latency, run)
		if err := w.save(); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) block(ctx context.Context, l opened, pt evidence.LatencyPoint) (evidence.LatencyRun, error) {
	texts, err := textsOf(l.tok, w.job.Corpus, pt.Tokens, max(textsPerPoint, pt.Batch))
	if err != nil {
		return evidence.LatencyRun{}, err
	}
	// All batches are made before the samples, not between them.
	turns := make([][]string, len(texts))
	for i := range turns {
		for b := range pt.Batch {
			turns[i] = append(turns[i], texts[(i+b)%len(texts)])
		}
	}
	var out []float32
	sample := func(i int) error {
		turn := turns[i%len(turns)]
		if pt.Batch == 1 {
			out, err = l.embed.EmbedOne(ctx, turn[0], out[:0])
		} else {
			_, err = l.embed.Embed(ctx, turn, pt.Batch)
		}
		return protocol.FromSession(err)
	}

	spent := timeSpent{limit: w.job.LimitNS / 4} // a slow provider is warm after one
	for i := 0; i < w.job.Warmup && !spent.over(); i++ {
		t := time.Now()
		if err := sample(i); err != nil {
			return evidence.LatencyRun{}, err
		}
		spent.add(time.Since(t).Nanoseconds())
	}
	run := evidence.LatencyRun{
		Launch: w.job.Launch, LatencyPoint: pt,
		SamplesNS:     make([]int64, 0, w.job.Samples),
		CalibrationNS: make([]int64, 0, w.job.Samples),
	}
	var clock calibration
	calibrate := func() {
		if len(run.CalibrationNS) == len(run.SamplesNS) {
			return // the last samples have their calibration already
		}
		time.Sleep(calibrationPause)
		clock.turn() // wakes the core up
		for len(run.CalibrationNS) < len(run.SamplesNS) {
			run.CalibrationNS = append(run.CalibrationNS, clock.turn())
		}
	}
	before := machine.ReadTicks()
	spent = timeSpent{limit: w.job.LimitNS}
	for i := 0; i < w.job.Samples && !spent.over(); i++ {
		t := time.Now()
		if err := sample(i); err != nil {
			return evidence.LatencyRun{}, err
		}
		run.SamplesNS = append(run.SamplesNS, spent.add(time.Since(t).Nanoseconds()))
		if len(run.SamplesNS)%calibrationInterval == 0 {
			calibrate()
		}
	}
	calibrate()
	run.StealTicks, run.TotalTicks = machine.ReadTicks().Since(before)
	return run, nil
}

// timeSpent is the sum of the samples' times, with the planned limit. A limit of
// 0 is none.
type timeSpent struct{ sum, limit int64 }

// add counts ns and returns it.
func (s *timeSpent) add(ns int64) int64 {
	s.sum += ns
	return ns
}

// over reports whether the limit is reached. Before the first sample it is not,
// so that at least one is taken.
func (s *timeSpent) over() bool { return s.limit > 0 && s.sum >= s.limit }

// calibration is a fixed piece of work for one core: no memory, no runtime, no
// allocation. On a quiet machine each turn takes the same time, whatever model
// is measured.
type calibration struct{ state uint64 }

// calibrationInterval is the number of samples between two calibrations. Each
// calibration has as many turns as there were samples.
const calibrationInterval = 15

// calibrationPause is how long a calibration waits before it begins: a runtime's
// threads spin for up to 16 ms after their last work, and slow the other threads
// of their core by half, which is not noise of the machine. The next sample
// comes after a pause, as most calls in a product do.
const calibrationPause = 25 * time.Millisecond

// calibrationSteps takes about a quarter of a millisecond.
const calibrationSteps = 200_000

// turn does the work once and returns how long it took, in nanoseconds. The
// result is kept, so that no compiler may leave the work out.
func (c *calibration) turn() int64 {
	t := time.Now()
	x := c.state | 1
	for range calibrationSteps {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	c.state = x
	return time.Since(t).Nanoseconds()
}
