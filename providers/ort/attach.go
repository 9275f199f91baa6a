package ort

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/providers"
)

// DeviceOption is the one provider option that is embedgate's own: which kind
// of device ("cpu", "gpu" or "npu") of a plugin's is taken. Without it, it is
// the first that the plugin lists.
const DeviceOption = "embedgate.device"

// attach tells ONNX Runtime to use a provider, by the way its entry names.
type attach func(*ort.SessionOptions, wish, map[string]string) error

var attachments = map[providers.Attach]attach{
	providers.AttachNone: func(*ort.SessionOptions, wish, map[string]string) error { return nil },
	providers.AttachByName: func(so *ort.SessionOptions, w wish, o map[string]string) error {
		return so.AppendExecutionProvider(w.entry.Key, o)
	},
	providers.AttachCoreML: func(so *ort.SessionOptions, _ wish, o map[string]string) error {
		return so.AppendExecutionProviderCoreMLV2(o)
	},
	providers.AttachPlugin: func(so *ort.SessionOptions, w wish, o map[string]string) error {
		return so.AppendExecutionProviderV2(w.devices, o)
	},
	providers.AttachCUDA: func(so *ort.SessionOptions, _ wish, o map[string]string) error { return appendCUDA(so, o) },
	providers.AttachTensorRT: func(so *ort.SessionOptions, _ wish, o map[string]string) (err error) {
		p, err := ort.NewTensorRTProviderOptions()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, p.Destroy()) }()
		if err := p.Update(o); err != nil {
			return err
		}
		if err := so.AppendExecutionProviderTensorRT(p); err != nil {
			return err
		}
		// What TensorRT does not take stays on the same device.
		return appendCUDA(so, only(o, "device_id"))
	},
}

func appendCUDA(so *ort.SessionOptions, o map[string]string) (err error) {
	p, err := ort.NewCUDAProviderOptions()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Destroy()) }()
	if err := p.Update(o); err != nil {
		return err
	}
	return so.AppendExecutionProviderCUDA(p)
}

func only(o map[string]string, keys ...string) map[string]string {
	kept := maps.Clone(o)
	maps.DeleteFunc(kept, func(k, _ string) bool { return !slices.Contains(keys, k) })
	return kept
}

// register registers a provider's plugin library, unless this process has it
// already, and returns the provider's devices that a session is to use. A
// provider that is no plugin has those that the runtime lists, or none.
func register(e providers.Entry, plugin string, o map[string]string) ([]ort.EpDevice, error) {
	if e.Attach == providers.AttachPlugin {
		if err := registerLibrary(e, plugin); err != nil {
			return nil, err
		}
	}
	all, err := ort.GetEpDevices()
	if err != nil {
		return nil, fmt.Errorf("list ONNX Runtime's devices: %w", err)
	}
	var mine []ort.EpDevice
	var others []string
	for _, d := range all {
		if d.EpName() == e.EP {
			mine = append(mine, d)
		} else {
			others = append(others, d.EpName())
		}
	}
	if e.Attach != providers.AttachPlugin {
		return mine, nil
	}
	if len(mine) == 0 {
		return nil, &fault.Error{Kind: fault.Missing, Thing: "provider " + e.Name,
			Got:    "a plugin library that offers no device of " + e.EP + " on this machine, only " + strings.Join(others, ", "),
			Wanted: e.Needs, Next: e.Remedy}
	}
	return choose(e, mine, o[DeviceOption])
}

func choose(e providers.Entry, devices []ort.EpDevice, kind string) ([]ort.EpDevice, error) {
	if kind == "" {
		return devices[:1], nil
	}
	process.Lock()
	api := process.loaded.api
	process.Unlock()
	var seen []string
	for _, d := range devices {
		k, _, err := api.device(d)
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

func registerLibrary(e providers.Entry, plugin string) error {
	bad := func(got string, err error) error {
		return &fault.Error{Kind: fault.Missing, Thing: "plugin library of provider " + e.Name, Got: got,
			Wanted: "the library of " + e.Source.Package + " " + e.Source.Version, Next: "embedgate doctor says which one is used and how to get it", Err: err}
	}
	if plugin == "" {
		return bad("none", nil)
	}
	if err := checkWhole(plugin); err != nil {
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

// deviceOf completes what is known of a device with what the runtime says.
func deviceOf(known providers.Device, devices []ort.EpDevice) providers.Device {
	process.Lock()
	defer process.Unlock()
	if len(devices) == 0 {
		return known
	}
	kind, vendor, err := process.loaded.api.device(devices[0])
	if err != nil {
		return known // the session is what matters; evidence then lacks the vendor
	}
	if known.Vendor == "" {
		known.Vendor = vendor
	}
	if known.Name == "" {
		known.Name = strings.TrimSpace(vendor + " " + kind)
	}
	return known
}
