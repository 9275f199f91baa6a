package placement

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/providers"
)

// profileWith is a profile of one run of one node, with from replaced by to.
func profileWith(from, to string) string {
	return strings.Replace(`[{"cat":"Session","name":"model_run","ts":10,"dur":90,"args":{}},
{"cat":"Node","name":"a_kernel_time","ts":20,"dur":5,"args":{"op_name":"MatMul","provider":"X","input_type_shape":[{"float":[1,2]}],"output_type_shape":[{"float":[1]}]}}]`, from, to, 1)
}

func TestFalseProfilesAreRefused(t *testing.T) {
	whole, err := ReadProfile(strings.NewReader(profileWith("", "")))
	require.NoError(t, err)
	require.Equal(t, []providers.NodeEvent{{Name: "a", Op: "MatMul", EP: "X", Inputs: [][]int64{{1, 2}}, Outputs: [][]int64{{1}}, Runs: 1, NS: 5000}},
		whole.Sum(0, 1))
	for name, c := range map[string]struct{ from, to, says string }{
		"not JSON":             {"[{", "<html>", "no list"},
		"an object":            {"[{", `{"a":[{`, "no list"},
		"cut":                  {"]}}]", "]}}", "no end"},
		"cut in an event":      {`"args":{"op`, "", "event 1"},
		"a negative time":      {`"ts":20`, `"ts":-20`, "lasts"},
		"a negative duration":  {`"dur":5`, `"dur":-5`, "lasts"},
		"a time to overflow":   {`"dur":5`, `"dur":9223372036854775807`, "lasts"},
		"no operator":          {`"op_name":"MatMul",`, "", "names of both"},
		"no provider":          {`"provider":"X",`, "", "names of both"},
		"a name without end":   {`"MatMul"`, `"` + strings.Repeat("M", 1<<13) + `"`, "names of both"},
		"a negative dimension": {"[1,2]", "[1,-2]", "shape"},
		"two types of one":     {`{"float":[1,2]}`, `{"float":[1,2],"int64":[1]}`, "2 types"},
		"very many dimensions": {"[1,2]", "[" + strings.Repeat("1,", 99) + "1]", "shape"},
		"a shape of words":     {"[1,2]", `["batch"]`, "node"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadProfile(strings.NewReader(profileWith(c.from, c.to)))
			assert.ErrorContains(t, err, c.says)
		})
	}
}

func TestNodesBelongToTheRunInWhichTheyBegan(t *testing.T) {
	p := Profile{Runs: []span{{0, 10}, {20, 30}}}
	for at, ns := range map[int64]int64{5: 1, 15: 2, 25: 4, 30: 8} {
		p.nodes = append(p.nodes, executedNode{at, providers.NodeEvent{Name: "a", NS: ns, Runs: 1}})
	}
	assert.Equal(t, int64(1), p.Sum(0, 1)[0].NS)
	assert.Equal(t, int64(12), p.Sum(1, 2)[0].NS)
	assert.Equal(t, int64(13), p.Sum(0, 2)[0].NS)
	assert.Empty(t, p.Sum(1, 1))
}

func FuzzProfile(f *testing.F) {
	f.Add(profileWith("", ""))
	f.Add(profileWith("[1,2]", "[9223372036854775807,-1]"))
	f.Add("[]")
	f.Add(`[{"cat":"Node","name":"_kernel_time","args":null}]`)
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ReadProfile(strings.NewReader(s))
		if err != nil {
			return
		}
		for _, e := range p.Sum(0, len(p.Runs)) {
			if e.Runs < 1 || e.NS < 0 || e.Op == "" || e.EP == "" {
				t.Errorf("%+v", e)
			}
		}
		_, err = json.Marshal(p.Sum(0, len(p.Runs)))
		require.NoError(t, err)
	})
}
