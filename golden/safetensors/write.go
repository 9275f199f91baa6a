package safetensors

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Write writes a file. The bytes depend on the tensors and meta alone, not on
// the order in which they are given: the widest data type comes first, so that
// every tensor is aligned, then the names decide, as in the reference
// implementation. A tensor whose data does not fit its shape, and a name that
// is empty, repeated, reserved or no UTF-8, is an error; nothing is written then.
func Write(w io.Writer, tensors []Tensor, meta map[string]string) error {
	order := slices.Clone(tensors)
	slices.SortFunc(order, func(a, b Tensor) int {
		return cmp.Or(-cmp.Compare(elementSize(a.DType), elementSize(b.DType)), strings.Compare(a.Name, b.Name))
	})
	head, err := header(order, meta)
	if err != nil {
		return err
	}
	if _, err := w.Write(head); err != nil {
		return fmt.Errorf("safetensors: write: %w", err)
	}
	for _, t := range order {
		if _, err := w.Write(t.Data); err != nil {
			return fmt.Errorf("safetensors: write: %w", err)
		}
	}
	return nil
}

// header returns the length, the JSON and its padding.
func header(order []Tensor, meta map[string]string) ([]byte, error) {
	var b bytes.Buffer
	b.Write(make([]byte, prefix))
	b.WriteByte('{')
	if len(meta) > 0 {
		for k, v := range meta {
			if !utf8.ValidString(k) || !utf8.ValidString(v) {
				return nil, fmt.Errorf("safetensors: metadata %q is no UTF-8", k)
			}
		}
		j, err := json.Marshal(meta) // sorts its keys
		if err != nil {
			return nil, fmt.Errorf("safetensors: metadata: %w", err)
		}
		fmt.Fprintf(&b, "%q:%s", metaKey, j)
	}
	seen := make(map[string]bool, len(order))
	var at uint64
	for _, t := range order {
		if t.Name == "" || t.Name == metaKey || seen[t.Name] || !utf8.ValidString(t.Name) {
			return nil, fmt.Errorf("safetensors: tensor name %q is empty, reserved, repeated or no UTF-8", t.Name)
		}
		seen[t.Name] = true
		n, err := byteSize(t.DType, t.Shape)
		if err != nil {
			return nil, fmt.Errorf("safetensors: tensor %q: %w", t.Name, err)
		}
		if n != uint64(len(t.Data)) {
			return nil, fmt.Errorf("safetensors: tensor %q: %d bytes of data, wanted %d for %s %v", t.Name, len(t.Data), n, t.DType, t.Shape)
		}
		name, err := json.Marshal(t.Name)
		if err != nil {
			return nil, fmt.Errorf("safetensors: tensor %q: %w", t.Name, err)
		}
		if b.Len() > prefix+1 {
			b.WriteByte(',')
		}
		shape := strings.ReplaceAll(strings.Trim(fmt.Sprint(t.Shape), "[]"), " ", ",")
		fmt.Fprintf(&b, `%s:{"dtype":"%s","shape":[%s],"data_offsets":[%d,%d]}`, name, t.DType, shape, at, at+n)
		at += n
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	if b.Len()-prefix > maxHeader {
		return nil, fmt.Errorf("safetensors: header of %d bytes, wanted at most %d", b.Len()-prefix, maxHeader)
	}
	binary.LittleEndian.PutUint64(b.Bytes(), uint64(b.Len()-prefix))
	return b.Bytes(), nil
}
