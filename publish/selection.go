package publish

import "github.com/embedgate/embedgate/validate/verdict"

// Selected is one provider × variant of a release, as its verdict has it: the
// result, whether it is the best for that provider, and how it was run.
type Selected struct {
	Provider string           `json:"provider"`
	Variant  string           `json:"variant"`
	CPU      string           `json:"cpu,omitempty"` // another processor, emulated; "": the machine's own
	Required bool             `json:"required"`      // by the release's channel
	Result   verdict.Result   `json:"result"`
	Best     bool             `json:"best"` // the fastest of the provider's that passed
	Latency  []Timed          `json:"latency"`
	Session  *verdict.Session `json:"session"` // null where nothing was opened
	Why      []string         `json:"why"`     // what kept it from passing
}

// Timed is the latency of one length, text to vector.
type Timed struct {
	Tokens int   `json:"tokens"`
	Batch  int   `json:"batch"`
	P50NS  int64 `json:"p50_ns"`
	P95NS  int64 `json:"p95_ns"`
}

// selection makes the table of a verdict, from nothing else.
func selection(v verdict.Verdict) []Selected {
	all := []Selected{}
	for _, r := range v.Rows {
		s := Selected{
			Provider: r.Provider, Variant: r.Variant, CPU: r.CPU, Required: r.Required, Result: r.Result, Best: r.Best,
			Latency: []Timed{}, Session: r.Session, Why: append([]string{}, r.Why()...),
		}
		for _, l := range r.Latency {
			s.Latency = append(s.Latency, Timed{l.Tokens, l.Batch, l.P50NS, l.P95NS})
		}
		all = append(all, s)
	}
	return all
}
