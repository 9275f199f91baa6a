package ort

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/ort/internal/modeltest"
)

func TestARecordSaysWhereEachNodeRanAndForHowLong(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	c := config(t, modeltest.Pooled().Write(t), handEmbedding(candidate.PoolMean, false))
	batches := []providers.Batch{padded, {Rows: 1, Cols: 7, IDs: make([]int64, 7), Mask: make([]int64, 7)}}
	all, err := Record(background, c, batches, 3)
	require.NoError(t, err)
	require.Len(t, all, len(batches))
	for i, p := range all {
		var ops []string
		for _, s := range p.Assigned {
			assert.Equal(t, "CPUExecutionProvider", s.EP)
			for _, n := range s.Nodes {
				ops = append(ops, n.Op)
			}
		}
		assert.ElementsMatch(t, []string{"Gather", "ReduceMean"}, ops)
		require.Len(t, p.Events, 2)
		rows, cols := int64(batches[i].Rows), int64(batches[i].Cols)
		gather := p.Events[0]
		assert.Equal(t, "Gather", gather.Op)
		assert.Equal(t, "CPUExecutionProvider", gather.EP)
		assert.Equal(t, [][]int64{{modeltest.Vocab, modeltest.Dim}, {rows, cols}}, gather.Inputs)
		assert.Equal(t, [][]int64{{rows, cols, modeltest.Dim}}, gather.Outputs)
		assert.Equal(t, 3, gather.Runs, "the warm-up is not counted")
		assert.GreaterOrEqual(t, gather.NS, int64(0))
	}
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	require.NoError(t, err)
	assert.Empty(t, left, "the profile is removed")
}

func TestARecordOfNoRunsStillSaysWhatWasAssigned(t *testing.T) {
	c := config(t, modeltest.Lookup().Write(t), handEmbedding(candidate.PoolMean, false))
	all, err := Record(background, c, []providers.Batch{padded}, 0)
	require.NoError(t, err)
	assert.Len(t, all[0].Assigned, 1)
	assert.Empty(t, all[0].Events)
}

func TestARecorderThatFailsLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	c := config(t, modeltest.Lookup().Write(t), handEmbedding(candidate.PoolMean, false))
	bad := padded
	bad.IDs = []int64{3, 5, 2, 7, 0, modeltest.Vocab}
	_, err := Record(background, c, []providers.Batch{bad}, 1)
	require.Error(t, err)
	c.Model = filepath.Join(t.TempDir(), "none.onnx")
	_, err = Record(background, c, nil, 1)
	require.ErrorContains(t, err, "no such file")
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	require.NoError(t, err)
	assert.Empty(t, left)
	process.Lock()
	defer process.Unlock()
	assert.Zero(t, process.live, "no session stays open")
}

func TestARecorderIsFinishedOnce(t *testing.T) {
	r, err := OpenRecorded(background, config(t, modeltest.Lookup().Write(t), handEmbedding(candidate.PoolMean, false)))
	require.NoError(t, err)
	assert.Equal(t, "cpu", r.Info().Provider)
	require.NoError(t, r.Run(background, padded, 1))
	_, err = r.Finish()
	require.NoError(t, err)
	_, err = r.Finish()
	assert.ErrorIs(t, err, providers.ErrClosed)
	assert.ErrorIs(t, r.Run(background, padded, 1), providers.ErrClosed)
	assert.NoError(t, r.Close())
}

// spoilt is a profile of one run of one node, with one thing replaced.
func spoilt(from, to string) string {
	return strings.Replace(`[{"cat":"Session","name":"model_run","ts":10,"dur":90,"args":{}},
{"cat":"Node","name":"a_kernel_time","ts":20,"dur":5,"args":{"op_name":"MatMul","provider":"X","input_type_shape":[{"float":[1,2]}],"output_type_shape":[{"float":[1]}]}}]`, from, to, 1)
}

func TestProfilesThatLieAreRefused(t *testing.T) {
	whole, err := parseProfile(strings.NewReader(spoilt("", "")))
	require.NoError(t, err)
	require.Equal(t, []providers.NodeEvent{{Name: "a", Op: "MatMul", EP: "X", Inputs: [][]int64{{1, 2}}, Outputs: [][]int64{{1}}, Runs: 1, NS: 5000}},
		whole.sum(0, 1))
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
			_, err := parseProfile(strings.NewReader(spoilt(c.from, c.to)))
			assert.ErrorContains(t, err, c.says)
		})
	}
}

func TestNodesBelongToTheRunInWhichTheyBegan(t *testing.T) {
	p := profile{runs: []span{{0, 10}, {20, 30}}}
	for at, ns := range map[int64]int64{5: 1, 15: 2, 25: 4, 30: 8} {
		p.nodes = append(p.nodes, executed{at, providers.NodeEvent{Name: "a", NS: ns, Runs: 1}})
	}
	assert.Equal(t, int64(1), p.sum(0, 1)[0].NS)
	assert.Equal(t, int64(12), p.sum(1, 2)[0].NS)
	assert.Equal(t, int64(13), p.sum(0, 2)[0].NS)
	assert.Empty(t, p.sum(1, 1))
}

func FuzzProfile(f *testing.F) {
	f.Add(spoilt("", ""))
	f.Add(spoilt("[1,2]", "[9223372036854775807,-1]"))
	f.Add("[]")
	f.Add(`[{"cat":"Node","name":"_kernel_time","args":null}]`)
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parseProfile(strings.NewReader(s))
		if err != nil {
			return
		}
		for _, e := range p.sum(0, len(p.runs)) {
			if e.Runs < 1 || e.NS < 0 || e.Op == "" || e.EP == "" {
				t.Errorf("%+v", e)
			}
		}
		_, err = json.Marshal(p.sum(0, len(p.runs)))
		require.NoError(t, err)
	})
}
