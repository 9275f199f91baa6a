package providers

// Placement is a runtime's own record of where a session's nodes ran. It is
// raw data: how far to trust it, and what shares follow from it, others decide.
type Placement struct {
	// Assigned is the nodes that each execution provider got when the session
	// was opened: one subgraph for each node, or, for a provider that compiles,
	// one for all the nodes it fused.
	Assigned []Subgraph `json:"assigned"`
	// Events is what was executed, summed over the profiled runs. A compiled
	// subgraph is one event, of the fused node's name.
	Events []NodeEvent `json:"events"`
}

// Subgraph is nodes that one execution provider took.
type Subgraph struct {
	EP    string `json:"ep"` // the runtime's name for it: "CPUExecutionProvider"
	Nodes []Node `json:"nodes"`
}

// Node is one operator of the graph as it was when it was assigned: after
// basic optimizations, before fusions that a provider's own kernels bring.
type Node struct {
	Name   string `json:"name"`
	Domain string `json:"domain,omitempty"` // "": ONNX's own
	Op     string `json:"op"`
}

// NodeEvent is one executed node.
type NodeEvent struct {
	Name    string    `json:"name"` // of the executed node, which a fusion may have made
	Op      string    `json:"op"`
	EP      string    `json:"ep"`
	Inputs  [][]int64 `json:"inputs"`  // shapes, in order; nil where the record has none
	Outputs [][]int64 `json:"outputs"` // likewise
	Runs    int       `json:"runs"`    // executions that were summed
	NS      int64     `json:"ns"`      // of all runs together, as the runtime timed them
}

// Device is what a provider computes on, as far as its runtime or driver says.
type Device struct {
	Name       string `json:"name,omitempty"`       // "NVIDIA H100 80GB HBM3", "SwiftShader"
	Vendor     string `json:"vendor,omitempty"`     //
	Driver     string `json:"driver,omitempty"`     // "580.65.06"
	Capability string `json:"capability,omitempty"` // CUDA's compute capability: "9.0"
	Software   bool   `json:"software,omitempty"`   // a GPU that is emulated on the CPU
}

// Library is a runtime's shared library on this machine, and what its process
// needs beside it.
type Library struct {
	Path    string   `json:"path"`
	Plugin  string   `json:"plugin,omitempty"`  // a provider library to register with the runtime; "": none
	Preload []string `json:"preload,omitempty"` // libraries to load first, in this order
	Env     []string `json:"env,omitempty"`     // "NAME=value", set for the process that loads it
	Device  Device   `json:"device"`            // what is known of the device before a session opens
}
