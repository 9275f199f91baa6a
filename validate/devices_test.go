package validate

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/embedgate/embedgate/providers"
)

func TestWorkThatCoreMLPlannedForTheCPUIsNotCoreMLsGPU(t *testing.T) {
	on := func(device string) func(i int, op *providers.PlannedOp) {
		return func(_ int, op *providers.PlannedOp) { op.Device = device }
	}
	for name, c := range map[string]struct {
		units   string // of MLComputeUnits; "": the catalogue's, CPUAndGPU
		change  func(i int, op *providers.PlannedOp)
		devices Result
		says    string
	}{
		"all on the GPU":                   {"", on("gpu"), Pass, "100.00 % of 4 products of matrices on gpu"},
		"all on the CPU":                   {"", on("cpu"), Fail, "0.00 %"},
		"all on the neural engine":         {"", on("ane"), Fail, "0.00 %"},
		"the neural engine, as was wanted": {"CPUAndNeuralEngine", on("ane"), Pass, "on ane"},
		"either, as was wanted":            {"ALL", func(i int, op *providers.PlannedOp) { op.Device = []string{"gpu", "ane"}[i%2] }, Pass, "on gpu or ane"},
		"the CPU, where all was wanted":    {"ALL", on("cpu"), Fail, "0.00 %"},
		"the CPU, as was wanted":           {"CPUOnly", on("cpu"), Pass, "on cpu"},
		"one product on the CPU": {"", func(i int, op *providers.PlannedOp) {
			if i == 0 {
				op.Device = "cpu"
			}
		}, Fail, "75.00 %"},
		"one that costs nearly nothing on the CPU": {"", func(i int, op *providers.PlannedOp) {
			if i == 0 {
				op.Device, op.Cost = "cpu", 1e-6
			}
		}, Pass, "99.99 %"},
		"no product on the CPU": {"", func(_ int, op *providers.PlannedOp) {
			if productsOf(*op) == 0 {
				op.Device = "cpu"
			}
		}, Pass, "100.00 %"},
		"without estimates they count": {"", func(i int, op *providers.PlannedOp) {
			op.Cost = 0
			if i == 0 {
				op.Device = "cpu"
			}
		}, Fail, "75.00 %"},
	} {
		t.Run(name, func(t *testing.T) {
			in := smallInput(t)
			if c.units != "" {
				p := in.Policy.Providers["coreml"]
				p.Options = map[string]string{"MLComputeUnits": c.units}
				in.Policy.Providers["coreml"] = p
			}
			e := cloned(evidenceFor(t, in, "coreml", "fp32"))
			for i := range e.Planned {
				c.change(i, &e.Planned[i])
			}
			in.Evidence = append(in.Evidence, e)
			row := rowOf(t, gate(t, in), "coreml", "fp32")
			f := item(t, row, "placement", "devices")
			assert.Equal(t, c.devices, f.Result, f.Measured)
			assert.Contains(t, f.Measured, c.says)
			assert.Equal(t, c.devices, row.Result, "%v", failures(row))
			if c.devices == Fail {
				assert.Contains(t, f.Next, "its own compiler planned ios17.linear on ")
			}
		})
	}
}

func TestAPlanOfDevicesMustBeThereAndWhole(t *testing.T) {
	for name, c := range map[string]struct {
		provider string
		spoil    func(*Evidence)
		says     string
	}{
		"none":                   {"coreml", func(e *Evidence) { e.Planned = nil }, "was given 4 products of matrices, and its plan of devices has 0"},
		"one product left out":   {"coreml", func(e *Evidence) { e.Planned = e.Planned[1:] }, "its plan of devices has 3"},
		"an unknown device":      {"coreml", func(e *Evidence) { e.Planned[0].Device = "quantum" }, `planned for "quantum"`},
		"a negative cost":        {"coreml", func(e *Evidence) { e.Planned[0].Cost = -1 }, "at a cost of -1"},
		"an operation of none":   {"coreml", func(e *Evidence) { e.Planned[0].Op = "" }, `an operation ""`},
		"too many":               {"coreml", func(e *Evidence) { e.Planned = slices.Repeat(e.Planned[:1], maxRecorded+1) }, "a plan of 100001 operations"},
		"of one that makes none": {"cuda", func(e *Evidence) { e.Planned = goodCoreMLPlan() }, "which cuda does not make"},
	} {
		t.Run(name, func(t *testing.T) {
			in := smallInput(t)
			e := cloned(evidenceFor(t, in, c.provider, "fp32"))
			c.spoil(&e)
			in.Evidence = append(in.Evidence, e)
			f := item(t, rowOf(t, gate(t, in), c.provider, "fp32"), "placement", "record")
			assert.Equal(t, Fail, f.Result)
			assert.Contains(t, f.Measured, c.says)
		})
	}
	assert.Equal(t, 2, productsOf(providers.PlannedOp{Op: "ios18.scaled_dot_product_attention"}))
	assert.Equal(t, 0, productsOf(providers.PlannedOp{Op: "ios17.linear.softmax"}))
}

func goodCoreMLPlan() []providers.PlannedOp {
	return []providers.PlannedOp{{Op: "ios17.linear", Device: "gpu", Cost: 1}}
}
