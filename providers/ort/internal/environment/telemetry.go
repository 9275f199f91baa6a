package environment

import (
	"fmt"
	"os"
)

// telemetryVar switches ONNX Runtime's telemetry off. From 1.29 on the official
// libraries for Linux and macOS send events to Microsoft, write a device's id
// and a queue of events below the user's cache directory, and do both before
// DisableTelemetryEvents can be called: it wants an environment that exists.
// The variable is read when the environment is made (docs/Privacy.md of ONNX
// Runtime; pull request 27379). Windows has only DisableTelemetryEvents.
const telemetryVar = "ORT_DISABLE_TELEMETRY"

// disableTelemetry switches telemetry off for this process, whatever its user
// set. It must come before the library is loaded. With cgo, Setenv sets the variable
// that C reads, too.
func disableTelemetry() error {
	if err := os.Setenv(telemetryVar, "1"); err != nil {
		return fmt.Errorf("set %s: %w", telemetryVar, err)
	}
	return nil
}
