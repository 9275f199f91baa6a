package placement

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/providers"
)

// What a profile may hold, so that a false one cannot exhaust memory: ONNX
// Runtime itself stops at a million events, a node of a model has some ten
// tensors of at most 8 dimensions.
const (
	maxProfile = 1 << 30 // bytes
	maxEvents  = 2_000_000
	maxTensors = 1 << 10
	maxDims    = 64
	maxName    = 4 << 10 // bytes
)

// event is one entry of ONNX Runtime's profile. Times are in µs since the
// session began.
type event struct {
	Cat  string          `json:"cat"`
	Name string          `json:"name"`
	TS   int64           `json:"ts"`
	Dur  int64           `json:"dur"`
	Args json.RawMessage `json:"args"`
}

// nodeArgs is what a node's event says. A tensor is {"float":[1,16,384]}.
type nodeArgs struct {
	Op       string               `json:"op_name"`
	Provider string               `json:"provider"`
	Inputs   []map[string][]int64 `json:"input_type_shape"`
	Outputs  []map[string][]int64 `json:"output_type_shape"`
}

// kernelTime ends the name of the event that times a node.
const kernelTime = "_kernel_time"

// Profile is what is kept of a profile: the runs, and the nodes by when they began.
type Profile struct {
	Runs  []span // in the order of time
	nodes []executedNode
}

type span struct{ from, to int64 } // µs

type executedNode struct {
	at   int64
	node providers.NodeEvent
}

// ReadProfile reads ONNX Runtime's profile. Unknown events are
// skipped; a known one that cannot be read is an error.
func ReadProfile(r io.Reader) (Profile, error) {
	p, err := readEvents(json.NewDecoder(files.Capped(r, maxProfile)))
	if err != nil {
		return Profile{}, fmt.Errorf("ONNX Runtime's profile: %w", err)
	}
	slices.SortFunc(p.Runs, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	return p, nil
}

func readEvents(d *json.Decoder) (p Profile, err error) {
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return p, errors.Join(errors.New("it is no list of events"), err)
	}
	for n := 0; d.More(); n++ {
		if n >= maxEvents {
			return p, fmt.Errorf("more than %d events", maxEvents)
		}
		var e event
		if err := d.Decode(&e); err != nil {
			return p, fmt.Errorf("event %d: %w", n, err)
		}
		if err := p.add(e); err != nil {
			return p, fmt.Errorf("event %d: %w", n, err)
		}
	}
	if _, err := d.Token(); err != nil {
		return p, fmt.Errorf("it has no end: %w", err)
	}
	return p, nil
}

func (p *Profile) add(e event) error {
	isRun := e.Cat == "Session" && e.Name == "model_run"
	name, isNode := strings.CutSuffix(e.Name, kernelTime)
	isNode = isNode && e.Cat == "Node"
	if !isRun && !isNode {
		return nil
	}
	const century = 100 * 365 * 24 * 3600 * 1e6
	if e.TS < 0 || e.Dur < 0 || e.TS > century || e.Dur > century {
		return fmt.Errorf("it lasts %d µs from %d µs on", e.Dur, e.TS)
	}
	if isRun {
		p.Runs = append(p.Runs, span{e.TS, e.TS + e.Dur})
		return nil
	}
	var a nodeArgs
	if err := json.Unmarshal(e.Args, &a); err != nil {
		return fmt.Errorf("node %.80q: %w", name, err)
	}
	if a.Op == "" || a.Provider == "" || len(name)+len(a.Op)+len(a.Provider) > maxName {
		return fmt.Errorf("node %.80q: got operator %.80q on provider %.80q, wanted the names of both", name, a.Op, a.Provider)
	}
	in, err := shapes(a.Inputs)
	if err != nil {
		return fmt.Errorf("node %.80q: %w", name, err)
	}
	out, err := shapes(a.Outputs)
	if err != nil {
		return fmt.Errorf("node %.80q: %w", name, err)
	}
	p.nodes = append(p.nodes, executedNode{e.TS, providers.NodeEvent{
		Name: name, Op: a.Op, EP: a.Provider, Inputs: in, Outputs: out, Runs: 1, NS: e.Dur * 1000,
	}})
	return nil
}

// shapes reads tensors' shapes; nil where the record has none.
func shapes(tensors []map[string][]int64) ([][]int64, error) {
	if tensors == nil {
		return nil, nil
	}
	if len(tensors) > maxTensors {
		return nil, fmt.Errorf("%d tensors", len(tensors))
	}
	all := make([][]int64, 0, len(tensors))
	for _, t := range tensors {
		if len(t) != 1 {
			return nil, fmt.Errorf("a tensor of %d types", len(t))
		}
		for _, dims := range t {
			if len(dims) > maxDims || slices.ContainsFunc(dims, func(d int64) bool { return d < 0 }) {
				return nil, fmt.Errorf("a tensor of shape %.80s", fmt.Sprint(dims))
			}
			all = append(all, append([]int64{}, dims...))
		}
	}
	return all, nil
}

// Sum adds up the nodes of the runs from..to, by node, in the order in which
// they first ran. A node that ran on other shapes is another entry.
func (p Profile) Sum(from, to int) []providers.NodeEvent {
	all := []providers.NodeEvent{}
	at := map[string]int{}
	var spans []span
	if from < to {
		spans = p.Runs[from:to]
	}
	for _, n := range p.nodes {
		if !slices.ContainsFunc(spans, func(s span) bool { return n.at >= s.from && n.at <= s.to }) {
			continue
		}
		key := fmt.Sprintf("%q %q %q %v %v", n.node.Name, n.node.Op, n.node.EP, n.node.Inputs, n.node.Outputs)
		i, seen := at[key]
		if !seen {
			at[key] = len(all)
			all = append(all, n.node)
			continue
		}
		all[i].Runs++
		all[i].NS += n.node.NS
	}
	return all
}
