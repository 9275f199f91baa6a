package pipeline

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/providers"
)

// A policy's processors are checked where providers are not known.
func TestThePolicyTakesEveryProcessorThatCanBeEmulatedAndNoOther(t *testing.T) {
	for _, name := range append(providers.CPUNames(), "x86-64-v9") {
		_, err := policy.Parse("p", []byte("schema: 2\nproviders: {cpu: {portability: ["+name+"]}}\n"))
		assert.Error(t, err)
		assert.Equal(t, name == "x86-64-v9", strings.Contains(err.Error(), "portability"), "%s: %v", name, err)
	}
}
