package placement_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/gate/gatetest"
	"github.com/embedgate/embedgate/validate/validatetest"
	"github.com/embedgate/embedgate/validate/verdict"
)

func TestWorkThatCoreMLPlannedForTheCPUIsNotCoreMLsGPU(t *testing.T) {
	on := func(device string) func(i int, op *providers.PlannedOp) {
		return func(_ int, op *providers.PlannedOp) { op.Device = device }
	}
	for name, c := range map[string]struct {
		units   string // of MLComputeUnits; "": the catalogue's, CPUAndGPU
		change  func(i int, op *providers.PlannedOp)
		devices verdict.Result
		says    string
	}{
		"all on the GPU":                   {"", on("gpu"), verdict.Pass, "100.00 % of 4 products of matrices on gpu"},
		"all on the CPU":                   {"", on("cpu"), verdict.Fail, "0.00 %"},
		"all on the neural engine":         {"", on("ane"), verdict.Fail, "0.00 %"},
		"the neural engine, as was wanted": {"CPUAndNeuralEngine", on("ane"), verdict.Pass, "on ane"},
		"either, as was wanted":            {"ALL", func(i int, op *providers.PlannedOp) { op.Device = []string{"gpu", "ane"}[i%2] }, verdict.Pass, "on gpu or ane"},
		"the CPU, where all was wanted":    {"ALL", on("cpu"), verdict.Fail, "0.00 %"},
		"the CPU, as was wanted":           {"CPUOnly", on("cpu"), verdict.Pass, "on cpu"},
		"one product on the CPU": {"", func(i int, op *providers.PlannedOp) {
			if i == 0 {
				op.Device = "cpu"
			}
		}, verdict.Fail, "75.00 %"},
		"a cheap product on the CPU": {"", func(i int, op *providers.PlannedOp) {
			if i == 0 {
				op.Device, op.Cost = "cpu", 1e-6
			}
		}, verdict.Pass, "99.99 %"},
		"no product on the CPU": {"", func(_ int, op *providers.PlannedOp) {
			if !strings.HasSuffix(op.Op, ".linear") {
				op.Device = "cpu"
			}
		}, verdict.Pass, "100.00 %"},
		"without estimates they count": {"", func(i int, op *providers.PlannedOp) {
			op.Cost = 0
			if i == 0 {
				op.Device = "cpu"
			}
		}, verdict.Fail, "75.00 %"},
	} {
		t.Run(name, func(t *testing.T) {
			in := validatetest.SmallInput(t)
			if c.units != "" {
				p := in.Policy.Providers["coreml"]
				p.Options = map[string]string{"MLComputeUnits": c.units}
				in.Policy.Providers["coreml"] = p
			}
			e := validatetest.Cloned(validatetest.EvidenceFor(t, in, "coreml", "fp32"))
			for i := range e.Planned {
				c.change(i, &e.Planned[i])
			}
			in.Evidence = append(in.Evidence, e)
			row := validatetest.RowOf(t, gatetest.Gate(t, in), "coreml", "fp32")
			f := validatetest.Item(t, row, "placement", "devices")
			assert.Equal(t, c.devices, f.Result, f.Measured)
			assert.Contains(t, f.Measured, c.says)
			assert.Equal(t, c.devices, row.Result, "%v", validatetest.Failures(row))
			if c.devices == verdict.Fail {
				assert.Contains(t, f.Next, "its own compiler planned ios17.linear on ")
			}
		})
	}
}

func TestAPlanOfDevicesMustBeThereAndWhole(t *testing.T) {
	for name, c := range map[string]struct {
		provider string
		spoil    func(*evidence.Evidence)
		says     string
	}{
		"none":                            {"coreml", func(e *evidence.Evidence) { e.Planned = nil }, "was given 4 products of matrices, and its plan of devices has 0"},
		"one product left out":            {"coreml", func(e *evidence.Evidence) { e.Planned = e.Planned[1:] }, "its plan of devices has 3"},
		"an unknown device":               {"coreml", func(e *evidence.Evidence) { e.Planned[0].Device = "quantum" }, `planned for "quantum"`},
		"a negative cost":                 {"coreml", func(e *evidence.Evidence) { e.Planned[0].Cost = -1 }, "at a cost of -1"},
		"an operation of none":            {"coreml", func(e *evidence.Evidence) { e.Planned[0].Op = "" }, `an operation ""`},
		"too many":                        {"coreml", func(e *evidence.Evidence) { e.Planned = slices.Repeat(e.Planned[:1], 100_001) }, "a plan of 100001 operations"},
		"from a provider that makes none": {"cuda", func(e *evidence.Evidence) { e.Planned = goodCoreMLPlan() }, "which cuda does not make"},
	} {
		t.Run(name, func(t *testing.T) {
			in := validatetest.SmallInput(t)
			e := validatetest.Cloned(validatetest.EvidenceFor(t, in, c.provider, "fp32"))
			c.spoil(&e)
			in.Evidence = append(in.Evidence, e)
			f := validatetest.Item(t, validatetest.RowOf(t, gatetest.Gate(t, in), c.provider, "fp32"), "placement", "record")
			assert.Equal(t, verdict.Fail, f.Result)
			assert.Contains(t, f.Measured, c.says)
		})
	}
}

func goodCoreMLPlan() []providers.PlannedOp {
	return []providers.PlannedOp{{Op: "ios17.linear", Device: "gpu", Cost: 1}}
}
