package ort

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// PlannedOp is one operation of a CoreML program and the device that CoreML
// prefers for it.
type PlannedOp struct {
	Op     string  `json:"op"`     // CoreML's name: "ios17.linear"
	Device string  `json:"device"` // "cpu", "gpu" or "ane"
	Cost   float64 `json:"cost"`   // CoreML's estimate of its share of the work, 0 to 1
}

// What a compute plan may hold: a program of this program's models has some
// hundred operations.
const (
	maxPlanLine = 4 << 10 // bytes
	maxPlanned  = 100_000
)

// planDevices are CoreML's classes of devices.
var planDevices = []struct{ class, device string }{
	{"MLCPUComputeDevice", "cpu"}, {"MLGPUComputeDevice", "gpu"}, {"MLNeuralEngineComputeDevice", "ane"},
}

// ComputePlan reads what ONNX Runtime's CoreML provider writes to stderr with
// the option ProfileComputePlan, which a recorded session of coreml has: after
// a log's usual beginning,
//
//	Operation: ios17.linear, Device Usage: <MLGPUComputeDevice: 0x6000…>, Estimated Cost: 0.012346
//
// The format string is in the library itself; the text has not been seen on
// hardware yet. Other lines are passed over, as are operations without a device,
// which CoreML has folded away. A line that begins so and goes on otherwise is
// an error: no device must be guessed.
func ComputePlan(stderr io.Reader) ([]PlannedOp, error) {
	var all []PlannedOp
	s := bufio.NewScanner(stderr)
	s.Buffer(nil, maxPlanLine)
	for s.Scan() {
		_, rest, ok := strings.Cut(s.Text(), "Operation: ")
		if !ok {
			continue
		}
		op, err := plannedOp(rest)
		if err != nil {
			return nil, fmt.Errorf("CoreML's compute plan: %w", err)
		}
		if op.Device != "" {
			all = append(all, op)
		}
		if len(all) > maxPlanned {
			return nil, fmt.Errorf("CoreML's compute plan: more than %d operations", maxPlanned)
		}
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("CoreML's compute plan: %w", err)
	}
	return all, nil
}

func plannedOp(s string) (PlannedOp, error) {
	name, rest, ok1 := strings.Cut(s, ", Device Usage: ")
	device, cost, ok2 := strings.Cut(rest, ", Estimated Cost: ")
	share, err := strconv.ParseFloat(strings.TrimSpace(cost), 64)
	if !ok1 || !ok2 || name == "" || err != nil || !(share >= 0) || share > 1e6 {
		return PlannedOp{}, fmt.Errorf("got %.200q, wanted an operation, its device and its cost", s)
	}
	op := PlannedOp{Op: name, Cost: share}
	if device == "(null)" {
		return op, nil
	}
	for _, d := range planDevices {
		if strings.HasPrefix(device, "<"+d.class) {
			op.Device = d.device
			return op, nil
		}
	}
	return op, fmt.Errorf("got device %.200q of %s, wanted a CPU, a GPU or a neural engine", device, name)
}
