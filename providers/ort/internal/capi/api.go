package capi

/*
#include <stddef.h>
#include <stdint.h>

// The start of ONNX Runtime's C interface. OrtApi is a table of functions that
// only ever grows at its end; the numbers below are places in it, and a test
// compares them with the header.
typedef struct {
	const void *const *(*get_api)(uint32_t version);
	const char *(*get_version)(void);
} api_base;

enum {
	fn_GetErrorMessage = 2,
	fn_ReleaseStatus = 93,
	fn_GetAvailableProviders = 125,
	fn_ReleaseAvailableProviders = 126,
	fn_HardwareDevice_Type = 307,
	fn_HardwareDevice_Vendor = 309,
	fn_EpDevice_Device = 316,
	fn_Session_GetEpGraphAssignmentInfo = 407,
	fn_EpAssignedSubgraph_GetEpName = 408,
	fn_EpAssignedSubgraph_GetNodes = 409,
	fn_EpAssignedNode_GetName = 410,
	fn_EpAssignedNode_GetDomain = 411,
	fn_EpAssignedNode_GetOperatorType = 412,
};

static const void *const *eg_api(void *get_base, uint32_t version) {
	const api_base *base = ((const api_base *(*)(void))get_base)();
	return base ? base->get_api(version) : NULL;
}

static const char *eg_message(const void *const *api, void *status) {
	return ((const char *(*)(const void *))api[fn_GetErrorMessage])(status);
}

static void eg_release(const void *const *api, void *status) {
	((void (*)(void *))api[fn_ReleaseStatus])(status);
}

static void *eg_providers(const void *const *api, char ***names, int *n) {
	return ((void *(*)(char ***, int *))api[fn_GetAvailableProviders])(names, n);
}

static void *eg_release_providers(const void *const *api, char **names, int n) {
	return ((void *(*)(char **, int))api[fn_ReleaseAvailableProviders])(names, n);
}

// eg_list calls a function that gives the items of a thing.
static void *eg_list(const void *const *api, int fn, const void *of, const void *const **items, size_t *n) {
	return ((void *(*)(const void *, const void *const **, size_t *))api[fn])(of, items, n);
}

// eg_text calls a function that gives a string of a thing.
static void *eg_text(const void *const *api, int fn, const void *of, const char **text) {
	return ((void *(*)(const void *, const char **))api[fn])(of, text);
}

static const void *eg_device(const void *const *api, const void *ep_device) {
	return ((const void *(*)(const void *))api[fn_EpDevice_Device])(ep_device);
}

static int eg_device_type(const void *const *api, const void *device) {
	return ((int (*)(const void *))api[fn_HardwareDevice_Type])(device);
}

static const char *eg_device_vendor(const void *const *api, const void *device) {
	return ((const char *(*)(const void *))api[fn_HardwareDevice_Vendor])(device);
}
*/
import "C"

import (
	"errors"
	"fmt"
	"strings"
	"unsafe"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/embedgate/embedgate/providers"
)

// apiVersion is the first version of the interface that tells which provider
// got which node.
const apiVersion = 24

// API is the loaded library's C interface, for what onnxruntime_go has no
// wrapper for.
type API struct{ table *unsafe.Pointer }

func Open(library string) (API, error) {
	get, err := symbol(library, "OrtGetApiBase")
	if err != nil {
		return API{}, err
	}
	t := C.eg_api(get, apiVersion)
	if t == nil {
		return API{}, fmt.Errorf("it has no version %d of the C interface", apiVersion)
	}
	return API{t}, nil
}

func (a API) check(status unsafe.Pointer) error {
	if status == nil {
		return nil
	}
	defer C.eg_release(a.table, status)
	return errors.New(C.GoString(C.eg_message(a.table, status)))
}

func (a API) list(fn C.int, of unsafe.Pointer) ([]unsafe.Pointer, error) {
	var items *unsafe.Pointer
	var n C.size_t
	if err := a.check(C.eg_list(a.table, fn, of, &items, &n)); err != nil || n == 0 {
		return nil, err
	}
	return unsafe.Slice(items, int(n)), nil
}

func (a API) text(fn C.int, of unsafe.Pointer) (string, error) {
	var s *C.char
	if err := a.check(C.eg_text(a.table, fn, of, &s)); err != nil || s == nil {
		return "", err
	}
	return strings.ToValidUTF8(C.GoString(s), "\uFFFD"), nil
}

// BuiltInProviders is which providers the library was built with.
func (a API) BuiltInProviders() ([]string, error) {
	var names **C.char
	var n C.int
	if err := a.check(C.eg_providers(a.table, &names, &n)); err != nil || n <= 0 {
		return nil, err
	}
	var all []string
	for _, s := range unsafe.Slice(names, int(n)) {
		all = append(all, strings.ToValidUTF8(C.GoString(s), "\uFFFD"))
	}
	return all, a.check(C.eg_release_providers(a.table, names, n))
}

// Assigned is which provider got which nodes of a session that was made with
// session.record_ep_graph_assignment_info.
func (a API) Assigned(session *ort.DynamicAdvancedSession) ([]providers.Subgraph, error) {
	p, err := PrivateHandle(session, "s", "ortSession")
	if err != nil {
		return nil, err
	}
	list, err := a.list(C.fn_Session_GetEpGraphAssignmentInfo, p)
	if err != nil {
		return nil, err
	}
	all := make([]providers.Subgraph, len(list))
	for i, sub := range list {
		if all[i].EP, err = a.text(C.fn_EpAssignedSubgraph_GetEpName, sub); err != nil {
			return nil, err
		}
		nodes, err := a.list(C.fn_EpAssignedSubgraph_GetNodes, sub)
		if err != nil {
			return nil, err
		}
		all[i].Nodes = make([]providers.Node, len(nodes))
		for j, n := range nodes {
			if all[i].Nodes[j], err = a.node(n); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

func (a API) node(p unsafe.Pointer) (n providers.Node, err error) {
	name, err1 := a.text(C.fn_EpAssignedNode_GetName, p)
	domain, err2 := a.text(C.fn_EpAssignedNode_GetDomain, p)
	op, err3 := a.text(C.fn_EpAssignedNode_GetOperatorType, p)
	return providers.Node{Name: name, Domain: domain, Op: op}, errors.Join(err1, err2, err3)
}

// Device says what hardware stands behind an EpDevice.
func (a API) Device(d ort.EpDevice) (kind, vendor string, err error) {
	p, err := PrivateHandle(&d, "p")
	if err != nil {
		return "", "", err
	}
	h := C.eg_device(a.table, p)
	if h == nil {
		return "", "", nil
	}
	kinds := []string{"cpu", "gpu", "npu"}
	if t := int(C.eg_device_type(a.table, h)); t >= 0 && t < len(kinds) {
		kind = kinds[t]
	}
	return kind, C.GoString(C.eg_device_vendor(a.table, h)), nil
}
