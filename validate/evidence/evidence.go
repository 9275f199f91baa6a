package evidence

import (
	"fmt"

	"github.com/embedgate/embedgate/providers"
)

// Schema is the version of evidence.json.
const Schema = 1

// File names inside one evidence directory.
const (
	FileName    = "evidence.json"
	VectorsName = "vectors.safetensors"
)

// Evidence is the raw measurement of one provider × variant. It has no verdict
// and no summary: the gate computes every number from it. Vectors and ids are
// beside it in vectors.safetensors, whose sha256 is VectorsSHA256.
type Evidence struct {
	Schema   int    `json:"schema"`
	Provider string `json:"provider"`
	Variant  string `json:"variant"`
	// CPU is the processor of the policy's portability that this is evidence
	// for; empty: the machine's own. Times are measured only for that one.
	CPU       string `json:"cpu,omitempty"`
	Candidate string `json:"candidate"` // candidate.Candidate.Digest
	Policy    string `json:"policy"`    // policy.Policy.Digest
	Golden    string `json:"golden"`    // golden.Set.Digest
	Nonce     string `json:"nonce"`     // of the plan that this answers; empty: none

	// NotMeasured is why there is nothing more here; everything below is then empty.
	NotMeasured *NotMeasured `json:"not_measured,omitempty"`
	// Crash is set when the child process died; what it had finished is kept.
	Crash *Crash `json:"crash,omitempty"`

	Plan    Plan    `json:"plan"`
	Machine Machine `json:"machine"`
	// Emulation says what emulated CPU; nil: nothing was emulated.
	Emulation *Emulation     `json:"emulation,omitempty"`
	Session   providers.Info `json:"session"`

	// Model is the sha256 of the model file, computed by the processes that
	// opened it; empty where none did.
	Model string `json:"model_sha256,omitempty"`

	VectorsSHA256 string       `json:"vectors_sha256"`
	Useful        int64        `json:"useful_tokens"`   // real tokens of the golden corpus in batches of 32
	Computed      int64        `json:"computed_tokens"` // the same with padding
	Latency       []LatencyRun `json:"latency"`
	Cold          []ColdStart  `json:"cold"`
	Memory        []MemoryPeak `json:"memory"`

	// Placement is the runtime's record of where nodes ran, from a process of
	// its own: profiling slows what it times.
	Placement []PlacementRun `json:"placement"`
	Pairs     []PairedRun    `json:"pairs"`
	// Planned is the device plan of a provider that compiles the model for
	// several devices, from the process that recorded the placement.
	Planned []providers.PlannedOp `json:"planned,omitempty"`

	Raw    Vectors `json:"-"` // read from vectors.safetensors
	Digest string  `json:"-"` // sha256 of evidence.json's bytes, set by Read
}

// NotMeasured says why a provider could not be measured here, and the remedy.
type NotMeasured struct {
	Reason string `json:"reason"`
	Remedy string `json:"remedy"`
}

// Crash says how a measuring child ended before it was done.
type Crash struct {
	Stage  string `json:"stage"`            // what it was doing: "load", "vectors", "latency"
	Signal string `json:"signal,omitempty"` // "SIGSEGV"; empty when it exited
	Exit   int    `json:"exit"`
	Stderr string `json:"stderr"` // its last lines
}

// Emulation says how a program ran on a processor that the machine has not.
type Emulation struct {
	Emulator string `json:"emulator"` // "qemu-x86_64"
	Version  string `json:"version"`
	Model    string `json:"model"` // of the processor, in the emulator's words: "Nehalem"
	Host     string `json:"host"`  // architecture of the machine itself, in Go's names
}

// Machine is where it ran, as the measuring program sees it: under an emulator
// the architecture is the emulated one.
type Machine struct {
	OS   string `json:"os"`
	Arch string `json:"arch"`
	CPU  string `json:"cpu"`
	// InstructionSets are those that the processor itself reports, by the names
	// in this package; nil: not known.
	InstructionSets []string `json:"instruction_sets"`
	Cores           int      `json:"cores"` // that this process may use
	// Quota is the time that a cgroup grants, in processors, where it is less
	// than the processors have; 0: none.
	Quota  float64 `json:"cpu_quota,omitempty"`
	Memory int64   `json:"memory_bytes"`
	Kernel string  `json:"kernel"`
	Go     string  `json:"go"`
}

// LatencyRun is every sample of one length in one process launch.
type LatencyRun struct {
	Launch int `json:"launch"`
	LatencyPoint
	SamplesNS []int64 `json:"samples_ns"` // in the order measured, warm-up left out
	// CalibrationNS are the times of a fixed loop on the CPU, measured between
	// samples: their spread shows whether the machine is noisy.
	CalibrationNS []int64 `json:"calibration_ns"`
	StealTicks    int64   `json:"steal_ticks"` // of /proc/stat during the run, all cores; -1 where the OS does not count them
	TotalTicks    int64   `json:"total_ticks"`
}

// PlacementRun is the placement record of one text of that many tokens.
type PlacementRun struct {
	Tokens int `json:"tokens"`
	providers.Placement
}

// PairedRun is one process of a comparison: a provider × variant's samples at
// one length, batch 1, text to vector, in one round.
type PairedRun struct {
	Round     int     `json:"round"` // counted from 1
	Order     int     `json:"order"` // 0: the first process of its round
	Provider  string  `json:"provider"`
	Variant   string  `json:"variant"`
	Tokens    int     `json:"tokens"`
	SamplesNS []int64 `json:"samples_ns"` // warm-up left out
}

// ColdStart is a process launch until its first vector.
type ColdStart struct {
	Launch      int   `json:"launch"`
	LoadNS      int64 `json:"load_ns"`       // library and model, until the session is open
	FirstNS     int64 `json:"first_ns"`      // first text → vector after that
	FromStartNS int64 `json:"from_start_ns"` // from the parent's exec until the first vector
}

// MemoryPeak is a process launch's largest resident set.
type MemoryPeak struct {
	Launch int   `json:"launch"`
	RSS    int64 `json:"rss_bytes"`
}

// Vectors is the raw output. A row of Primary is one of the plan's golden
// texts, alone in its batch; unpadded, unless the file's length is fixed.
type Vectors struct {
	Dim        int
	IDs        [][]int64 // per text of the plan, as this machine's tokenizer gave them
	Primary    []float32 // texts × Dim
	Invariance []InvarianceRun
	SHA256     string // of the file they were read from, set by Read
}

// Empty reports whether there is nothing at all.
func (v Vectors) Empty() bool {
	return len(v.IDs) == 0 && len(v.Primary) == 0 && len(v.Invariance) == 0
}

// InvarianceRun holds the vectors of texts that were run again in other batches;
// they must be the same. In vectors.safetensors a run named X is "invariance.X.rows" (I64,
// indices of the plan's texts) and "invariance.X.vectors" (F32, rows × Dim).
type InvarianceRun struct {
	Name string // "batch-32", "padded", "position", "concurrent"
	Rows []int  // indices of the plan's texts
	Vecs []float32
}

// Label is "16 tokens", with the batch when it is not 1.
func (p LatencyPoint) Label() string {
	s := fmt.Sprintf("%d tokens", p.Tokens)
	if p.Batch != 1 {
		s += fmt.Sprintf(" × %d", p.Batch)
	}
	return s
}
