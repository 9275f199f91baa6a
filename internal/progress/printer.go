package progress

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// plainEvery is how often a counting message is repeated where there is no
// terminal to redraw: often enough to show life in a CI log.
const plainEvery = 10 * time.Second

// Printer shows progress on a stream. It may be used from several goroutines.
type Printer struct {
	mu     sync.Mutex
	w      io.Writer
	redraw bool
	stage  string
	start  time.Time

	last   string // message shown last
	lastAt time.Time
	bar    *progressbar.ProgressBar
}

// NewPrinter shows progress on w. redraw says that w is a terminal whose lines
// may be written again.
func NewPrinter(w io.Writer, redraw bool) *Printer {
	return &Printer{w: w, redraw: redraw}
}

// Stage begins a stage: its name leads each line from here on.
func (p *Printer) Stage(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.finish()
	p.stage, p.start, p.last = name, time.Now(), ""
}

// Sink returns where a library sends what it says.
func (p *Printer) Sink() Sink { return p.event }

// Close ends a line that is still being redrawn.
func (p *Printer) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.finish()
}

func (p *Printer) finish() {
	if p.bar != nil {
		_ = p.bar.Finish()
		fmt.Fprintln(p.w)
		p.bar = nil
	}
}

func (p *Printer) event(e Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	counting := e.Total > 0 && e.Unit != ""
	if p.redraw && counting {
		p.draw(e)
		return
	}
	now := time.Now()
	if e.Message == p.last && now.Sub(p.lastAt) < plainEvery && e.Done < e.Total {
		return
	}
	if e.Message == p.last && !counting {
		return
	}
	p.finish()
	p.last, p.lastAt = e.Message, now
	line := fmt.Sprintf("%-8s %s", p.stage, e.Message)
	if counting {
		line += fmt.Sprintf(" (%d of %d %s)", e.Done, e.Total, e.Unit)
	}
	fmt.Fprintln(p.w, line)
}

func (p *Printer) draw(e Event) {
	if p.bar == nil || e.Message != p.last {
		p.finish()
		p.bar = progressbar.NewOptions64(e.Total,
			progressbar.OptionSetWriter(p.w),
			progressbar.OptionSetDescription(fmt.Sprintf("%-8s %s", p.stage, e.Message)),
			progressbar.OptionSetWidth(20), progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionShowBytes(e.Unit == "bytes"))
		p.last = e.Message
	}
	_ = p.bar.Set64(e.Done)
}
