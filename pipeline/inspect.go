package pipeline

import (
	"cmp"
	"maps"
	"os"
	"slices"
	"strconv"

	"github.com/embedgate/embedgate/export/onnxfile"
	"github.com/embedgate/embedgate/export/onnxfile/infer"
	"github.com/embedgate/embedgate/export/onnxfile/saturation"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/pipeline/inspect"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/support"
)

// Inspect reads the model file at path and runs nothing. provider, where it is
// not "", is the one that would run it. tokens are the lengths for which
// arithmetic is counted. Its errors are *fault.Error of kind Usage.
func Inspect(path, provider string, tokens []int) (inspect.Result, error) {
	p, ok := providers.Lookup(provider)
	if provider != "" && !ok {
		return inspect.Result{}, &fault.Error{Kind: fault.Usage, Thing: "provider", Got: strconv.Quote(provider), Wanted: providers.KnownNames(), Next: "embedgate inspect --help"}
	}
	for _, n := range tokens {
		if n < 1 || n > maxTokens {
			return inspect.Result{}, &fault.Error{Kind: fault.Usage, Thing: "tokens", Got: strconv.Itoa(n), Wanted: "lengths from 1 to " + strconv.Itoa(maxTokens), Next: "embedgate inspect --help"}
		}
	}
	m, found, err := saturation.Read(path)
	if err != nil {
		return inspect.Result{}, err
	}
	x := inspected(m, tokens)
	x.File = path
	x.Saturation, x.Words.Saturation = inspect.Saturation(found), found.String()
	if i, err := os.Stat(path); err == nil { // it was read a moment ago
		x.Bytes = i.Size()
	}
	if provider != "" {
		x.Readiness = readiness(provider, m)
		x.Words.Provider = p.Title
	}
	return x, nil
}

// maxTokens is beyond any model's limit, and keeps nonsense out of the figures.
const maxTokens = 1 << 20

func readiness(provider string, m onnxfile.Model) *inspect.Readiness {
	r := &inspect.Readiness{Provider: provider, Basis: inspect.None, Source: []string{}}
	if p, ok := support.Predict(provider, m); ok {
		r.Basis, r.Source, r.Prediction = inspect.Table, support.Sources(provider), predictionOf(p)
	} else if p, ok := support.PredictFromRecord(provider, m); ok {
		r.Basis, r.Source, r.Prediction = inspect.Record, support.Sources(provider), predictionOf(p)
	}
	return r
}

func predictionOf(p support.Prediction) *inspect.Prediction {
	refusals := make([]inspect.Refusal, len(p.Elsewhere))
	for i, r := range p.Elsewhere {
		refusals[i] = inspect.Refusal(r)
	}
	return &inspect.Prediction{
		Provider: p.Provider, Nodes: p.Nodes, Partitions: p.Partitions, OnProvider: p.OnProvider,
		FLOPsShare: p.FLOPsShare, CostError: p.CostError, Elsewhere: refusals,
	}
}

// valuesOf returns nil for nil: JSON has null for it, and [] for an empty list.
func valuesOf(all []onnxfile.Value) (out []inspect.Value) {
	if all != nil {
		out = make([]inspect.Value, 0, len(all))
	}
	for _, v := range all {
		out = append(out, inspect.Value(v))
	}
	return out
}

func inspected(m onnxfile.Model, tokens []int) inspect.Result {
	x := inspect.Result{
		Producer: m.Producer, IRVersion: m.IRVersion, Opsets: m.Opsets, Inputs: valuesOf(m.Inputs), Outputs: valuesOf(m.Outputs),
		Dynamic: dynamicAxes(m.Inputs),
	}
	count := map[string]int{}
	for _, n := range m.Nodes {
		count[n.Kind()]++
		if !n.Inner {
			x.Nodes++
		}
	}
	for _, op := range slices.Sorted(maps.Keys(count)) {
		x.Operators = append(x.Operators, inspect.Operator{Op: op, Count: count[op]})
	}
	slices.SortStableFunc(x.Operators, func(a, b inspect.Operator) int { return b.Count - a.Count })
	x.Weights, x.Parameters = weightsOf(m)
	x.Costs = costsOf(m, tokens)
	return x
}

// indices are the types of shapes and positions. Tensors of other types are
// counted as parameters.
var indices = map[string]bool{"int32": true, "int64": true, "uint32": true, "uint64": true, "bool": true, "string": true}

func weightsOf(m onnxfile.Model) (all []inspect.Weights, parameters int64) {
	by := map[string]*inspect.Weights{}
	for _, t := range m.Initializers {
		w := by[t.TypeName()]
		if w == nil {
			w = &inspect.Weights{Type: t.TypeName()}
			by[w.Type] = w
		}
		n := t.Count()
		w.Tensors++
		w.Numbers += n
		w.Bytes += t.Size()
		if !indices[w.Type] {
			parameters += n
		}
	}
	all = []inspect.Weights{}
	for _, name := range slices.Sorted(maps.Keys(by)) {
		all = append(all, *by[name])
	}
	slices.SortStableFunc(all, func(a, b inspect.Weights) int { return cmp.Compare(b.Bytes, a.Bytes) })
	return all, parameters
}

func costsOf(m onnxfile.Model, tokens []int) []inspect.Cost {
	rows, cols := 0, 0
	for _, v := range m.Inputs {
		if len(v.Shape) == 2 {
			rows, _ = strconv.Atoi(v.Shape[0]) // a symbol is no number: 0
			cols, _ = strconv.Atoi(v.Shape[1])
			break
		}
	}
	fixed := cols > 0
	if fixed {
		tokens = []int{cols}
	}
	all := []inspect.Cost{}
	for _, n := range tokens {
		c := inspect.Cost{Batch: max(rows, 1), Tokens: n, Fixed: fixed}
		costs, err := infer.NodeCosts(m, c.Batch, n)
		for _, f := range costs {
			c.FLOPs += f
		}
		if err != nil {
			c.Error = err.Error()
		}
		all = append(all, c)
	}
	return all
}

func dynamicAxes(inputs []onnxfile.Value) []inspect.Axis {
	type key struct {
		symbol string
		axis   int
	}
	axes, index := []inspect.Axis{}, map[key]int{}
	for _, v := range inputs {
		for i, d := range v.Shape {
			if _, err := strconv.Atoi(d); err == nil {
				continue
			}
			k, have := index[key{d, i}]
			if !have {
				k = len(axes)
				axes, index[key{d, i}] = append(axes, inspect.Axis{Symbol: d, Axis: i}), k
			}
			axes[k].Of = append(axes[k].Of, v.Name)
		}
	}
	return axes
}
