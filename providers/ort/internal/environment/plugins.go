package environment

import (
	"fmt"
	"strings"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/providers"
)

// DeviceOption is the one provider option that is embedgate's own: which kind
// of device ("cpu", "gpu" or "npu") of a plugin's is taken. Without it, it is
// the first that the plugin lists.
const DeviceOption = "embedgate.device"

// Devices returns the provider's devices that a session is to use. It registers
// the plugin library of a provider that has one, unless this process has done so
// already. For another provider they are what the runtime lists, or none.
func Devices(e providers.Entry, plugin string, o map[string]string) ([]ort.EpDevice, error) {
	if e.Attach == providers.AttachPlugin {
		if err := registerPlugin(e, plugin); err != nil {
			return nil, err
		}
	}
	all, err := ort.GetEpDevices()
	if err != nil {
		return nil, fmt.Errorf("list ONNX Runtime's devices: %w", err)
	}
	var own []ort.EpDevice
	var others []string
	for _, d := range all {
		if d.EpName() == e.EP {
			own = append(own, d)
		} else {
			others = append(others, d.EpName())
		}
	}
	if e.Attach != providers.AttachPlugin {
		return own, nil
	}
	if len(own) == 0 {
		return nil, &fault.Error{Kind: fault.Missing, Thing: "provider " + e.Name,
			Got:    "a plugin library that offers no device of " + e.EP + " on this machine, only " + strings.Join(others, ", "),
			Wanted: e.Needs, Next: e.Remedy}
	}
	return deviceOfKind(e, own, o[DeviceOption])
}

func deviceOfKind(e providers.Entry, devices []ort.EpDevice, kind string) ([]ort.EpDevice, error) {
	if kind == "" {
		return devices[:1], nil
	}
	process.Lock()
	api := process.loaded.API
	process.Unlock()
	var seen []string
	for _, d := range devices {
		k, _, err := api.Device(d)
		if err != nil {
			return nil, err
		}
		if k == kind {
			return []ort.EpDevice{d}, nil
		}
		seen = append(seen, k)
	}
	return nil, &fault.Error{Kind: fault.Missing, Thing: "provider " + e.Name + ", option " + DeviceOption, Got: kind,
		Wanted: "one of the devices that it offers here: " + strings.Join(seen, ", "), Next: "leave it out, or name one of these"}
}

func registerPlugin(e providers.Entry, plugin string) error {
	bad := func(got string, err error) error {
		return &fault.Error{Kind: fault.Missing, Thing: "plugin library of provider " + e.Name, Got: got,
			Wanted: "the library of " + e.Source.Package + " " + e.Source.Version, Next: "embedgate doctor says which one is used and how to get it", Err: err}
	}
	if plugin == "" {
		return bad("none", nil)
	}
	if err := checkComplete(plugin); err != nil {
		return bad(plugin+", which cannot be read", err)
	}
	process.Lock()
	defer process.Unlock()
	switch process.plugins[e.Name] {
	case plugin:
		return nil
	case "":
	default:
		return &fault.Error{Kind: fault.Usage, Thing: "plugin library of provider " + e.Name, Got: "a second one in one process",
			Wanted: process.plugins[e.Name], Next: "open it in a process of its own"}
	}
	if err := ort.RegisterExecutionProviderLibrary(e.Name, plugin); err != nil {
		return bad("a library that does not register", err)
	}
	if process.plugins == nil {
		process.plugins = map[string]string{}
	}
	process.plugins[e.Name] = plugin
	return nil
}

// CompleteDevice adds to a device what the runtime knows of it.
func CompleteDevice(known providers.Device, devices []ort.EpDevice) providers.Device {
	process.Lock()
	defer process.Unlock()
	if len(devices) == 0 {
		return known
	}
	kind, vendor, err := process.loaded.API.Device(devices[0])
	if err != nil {
		return known // the session is usable; the evidence then lacks the vendor
	}
	if known.Vendor == "" {
		known.Vendor = vendor
	}
	if known.Name == "" {
		known.Name = strings.TrimSpace(vendor + " " + kind)
	}
	return known
}
