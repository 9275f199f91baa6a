package capi

import (
	"fmt"
	"reflect"
	"unsafe"
)

// PrivateHandle follows pointers in private fields of onnxruntime_go's types. A
// version of it with other names is an error and not an invalid pointer.
func PrivateHandle(of any, fields ...string) (unsafe.Pointer, error) {
	v := reflect.ValueOf(of)
	for _, name := range fields {
		if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
			return nil, fmt.Errorf("onnxruntime_go's %T is not what this program was built for", of)
		}
		if v = v.Elem().FieldByName(name); !v.IsValid() {
			return nil, fmt.Errorf("onnxruntime_go's %T has no %s in this version", of, name)
		}
	}
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return nil, fmt.Errorf("onnxruntime_go's %T is not open", of)
	}
	return v.UnsafePointer(), nil
}
