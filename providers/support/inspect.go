package support

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
	"github.com/embedgate/embedgate/providers"
)

// Inspection is what a model file says of itself.
type Inspection struct {
	File       string           `json:"file"`
	Bytes      int64            `json:"bytes"`
	Producer   string           `json:"producer"`
	IRVersion  int64            `json:"ir_version"`
	Opsets     map[string]int64 `json:"opsets"` // by domain; "" is ONNX's own
	Inputs     []onnxfile.Value `json:"inputs"`
	Outputs    []onnxfile.Value `json:"outputs"`
	Dynamic    []Axis           `json:"dynamic_axes"` // of the inputs; none: every shape is fixed
	Nodes      int              `json:"nodes"`        // of the graph, without subgraphs'
	Operators  []Operator       `json:"operators"`    // the most frequent first; subgraphs' too
	Parameters int64            `json:"parameters"`   // stored numbers, integers of 32 bits and more left out
	Weights    []Weights        `json:"weights"`      // the largest first
	Costs      []Cost           `json:"costs"`
	// Saturation is what products of 8-bit integers can do on x86 CPUs.
	Saturation saturation.Result `json:"saturation"`
	Readiness  *Readiness        `json:"readiness,omitempty"`
}

// Axis is an axis that the graph does not fix, and the inputs that have it.
type Axis struct {
	Symbol string   `json:"symbol"` // "?" where it has no name
	Axis   int      `json:"axis"`
	Of     []string `json:"of"` // names of inputs
}

// Operator is one kind of node.
type Operator struct {
	Op    string `json:"op"`
	Count int    `json:"count"`
}

// Weights are the tensors of one type.
type Weights struct {
	Type    string `json:"type"`
	Tensors int    `json:"tensors"`
	Numbers int64  `json:"numbers"`
	Bytes   int64  `json:"bytes"`
}

// Cost is the matrix arithmetic of one run.
type Cost struct {
	Batch  int     `json:"batch"` // texts
	Tokens int     `json:"tokens"`
	Fixed  bool    `json:"fixed"` // by the graph, whatever was asked
	FLOPs  float64 `json:"flops"`
	Error  string  `json:"error,omitempty"` // why it could not be counted
}

// Basis is the source of what is known of a provider's operators.
type Basis string

// The bases on which a provider's readiness can stand.
const (
	Table  Basis = "table"  // what it takes
	Record Basis = "record" // what was seen there, and no more
	None   Basis = "none"
)

// Readiness is how a provider would take the model.
type Readiness struct {
	Provider   string      `json:"provider"`
	Basis      Basis       `json:"basis"`
	Source     []string    `json:"source"`
	Prediction *Prediction `json:"prediction,omitempty"` // nil without a basis
}

// Inspect reads the model file at path. provider, where it is not "", is the
// one that would run it; tokens are the lengths for which arithmetic is counted. Its
// errors are *fault.Error of kind Usage.
func Inspect(path, provider string, tokens []int) (Inspection, error) {
	if _, ok := providers.Lookup(provider); provider != "" && !ok {
		return Inspection{}, &fault.Error{Kind: fault.Usage, Thing: "provider", Got: strconv.Quote(provider), Wanted: providers.KnownNames(), Next: "embedgate inspect --help"}
	}
	for _, n := range tokens {
		if n < 1 || n > maxTokens {
			return Inspection{}, &fault.Error{Kind: fault.Usage, Thing: "tokens", Got: strconv.Itoa(n), Wanted: "lengths from 1 to " + strconv.Itoa(maxTokens), Next: "embedgate inspect --help"}
		}
	}
	m, saturation, err := saturation.Read(path)
	if err != nil {
		return Inspection{}, err
	}
	x := inspect(m, tokens)
	x.File, x.Saturation = path, saturation
	if i, err := os.Stat(path); err == nil { // it was read a moment ago
		x.Bytes = i.Size()
	}
	if provider != "" {
		x.Readiness = readiness(provider, m)
	}
	return x, nil
}

// maxTokens is beyond any model's limit, and keeps senseless numbers out of the result.
const maxTokens = 1 << 20

func readiness(provider string, m onnxfile.Model) *Readiness {
	r := &Readiness{Provider: provider, Basis: None, Source: []string{}}
	if p, ok := Predict(provider, m); ok {
		r.Basis, r.Source, r.Prediction = Table, tables[provider].source, &p
	} else if p, ok := PredictFromRecord(provider, m); ok {
		r.Basis, r.Source, r.Prediction = Record, records[provider].source, &p
	}
	return r
}

func inspect(m onnxfile.Model, tokens []int) Inspection {
	x := Inspection{
		Producer: m.Producer, IRVersion: m.IRVersion, Opsets: m.Opsets, Inputs: m.Inputs, Outputs: m.Outputs,
		Dynamic: dynamic(m.Inputs), Weights: []Weights{}, Costs: []Cost{},
	}
	count := map[string]int{}
	for _, n := range m.Nodes {
		count[n.Kind()]++
		if !n.Inner {
			x.Nodes++
		}
	}
	for _, op := range slices.Sorted(maps.Keys(count)) {
		x.Operators = append(x.Operators, Operator{op, count[op]})
	}
	slices.SortStableFunc(x.Operators, func(a, b Operator) int { return b.Count - a.Count })
	x.countWeights(m)
	x.countCosts(m, tokens)
	return x
}

// indices are types of shapes and positions; whatever else is stored is taken
// for parameters.
var indices = map[string]bool{"int32": true, "int64": true, "uint32": true, "uint64": true, "bool": true, "string": true}

func (x *Inspection) countWeights(m onnxfile.Model) {
	by := map[string]*Weights{}
	for _, t := range m.Initializers {
		w := by[t.TypeName()]
		if w == nil {
			w = &Weights{Type: t.TypeName()}
			by[w.Type] = w
		}
		n := t.Count()
		w.Tensors++
		w.Numbers += n
		w.Bytes += t.Size()
		if !indices[w.Type] {
			x.Parameters += n
		}
	}
	for _, name := range slices.Sorted(maps.Keys(by)) {
		x.Weights = append(x.Weights, *by[name])
	}
	slices.SortStableFunc(x.Weights, func(a, b Weights) int { return cmp.Compare(b.Bytes, a.Bytes) })
}

func (x *Inspection) countCosts(m onnxfile.Model, tokens []int) {
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
	for _, n := range tokens {
		c := Cost{Batch: max(rows, 1), Tokens: n, Fixed: fixed}
		costs, err := infer.NodeCosts(m, c.Batch, n)
		for _, f := range costs {
			c.FLOPs += f
		}
		if err != nil {
			c.Error = err.Error()
		}
		x.Costs = append(x.Costs, c)
	}
}

func dynamic(inputs []onnxfile.Value) []Axis {
	type place struct {
		symbol string
		axis   int
	}
	axes, at := []Axis{}, map[place]int{}
	for _, v := range inputs {
		for i, d := range v.Shape {
			if _, err := strconv.Atoi(d); err == nil {
				continue
			}
			k, have := at[place{d, i}]
			if !have {
				k = len(axes)
				axes, at[place{d, i}] = append(axes, Axis{Symbol: d, Axis: i}), k
			}
			axes[k].Of = append(axes[k].Of, v.Name)
		}
	}
	return axes
}
