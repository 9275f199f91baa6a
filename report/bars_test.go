package report

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestABarIsHeldOrNamed(t *testing.T) {
	var b strings.Builder
	require.NoError(t, Bars(&b, []Bar{
		{What: "under a ceiling", Measured: 0.9, Unit: "×", Limit: 0.94},
		{What: "over a ceiling", Measured: 0.95, Unit: "×", Limit: 0.94},
		{What: "over a floor", Measured: 0.98, AtLeast: true, Limit: 0.97},
		{What: "under a floor", Measured: 0.5, AtLeast: true, Limit: 0.97},
		{What: "gone", Missing: true},
	}, Options{}))
	out := b.String()
	assert.Regexp(t, `under a ceiling +│ 0.9 × +│ ≤ 0.94 × +│ held`, out)
	assert.Regexp(t, `over a ceiling .*over the bar`, out)
	assert.Regexp(t, `over a floor .*≥ 0.97 +│ held`, out)
	assert.Regexp(t, `under a floor .*under the bar`, out)
	assert.Regexp(t, `gone +│ not reported .*missing`, out)
	assert.Contains(t, out, "2 of 5 bars held")
}
