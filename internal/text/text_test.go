package text

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestPercentRoundsDown(t *testing.T) {
	for share, want := range map[float64]string{
		0: "0.00 %", 0.29: "29.00 %", 0.07: "7.00 %", 0.12345: "12.34 %", 0.12349999: "12.34 %",
		0.99999999: "99.99 %", 0.9999: "99.99 %", math.Nextafter(1, 0): "100.00 %", 1: "100.00 %", 1.5: "150.00 %",
	} {
		assert.Equal(t, want, Percent(share), share)
	}
}

func TestPlural(t *testing.T) {
	assert.Equal(t, "0 texts", Plural(0, "text", "texts"))
	assert.Equal(t, "1 text", Plural(1, "text", "texts"))
	assert.Equal(t, "2 texts", Plural(2, "text", "texts"))
}
