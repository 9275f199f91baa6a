package verdict

import (
	"fmt"
	"slices"

	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/evidence"
)

// Result is the result of a finding, a row or a verdict.
type Result string

// The results. NotMeasured is that of a whole provider × variant.
const (
	Pass         Result = "PASS"
	Fail         Result = "FAIL"
	Inconclusive Result = "INCONCLUSIVE"
	NotMeasured  Result = "NOT MEASURED"
	Reported     Result = "REPORTED" // measured for the record; no gate
)

// severity orders results from best to worst; it is negative for an unknown
// one.
func severity(r Result) int {
	return slices.Index([]Result{Reported, Pass, Inconclusive, NotMeasured, Fail}, r)
}

// Worst returns the worst of the findings' results. It returns Fail for no
// findings: what was not checked has not passed.
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

// Finding is one result of a check for one provider × variant.
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

// On returns where the row was measured: "cpu", or "cpu as arm64" for another
// processor than the machine's own.
func (r Row) On() string {
	if r.CPU == "" {
		return r.Provider
	}
	return r.Provider + " as " + r.CPU
}

// Why returns the reasons why a row did not pass: none for one that passed.
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

// Session is the session that was opened, as the evidence says: for readers, and
// for users who run the release with the same options.
type Session struct {
	Runtime string            `json:"runtime"` // with its version
	Library string            `json:"library"` // sha256 of the runtime's shared library
	Device  providers.Device  `json:"device"`
	Options providers.Options `json:"options"`
}

// PlacementSummary is for readers; judged values are in the findings. Shares are
// between 0 and 1.
type PlacementSummary struct {
	Tokens     int      `json:"tokens"`
	Nodes      int      `json:"nodes"`
	NodeShare  float64  `json:"node_share"` // on the provider that claims the work
	FLOPs      float64  `json:"flops"`      // of one text, of every provider
	FLOPsShare float64  `json:"flops_share"`
	TimeShare  float64  `json:"time_share"`
	Elsewhere  []string `json:"elsewhere,omitempty"` // on other providers: "Cast ×2 on CPUExecutionProvider"
}

// WorthSummary is for readers; judged values are in the findings.
type WorthSummary struct {
	Tokens  int     `json:"tokens"`
	Against string  `json:"against"` // "cpu × fp32"
	Speedup float64 `json:"speedup"` // median over the rounds of the other's time by this one's
	Won     int     `json:"won"`     // rounds
	Rounds  int     `json:"rounds"`
}

// LatencySummary is for readers; judged values are in the findings.
type LatencySummary struct {
	evidence.LatencyPoint
	N          int     `json:"n"`
	Planned    int     `json:"planned,omitempty"` // samples, where the limit ended them before; 0: all N
	EffectiveN float64 `json:"effective_n"`
	P50NS      int64   `json:"p50_ns"`
	P95NS      int64   `json:"p95_ns"`
	P99NS      int64   `json:"p99_ns"`
}

// ParitySummary is for readers; judged values are in the findings.
type ParitySummary struct {
	Texts      int     `json:"texts"`
	MinCosine  float64 `json:"min_cosine"`
	MeanCosine float64 `json:"mean_cosine"`
	MaxAbs     float64 `json:"max_abs"`
	WorstText  string  `json:"worst_text"` // id of the golden text with the lowest cosine
	RankTopK   float64 `json:"rank_top_k"`
	Spearman   float64 `json:"spearman"`
}

// Verdict is the gate's result. It depends only on policy, golden, candidate and
// evidence.
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

	Digest string `json:"-"` // sha256 of the file's bytes, set by Read
}

// SelfTestPassed reports whether the gate gave every case of the self-test its
// expected result. If not, the gate is broken and its verdict means nothing.
func (v Verdict) SelfTestPassed() bool {
	for _, f := range v.SelfTest {
		if f.Result != Pass {
			return false
		}
	}
	return len(v.SelfTest) > 0
}
