package ort

import (
	"errors"
	"maps"
	"slices"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/embedgate/embedgate/providers"
)

// attachFunc tells ONNX Runtime to use a provider.
type attachFunc func(*ort.SessionOptions, target, map[string]string) error

var attachments = map[providers.Attach]attachFunc{
	providers.AttachNone: func(*ort.SessionOptions, target, map[string]string) error { return nil },
	providers.AttachByName: func(so *ort.SessionOptions, w target, o map[string]string) error {
		return so.AppendExecutionProvider(w.entry.Key, o)
	},
	providers.AttachCoreML: func(so *ort.SessionOptions, _ target, o map[string]string) error {
		return so.AppendExecutionProviderCoreMLV2(o)
	},
	providers.AttachPlugin: func(so *ort.SessionOptions, w target, o map[string]string) error {
		return so.AppendExecutionProviderV2(w.devices, o)
	},
	providers.AttachCUDA: func(so *ort.SessionOptions, _ target, o map[string]string) error { return appendCUDA(so, o) },
	providers.AttachTensorRT: func(so *ort.SessionOptions, _ target, o map[string]string) (err error) {
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
		// The nodes that TensorRT does not take stay on the same device.
		return appendCUDA(so, onlyKeys(o, "device_id"))
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

func onlyKeys(o map[string]string, keys ...string) map[string]string {
	kept := maps.Clone(o)
	maps.DeleteFunc(kept, func(k, _ string) bool { return !slices.Contains(keys, k) })
	return kept
}
