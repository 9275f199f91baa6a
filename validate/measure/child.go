package measure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/providers"
)

// Child does the one job whose file is named in args, and writes what it found
// beside it. It is the body of the hidden command that Options.Executable
// names; people do not call it. It ends early, with ctx's error, when the
// parent that holds its stdin is gone.
func Child(ctx context.Context, args []string) error {
	return child(ctx, args, os.Stdin, os.Stdout, openers())
}

// child is Child with its surroundings named.
func child(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer, with map[providers.Runtime]opener) error {
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
	w := &worker{tell: &teller{w: stdout}, dir: filepath.Dir(args[0])}
	err := readJSON(args[0], &w.job)
	if err == nil {
		err = w.work(ctx, with)
	}
	if err != nil {
		if werr := writeJSON(filepath.Join(w.dir, errorName), lastWordsOf(err)); werr != nil {
			err = errors.Join(err, werr)
		}
	}
	return err
}

var errOrphan = errors.New("the measuring parent is gone")

// worker is a child at work.
type worker struct {
	job  job
	dir  string
	tell *teller
	part part
}

func (w *worker) work(ctx context.Context, with map[providers.Runtime]opener) error {
	w.tell.tell(note{Stage: "load"})
	w.part.Machine = machineFacts()
	if err := w.save(); err != nil {
		return err
	}
	l, err := load(w.job, with)
	if err != nil {
		return err
	}
	switch w.job.Kind {
	case placementKind:
		err = w.placement(ctx, l)
	case vectorsKind, latencyKind, pairKind:
		err = w.embed(ctx, l)
	default:
		err = fmt.Errorf("measure-child: unknown job %q", w.job.Kind)
	}
	if err != nil {
		return err
	}
	w.part.Complete = true
	return w.save()
}

// embed opens the session that embeds, times its first vector, and goes on to
// what the job is for.
func (w *worker) embed(ctx context.Context, l loaded) (err error) {
	began := time.Now()
	s, err := l.opener.session(ctx, l.entry, w.job)
	if err != nil {
		return fromSession(err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	o := opened{tok: l.tok, session: newPulse(s, w.tell)}
	o.embed = providers.NewEmbedder(o.tok, o.session)
	w.part.LoadNS = l.took.Nanoseconds() + time.Since(began).Nanoseconds()
	w.part.Session = s.Info()

	began = time.Now()
	if _, err := o.embed.EmbedOne(ctx, string(w.job.Texts[0]), nil); err != nil {
		return fromSession(err)
	}
	w.part.FirstNS = time.Since(began).Nanoseconds()
	w.tell.tell(note{First: true})
	// After the first vector, whose time counts.
	if err := w.hashModel(); err != nil {
		return err
	}
	if w.job.Kind == vectorsKind {
		return w.vectors(ctx, o)
	}
	return w.latency(ctx, o)
}

// hashModel writes down which file was opened: here, and not by who asked for
// it, so that the evidence tells what ran.
func (w *worker) hashModel() error {
	id, err := candidate.HashFile(w.job.Model)
	if err != nil {
		return err
	}
	w.part.Model = id.SHA256
	return nil
}

// save writes what is known so far.
func (w *worker) save() error {
	w.part.PeakRSS = peakRSS()
	return writeJSON(filepath.Join(w.dir, partName), w.part)
}
