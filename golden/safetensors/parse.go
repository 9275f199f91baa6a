package safetensors

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/embedgate/embedgate/internal/fault"
)

// maxHeader is the largest header that is read, in bytes: some 40,000 tensors.
// The reference implementation reads 100 MB, and a hostile header of 16 MB takes
// longer than an answer may.
const maxHeader = 4 << 20

const (
	prefix  = 8 // bytes of the header's length
	metaKey = "__metadata__"
)

// Parse reads a file that lies in memory. The result aliases data, which must
// not change while the result is used. Every error is a fault of kind Usage.
func Parse(data []byte) (File, error) {
	if len(data) < prefix {
		return File{}, refuse("safetensors file", fmt.Sprintf("%d bytes", len(data)), "at least 8")
	}
	n := binary.LittleEndian.Uint64(data)
	if n > maxHeader {
		return File{}, refuse("safetensors header", fmt.Sprintf("%d bytes", n), fmt.Sprintf("at most %d", maxHeader))
	}
	if n > uint64(len(data)-prefix) {
		return File{}, refuse("safetensors header", fmt.Sprintf("a length of %d bytes in a file of %d", n, len(data)), "a header inside the file")
	}
	head, body := data[prefix:prefix+n], data[prefix+n:]
	if len(head) == 0 || head[0] != '{' {
		return File{}, refuse("safetensors header", "no JSON object at its start", "one")
	}
	// encoding/json would replace bad bytes in silence, and two names could
	// then be one.
	if !utf8.Valid(head) {
		return File{}, refuse("safetensors header", "invalid UTF-8", "JSON")
	}
	entries, meta, err := readHeader(head)
	if err != nil {
		return File{}, err
	}
	return assemble(entries, meta, body)
}

// entry is a header's line about one tensor, its offsets not yet checked.
type entry struct {
	Tensor
	begin, end uint64
}

// assemble checks that the entries cover body exactly, and gives each tensor its
// bytes.
func assemble(entries []entry, meta map[string]string, body []byte) (File, error) {
	slices.SortStableFunc(entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end), cmp.Compare(a.Name, b.Name))
	})
	f := File{Meta: meta, tensors: make([]Tensor, len(entries)), index: make(map[string]int, len(entries))}
	var at uint64
	for i, e := range entries {
		thing := fmt.Sprintf("safetensors tensor %q", clip(e.Name))
		if e.begin != at {
			return File{}, refuse(thing, fmt.Sprintf("bytes from %d", e.begin), fmt.Sprintf("from %d, without a hole or an overlap", at))
		}
		if e.end < e.begin || e.end > uint64(len(body)) {
			return File{}, refuse(thing, fmt.Sprintf("bytes %d to %d of %d", e.begin, e.end, len(body)), "offsets inside the file")
		}
		want, err := byteSize(e.DType, e.Shape)
		if err != nil {
			return File{}, refuse(thing, err.Error(), "a shape and type that are known")
		}
		if want != e.end-e.begin {
			return File{}, refuse(thing, fmt.Sprintf("%d bytes", e.end-e.begin), fmt.Sprintf("%d for %s %v", want, e.DType, e.Shape))
		}
		e.Data = body[e.begin:e.end:e.end]
		f.tensors[i], f.index[e.Name] = e.Tensor, i
		at = e.end
	}
	if at != uint64(len(body)) {
		return File{}, refuse("safetensors file", fmt.Sprintf("%d bytes that belong to no tensor", uint64(len(body))-at), "none")
	}
	return f, nil
}

// byteSize returns the number of bytes of a tensor.
func byteSize(dtype string, shape []int) (uint64, error) {
	n := uint64(elementSize(dtype))
	if n == 0 {
		return 0, fmt.Errorf("data type %q", clip(dtype))
	}
	for _, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("dimension %d", d)
		}
		if d > 0 && n > math.MaxInt64/uint64(d) {
			return 0, fmt.Errorf("shape %v, whose size overflows", shape[:min(len(shape), 8)])
		}
		n *= uint64(d)
	}
	return n, nil
}

// readHeader reads the JSON by tokens. Decoding into a struct would accept a key
// twice, in another case, or unknown.
func readHeader(head []byte) ([]entry, map[string]string, error) {
	d := json.NewDecoder(bytes.NewReader(head))
	d.UseNumber()
	var (
		entries []entry
		meta    map[string]string
	)
	err := object(d, func(key string) error {
		if key == metaKey {
			meta = map[string]string{}
			return object(d, func(k string) error {
				v, err := text(d)
				meta[k] = v
				return err
			})
		}
		e, err := readEntry(d)
		if err != nil {
			return fmt.Errorf("tensor %q: %w", clip(key), err)
		}
		e.Name = key
		entries = append(entries, e)
		return nil
	})
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something after the JSON object")
		}
	}
	if err != nil {
		return nil, nil, &fault.Error{Kind: fault.Usage, Thing: "safetensors header", Err: err}
	}
	return entries, meta, nil
}

func readEntry(d *json.Decoder) (entry, error) {
	var (
		e    entry
		seen int
	)
	err := object(d, func(key string) error {
		seen++
		switch key {
		case "dtype":
			s, err := text(d)
			e.DType = s
			return err
		case "shape":
			dims, err := numbers(d)
			for _, n := range dims {
				if n > math.MaxInt {
					return fmt.Errorf("dimension %d is too large", n)
				}
				e.Shape = append(e.Shape, int(n))
			}
			return err
		case "data_offsets":
			o, err := numbers(d)
			if err != nil {
				return err
			}
			if len(o) != 2 {
				return fmt.Errorf("%d data_offsets, wanted 2", len(o))
			}
			e.begin, e.end = o[0], o[1]
			return nil
		}
		return fmt.Errorf("unknown key %q", clip(key))
	})
	if err == nil && seen != 3 {
		err = errors.New("wanted dtype, shape and data_offsets")
	}
	return e, err
}

// object reads a JSON object whose keys are unique and calls one for each,
// which must read the value.
func object(d *json.Decoder, one func(key string) error) error {
	if err := delim(d, '{'); err != nil {
		return err
	}
	seen := map[string]bool{}
	for d.More() {
		key, err := text(d)
		if err != nil {
			return err
		}
		if seen[key] {
			return fmt.Errorf("key %q twice", clip(key))
		}
		seen[key] = true
		if err := one(key); err != nil {
			return err
		}
	}
	return delim(d, '}')
}

// numbers reads an array of unsigned integers.
func numbers(d *json.Decoder) ([]uint64, error) {
	if err := delim(d, '['); err != nil {
		return nil, err
	}
	var out []uint64
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		num, ok := t.(json.Number)
		if !ok {
			return nil, errors.New("wanted an integer")
		}
		n, err := strconv.ParseUint(num.String(), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s is no unsigned integer", clip(num.String()))
		}
		out = append(out, n)
	}
	return out, delim(d, ']')
}

func text(d *json.Decoder) (string, error) {
	t, err := d.Token()
	if err != nil {
		return "", err
	}
	s, ok := t.(string)
	if !ok {
		return "", errors.New("wanted a string")
	}
	return s, nil
}

func delim(d *json.Decoder, want json.Delim) error {
	t, err := d.Token()
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	if t != want {
		return fmt.Errorf("wanted %q", rune(want))
	}
	return nil
}

func refuse(thing, got, wanted string) error {
	return &fault.Error{Kind: fault.Usage, Thing: thing, Got: got, Wanted: wanted}
}

// clip shortens a hostile name for a message.
func clip(s string) string {
	if len(s) > 80 {
		return s[:77] + "..."
	}
	return s
}
