// Package inspect is the result of inspecting a model file, as package pipeline
// makes it and package report shows it. Its JSON is that of embedgate inspect
// --json. It must not know how a file is read, nor any provider.
package inspect

// Result is what a model file holds, and how a provider would take it.
type Result struct {
	File       string           `json:"file"`
	Bytes      int64            `json:"bytes"`
	Producer   string           `json:"producer"`
	IRVersion  int64            `json:"ir_version"`
	Opsets     map[string]int64 `json:"opsets"` // by domain; "" is ONNX's own
	Inputs     []Value          `json:"inputs"`
	Outputs    []Value          `json:"outputs"`
	Dynamic    []Axis           `json:"dynamic_axes"` // of the inputs; none: every shape is fixed
	Nodes      int              `json:"nodes"`        // of the graph, without subgraphs'
	Operators  []Operator       `json:"operators"`    // the most frequent first; subgraphs' too
	Parameters int64            `json:"parameters"`   // stored numbers, integers of 32 bits and more left out
	Weights    []Weights        `json:"weights"`      // the largest first
	Costs      []Cost           `json:"costs"`
	// Saturation is what products of 8-bit integers can do on x86 CPUs.
	Saturation Saturation `json:"saturation"`
	Readiness  *Readiness `json:"readiness,omitempty"`

	Words Words `json:"-"`
}

// Words are texts about the result that belong to other packages.
type Words struct {
	Saturation string
	Provider   string // the full name of the readiness's provider
}

// Value is an input or output of the graph.
type Value struct {
	Name  string   `json:"name"`
	Type  string   `json:"type"`  // "float32", "int64", …; "type 17" where it has no name here
	Shape []string `json:"shape"` // a size in decimal, a symbol, or "?"; nil where the file gives no shape
}

// Saturation counts products of 8-bit integers that can saturate on x86 CPUs.
type Saturation struct {
	Products     int      `json:"products"` // nodes that multiply so
	Columns      int      `json:"columns"`  // of their weights
	Over         int      `json:"over"`     // columns with a pair sum over the limit
	Largest      int      `json:"largest"`  // pair sum, 0 to 256
	Worst        string   `json:"worst"`    // label of the first node that has it
	Unknown      []string `json:"unknown"`  // some of the products of which this is not known, with the reason
	UnknownCount int      `json:"untold"`   // how many of them there are in all
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

// Basis is what is known of a provider's operators.
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

// Prediction is which nodes a provider would take.
type Prediction struct {
	Provider   string `json:"provider"`
	Nodes      int    `json:"nodes"`       // that are left to run; constants are computed before
	Partitions int    `json:"partitions"`  // the parts that the provider would run, with other work between them
	OnProvider int    `json:"on_provider"` // nodes in those parts
	// FLOPsShare is the share of matrix arithmetic in those parts, 0 to 1; 0
	// where CostError says why it could not be counted.
	FLOPsShare float64   `json:"flops_share"`
	CostError  string    `json:"cost_error,omitempty"`
	Elsewhere  []Refusal `json:"elsewhere"` // the nodes that would run on the CPU, in the file's order
}

// Whole tells whether the provider would run all of the model as one part.
func (p Prediction) Whole() bool {
	return p.Partitions == 1 && len(p.Elsewhere) == 0 && p.OnProvider == p.Nodes
}

// Refusal is one node that the provider would not take.
type Refusal struct {
	Node   string `json:"node"`
	Op     string `json:"op"`
	Reason string `json:"reason"`
}
