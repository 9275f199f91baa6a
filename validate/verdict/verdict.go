package verdict

import (
	"fmt"
	"slices"

	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/evidence"
)

// Result is a check's answer.
type Result string

// The answers. NotMeasured is of a whole provider × variant.
const (
	Pass         Result = "PASS"
	Fail         Result = "FAIL"
	Inconclusive Result = "INCONCLUSIVE"
	NotMeasured  Result = "NOT MEASURED"
	Reported     Result = "REPORTED" // measured for the record; no gate
)

// severity orders results from harmless to worst; it is negative for a result
// that does not exist.
func severity(r Result) int {
	return slices.Index([]Result{Reported, Pass, Inconclusive, NotMeasured, Fail}, r)
}

// Worst returns the worst of the findings' results, and Fail for none: what
// nobody looked at has not passed.
func Worst(findings []Finding) Result {
	r := Fail
	for i, f := range findings {
		if i == 0 || severity(f.Result) < 0 || severity(f.Result) > severity(r) {
			r = f.Result
		}
		if severity(r) < 0 {
			return Fail
		}
	}
	return r
}

// Schema is the version of a verdict's JSON.
const Schema = 1

// Finding is one check's answer for one provider × variant.
type Finding struct {
	Check     string   `json:"check"`          // "integrity", "readiness", "saturation", "placement", "tokens", "parity", "precision", "invariance", "latency", "worth-it", "cold-start", "memory", "portability", "self-test"
	Item      string   `json:"item,omitempty"` // which part: "min cosine", "16 tokens p95"
	Result    Result   `json:"result"`
	Measured  string   `json:"measured"`       // with its unit, as shown
	Threshold string   `json:"threshold"`      // with its unit, as shown
	Sure      string   `json:"sure,omitempty"` // "k=2 of n=300, P=0.0001"
	Next      string   `json:"next,omitempty"` // what to do when it is not PASS
	Warnings  []string `json:"warnings,omitempty"`
	Value     float64  `json:"value"` // the measured value in base units, for machines
}

// Row is the judgement of one provider × variant.
type Row struct {
	Provider string `json:"provider"`
	Variant  string `json:"variant"`
	CPU      string `json:"cpu,omitempty"` // of the policy's portability; "": the machine's own
	Evidence string `json:"evidence"`      // sha256 of its evidence.json bytes; "" where there is none
	Required bool   `json:"required"`      // by the channel
	Result   Result `json:"result"`        // worst of the findings
	// Best marks the fastest of the provider's variants that passed.
	Best      bool                `json:"best,omitempty"`
	Machine   *evidence.Machine   `json:"machine,omitempty"`   // where it was measured; nil where it was not
	Session   *Session            `json:"session,omitempty"`   // nil where none was opened
	Emulation *evidence.Emulation `json:"emulation,omitempty"` // nil where nothing was emulated
	Findings  []Finding           `json:"findings"`
	Latency   []LatencySummary    `json:"latency,omitempty"`
	Parity    *ParitySummary      `json:"parity,omitempty"`
	Bits      float64             `json:"bits,omitempty"` // of the vectors' values that are right
	Placement []PlacementSummary  `json:"placement,omitempty"`
	WorthIt   []WorthSummary      `json:"worth_it,omitempty"`
}

// On is where the row was measured, in words: "cpu", or "cpu as arm64" for
// another processor than the machine's own.
func (r Row) On() string {
	if r.CPU == "" {
		return r.Provider
	}
	return r.Provider + " as " + r.CPU
}

// Why is what kept a row from passing, in words: nothing for one that passed.
func (r Row) Why() (why []string) {
	for _, f := range r.Findings {
		switch {
		case f.Result == Pass || f.Result == Reported:
		case f.Result == NotMeasured:
			why = append(why, f.Measured)
		default:
			item := f.Check
			if f.Item != "" {
				item += ", " + f.Item
			}
			why = append(why, fmt.Sprintf("%s: %s, wanted %s", item, f.Measured, f.Threshold))
		}
	}
	return why
}

// Session is what was opened, as the evidence tells it: for people, and for
// whoever runs the release in the same way.
type Session struct {
	Runtime string            `json:"runtime"` // with its version
	Library string            `json:"library"` // sha256 of the runtime's shared library
	Device  providers.Device  `json:"device"`
	Options providers.Options `json:"options"`
}

// PlacementSummary is for people; judged values are in the findings. Shares are
// of the whole, 0 to 1.
type PlacementSummary struct {
	Tokens     int      `json:"tokens"`
	Nodes      int      `json:"nodes"`
	NodeShare  float64  `json:"node_share"` // on the provider that claims the work
	FLOPs      float64  `json:"flops"`      // of one text, of every provider
	FLOPsShare float64  `json:"flops_share"`
	TimeShare  float64  `json:"time_share"`
	Elsewhere  []string `json:"elsewhere,omitempty"` // "Cast ×2 on CPUExecutionProvider"
}

// WorthSummary is for people; judged values are in the findings.
type WorthSummary struct {
	Tokens  int     `json:"tokens"`
	Against string  `json:"against"` // "cpu × fp32"
	Speedup float64 `json:"speedup"` // median over the rounds of the other's time by this one's
	Won     int     `json:"won"`     // rounds
	Rounds  int     `json:"rounds"`
}

// LatencySummary is for people; judged values are in the findings.
type LatencySummary struct {
	evidence.LatencyPoint
	N          int     `json:"n"`
	Planned    int     `json:"planned,omitempty"` // samples, where the limit ended them before; 0: all N
	EffectiveN float64 `json:"effective_n"`
	P50NS      int64   `json:"p50_ns"`
	P95NS      int64   `json:"p95_ns"`
	P99NS      int64   `json:"p99_ns"`
}

// ParitySummary is for people; judged values are in the findings.
type ParitySummary struct {
	Texts      int     `json:"texts"`
	MinCosine  float64 `json:"min_cosine"`
	MeanCosine float64 `json:"mean_cosine"`
	MaxAbs     float64 `json:"max_abs"`
	WorstText  string  `json:"worst_text"` // id of the golden text with the lowest cosine
	RankTopK   float64 `json:"rank_top_k"`
	Spearman   float64 `json:"spearman"`
}

// Verdict is what the gate says. It is a pure function of policy, golden,
// candidate and evidence.
type Verdict struct {
	Schema    int       `json:"schema"`
	Result    Result    `json:"result"` // PASS only when every required row passed and the self-test did
	Channel   string    `json:"channel"`
	Model     string    `json:"model"`
	Candidate string    `json:"candidate"`
	Policy    string    `json:"policy"`
	Golden    string    `json:"golden"`
	Nonce     string    `json:"nonce"`
	Rows      []Row     `json:"rows"`
	SelfTest  []Finding `json:"self_test"`         // one a known-bad case: PASS means the gate refused it
	Missing   []string  `json:"missing,omitempty"` // required providers without passing evidence
	Foreign   bool      `json:"foreign,omitempty"` // of a model that somebody else exported: never published

	Digest string `json:"-"` // sha256 of the file's bytes, set by ReadVerdict
}

// SelfTestPassed tells whether the gate refused every known-bad case that it
// was shown. A gate that did not is broken, and so is its verdict.
func (v Verdict) SelfTestPassed() bool {
	for _, f := range v.SelfTest {
		if f.Result != Pass {
			return false
		}
	}
	return len(v.SelfTest) > 0
}
