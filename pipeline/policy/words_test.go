package policy

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAWrongTypeIsToldWithoutGosNames(t *testing.T) {
	for in, want := range map[string]string{
		"schema: x":                             "got a text, wanted a whole number",
		"latency: {sampling_timeout: [1]}":      "got a list, wanted a time such as 20ms",
		"cold_start: {budget: 5}":               "got a whole number, wanted a time such as 20ms",
		"parity: {fp32: {min_cosine: a}}":       "got a text, wanted a number",
		"providers: {cpu: {io_binding: maybe}}": "got a text, wanted true or false",
		"model: {name: {a: 1}}":                 "got a mapping, wanted a text",
		"providers: {cpu: {variants: fp32}}":    "sequence",
	} {
		_, err := Parse("p.yaml", []byte(in+"\n"))
		for _, name := range []string{"Go ", "time.Duration", "float64", "int64", "[]interface", "Policy."} {
			assert.NotContains(t, err.Error(), name, in)
		}
		assert.ErrorContains(t, err, want, in)
	}
}
