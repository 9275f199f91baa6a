package placement

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/embedgate/embedgate/providers"
)

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

// ReadComputePlan reads what ONNX Runtime's CoreML provider writes to stderr with
// the option ProfileComputePlan, which a recorded session of coreml has: after
// a log's usual beginning,
//
//	Operation: ios17.linear, Device Usage: <MLGPUComputeDevice: 0x6000…>, Estimated Cost: 0.012346
//
// The format string is in the library itself; the text has not been seen on
// hardware yet. Other lines are skipped, and so are operations without a device,
// which CoreML has folded away. A line that begins so and continues otherwise is
// an error: a device must not be guessed.
func ReadComputePlan(stderr io.Reader) ([]providers.PlannedOp, error) {
	var all []providers.PlannedOp
	for r := bufio.NewReaderSize(stderr, maxPlanLine); ; {
		line, err := wholeLine(r)
		if _, rest, ok := bytes.Cut(line, []byte("Operation: ")); ok {
			if errors.Is(err, bufio.ErrBufferFull) {
				return nil, fmt.Errorf("CoreML's compute plan: the line of operation %.80q is too long", rest)
			}
			op, err := plannedOp(string(bytes.TrimRight(rest, "\r\n")))
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
		switch {
		case err == io.EOF:
			return all, nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return nil, fmt.Errorf("CoreML's compute plan: %w", err)
		}
	}
}

// wholeLine reads a line, or with bufio.ErrBufferFull the beginning of one that
// is too long; the rest of it is skipped.
func wholeLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, err
	}
	begins := bytes.Clone(line)
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = r.ReadSlice('\n')
	}
	if err != nil && err != io.EOF {
		return begins, err
	}
	return begins, bufio.ErrBufferFull // the next read returns the end again
}

func plannedOp(s string) (providers.PlannedOp, error) {
	name, rest, ok1 := strings.Cut(s, ", Device Usage: ")
	device, cost, ok2 := strings.Cut(rest, ", Estimated Cost: ")
	share, err := strconv.ParseFloat(strings.TrimSpace(cost), 64)
	if !ok1 || !ok2 || name == "" || err != nil || !(share >= 0) || share > 1e6 {
		return providers.PlannedOp{}, fmt.Errorf("got %.200q, wanted an operation, its device and its cost", s)
	}
	op := providers.PlannedOp{Op: name, Cost: share}
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
