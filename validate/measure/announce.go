package measure

import (
	"fmt"
	"strings"
	"time"

	"github.com/embedgate/embedgate/internal/text"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/evidence"
)

// announce says what will be measured, and that it may take long where that is
// known beforehand.
func announce(o Options, p evidence.Plan, d providers.Device) {
	what := fmt.Sprintf("%d texts, latency in %s", len(p.Texts), text.Plural(p.Launches, "process", "processes"))
	if p.Pairs != nil {
		what += fmt.Sprintf(", %s in turns with %s × %s", text.Plural(p.Pairs.Rounds, "round", "rounds"), p.Pairs.Provider, p.Pairs.Variant)
	}
	o.Progress.Say("%s × %s: %s", o.Provider, o.Variant, what)
	if d.Software {
		o.Progress.Say("%s × %s: software rendering%s: the CPU does the GPU's work, so this takes many minutes",
			o.Provider, o.Variant, named(d.Name))
	}
}

func named(device string) string {
	if device == "" {
		return ""
	}
	return " (" + device + ")"
}

// slowVectors is the time for the vectors from which on warnOfTime says
// something.
const slowVectors = 45 * time.Second

// warnOfTime says how long the rest may take, if the vectors took long. starts
// is the time that the other processes need to start.
func warnOfTime(o Options, p evidence.Plan, vectors, starts time.Duration) {
	if vectors < slowVectors {
		return
	}
	line := []string{fmt.Sprintf("%s × %s: slow: the vectors took %s", o.Provider, o.Variant, vectors.Round(time.Second))}
	if most := longestRest(p, vectors/time.Duration(passes*max(len(p.Texts), 1))); most > 0 {
		line = append(line, fmt.Sprintf("what follows takes about %s or less, since latency.sampling_timeout ends what is far too slow", (most+starts).Truncate(time.Minute)+time.Minute))
	} else {
		line = append(line, "latency.sampling_timeout in the policy would end what is far too slow")
	}
	o.Progress.Say("%s", strings.Join(line, "; "))
}

// passes is how often each text is embedded for the vectors: once alone, and
// once for each invariance run.
var passes = 1 + len(evidence.InvarianceRuns())

// longestRest returns how long the latency launches and the comparison may take
// without the starts of their processes, where one text takes the time one; 0:
// not known.
func longestRest(p evidence.Plan, one time.Duration) time.Duration {
	if p.LimitNS == 0 {
		return 0
	}
	limit := time.Duration(p.LimitNS)
	// Warm-up has a quarter of the samples' limit; the last of both passes it.
	launches := 0
	for _, pt := range p.Points {
		launches += p.LaunchesAt(pt)
	}
	n := (limit + limit/4 + 2*one) * time.Duration(launches)
	if p.Pairs != nil {
		n += (limit/2 + limit/8 + 2*one) * time.Duration(2*p.Pairs.Rounds*len(p.Pairs.Tokens))
	}
	return n
}
