package child

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/measure/machine"
	"github.com/embedgate/embedgate/validate/measure/protocol"
)

// Run does the job whose file is named in args, and writes the result beside
// it. It is the body of the hidden command that measure.Options.Executable
// names; users do not call it. It ends early, with ctx's error, when the parent
// that holds its stdin is gone.
func Run(ctx context.Context, args []string) error {
	return RunWith(ctx, args, os.Stdin, os.Stdout, Openers())
}

// RunWith is Run with other streams and runtimes, for tests.
func RunWith(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer, with map[providers.Runtime]Opener) error {
	if len(args) != 1 {
		return &fault.Error{Kind: fault.Usage, Thing: "measure-child", Got: fmt.Sprintf("%d arguments", len(args)),
			Wanted: "a job file", Next: "use embedgate measure: it starts its children itself"}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		_, _ = io.Copy(io.Discard, stdin)
		cancel(errOrphan)
	}()
	w := &worker{messages: &protocol.MessageWriter{W: stdout}, dir: filepath.Dir(args[0])}
	err := protocol.ReadJSON(args[0], &w.job)
	if err == nil {
		err = w.work(ctx, with)
	}
	if err != nil {
		if werr := protocol.WriteJSON(filepath.Join(w.dir, protocol.ErrorName), protocol.NewChildError(err)); werr != nil {
			err = errors.Join(err, werr)
		}
	}
	return err
}

var errOrphan = errors.New("the measuring parent is gone")

// worker does one job.
type worker struct {
	job      protocol.Job
	dir      string
	messages *protocol.MessageWriter
	result   protocol.ChildResult
}

func (w *worker) work(ctx context.Context, with map[providers.Runtime]Opener) error {
	w.messages.Write(protocol.Message{Stage: "load"})
	w.result.Machine = machine.Facts()
	if err := w.save(); err != nil {
		return err
	}
	l, err := load(w.job, with)
	if err != nil {
		return err
	}
	switch w.job.Kind {
	case protocol.PlacementKind:
		err = w.placement(ctx, l)
	case protocol.VectorsKind, protocol.LatencyKind, protocol.PairKind:
		err = w.embed(ctx, l)
	default:
		err = fmt.Errorf("measure-child: unknown job %q", w.job.Kind)
	}
	if err != nil {
		return err
	}
	w.result.Complete = true
	return w.save()
}

// embed opens a session, times its first vector, and then makes vectors or
// latency samples, as the job says.
func (w *worker) embed(ctx context.Context, l loaded) (err error) {
	began := time.Now()
	s, err := l.opener.Session(ctx, l.entry, w.job)
	if err != nil {
		return protocol.FromSession(err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	o := opened{tok: l.tok, session: newHeartbeat(s, w.messages)}
	o.embed = providers.NewEmbedder(o.tok, o.session)
	w.result.LoadNS = l.took.Nanoseconds() + time.Since(began).Nanoseconds()
	w.result.Session = s.Info()

	began = time.Now()
	if _, err := o.embed.EmbedOne(ctx, string(w.job.Texts[0]), nil); err != nil {
		return protocol.FromSession(err)
	}
	w.result.FirstNS = time.Since(began).Nanoseconds()
	w.messages.Write(protocol.Message{First: true})
	// After the first vector, since the time until then is measured.
	if err := w.hashModel(); err != nil {
		return err
	}
	if w.job.Kind == protocol.VectorsKind {
		return w.vectors(ctx, o)
	}
	return w.latency(ctx, o)
}

// hashModel records the sha256 of the model file. The child that opened the file
// does this, so that the evidence says what really ran.
func (w *worker) hashModel() error {
	id, err := files.HashFile(w.job.Model)
	if err != nil {
		return err
	}
	w.result.Model = id.SHA256
	return nil
}

// save writes the result so far.
func (w *worker) save() error {
	w.result.PeakRSS = machine.PeakRSS()
	return protocol.WriteJSON(filepath.Join(w.dir, protocol.ResultName), w.result)
}
