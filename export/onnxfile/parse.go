package onnxfile

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
)

// maxBytes is protobuf's own limit on one message.
const maxBytes = 2<<30 - 1

// maxDepth bounds graphs inside attributes inside graphs.
const maxDepth = 32

// maxCounted bounds nodes, their inputs and outputs, attributes, tensors, values
// and opsets together: each takes two bytes of a hostile file and a hundred of
// memory. A language model of many billion weights has some ten thousand.
const maxCounted = 1 << 19

// maxDims bounds the dimensions of one tensor or value, of which each takes two
// bytes of a hostile file and sixteen of memory. numpy allows as many.
const maxDims = 64

// Read parses the file at path and checks it. Its errors are *fault.Error of
// kind Usage that name the file.
func Read(path string) (Model, error) {
	m, _, err := ReadFile(path)
	return m, err
}

// ReadFile is Read, and returns the bytes that were parsed.
func ReadFile(path string) (Model, []byte, error) {
	b, err := files.ReadCappedLinked(path, maxBytes)
	if err != nil {
		return Model{}, nil, &fault.Error{Kind: fault.Usage, Thing: path, Wanted: "an ONNX file", Err: err}
	}
	m, err := Parse(b)
	if err == nil {
		err = Check(m)
	}
	if err != nil {
		return m, nil, &fault.Error{Kind: fault.Usage, Thing: path, Err: err, Next: "export the model again as one ONNX file with its weights inside"}
	}
	return m, b, nil
}

// errTruncated is the error for bytes that end too early or are no protobuf.
var errTruncated = errors.New("got bytes that end early or are no ONNX protobuf (a truncated download?), wanted a whole ONNX file")

// Parse reads an ONNX file's structure. It allocates no more than a small
// multiple of the number of nodes and tensors that the file really has.
func Parse(b []byte) (Model, error) {
	p := &parser{whole: b, m: Model{Opsets: map[string]int64{}, functions: map[string]bool{}}}
	graphs := 0
	err := fields(b, func(n protowire.Number, v value) error {
		switch n {
		case 1:
			p.m.IRVersion = int64(v.num)
		case 2:
			p.m.Producer = string(v.bytes)
		case 6:
			p.m.Metadata += len(v.bytes)
		case 7:
			graphs++
			return p.graph(v.bytes, 0)
		case 8:
			return p.opset(v.bytes)
		case 14:
			p.m.Metadata++
		case 25:
			p.m.Functions++
			return p.function(v.bytes)
		}
		return nil
	})
	if err != nil {
		return p.m, err
	}
	if graphs != 1 {
		return p.m, fmt.Errorf("got %d graphs, wanted 1: this is no ONNX model", graphs)
	}
	p.m.setDefaults()
	return p.m, nil
}

type parser struct {
	whole   []byte
	m       Model
	counted int
}

// count counts one more node, input, output, attribute, tensor or value.
func (p *parser) count() error {
	if p.counted++; p.counted > maxCounted {
		return fmt.Errorf("got over %d nodes, inputs, outputs, attributes, tensors and values, wanted fewer", maxCounted)
	}
	return nil
}

// value is a protobuf field's content: num for varints and fixed widths, bytes
// for the rest, a subslice of the file.
type value struct {
	num   uint64
	bytes []byte
	kind  protowire.Type
}

func fields(b []byte, f func(protowire.Number, value) error) error {
	for len(b) > 0 {
		n, t, w := protowire.ConsumeTag(b)
		if w < 0 {
			return errTruncated
		}
		b = b[w:]
		v := value{kind: t}
		switch t {
		case protowire.VarintType:
			v.num, w = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			var x uint32
			x, w = protowire.ConsumeFixed32(b)
			v.num = uint64(x)
		case protowire.Fixed64Type:
			v.num, w = protowire.ConsumeFixed64(b)
		case protowire.BytesType:
			v.bytes, w = protowire.ConsumeBytes(b)
		default:
			return errTruncated
		}
		if w < 0 {
			return errTruncated
		}
		b = b[w:]
		if err := f(n, v); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) opset(b []byte) error {
	if err := p.count(); err != nil {
		return err
	}
	var domain string
	var version int64
	err := fields(b, func(n protowire.Number, v value) error {
		switch n {
		case 1:
			domain = string(v.bytes)
		case 2:
			version = int64(v.num)
		}
		return nil
	})
	if domain == "ai.onnx" {
		domain = ""
	}
	p.m.Opsets[domain] = version
	return err
}

func (p *parser) function(b []byte) error {
	var name, domain string
	if err := p.count(); err != nil {
		return err
	}
	err := fields(b, func(n protowire.Number, v value) error {
		switch n {
		case 1:
			name = string(v.bytes)
		case 7:
			return p.node(v.bytes, 1) // inner, whatever it is called from
		case 10:
			domain = string(v.bytes)
		}
		return nil
	})
	p.m.functions[functionKey(domain, name)] = true
	return err
}

func (p *parser) graph(b []byte, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("got graphs nested over %d deep, wanted a model", maxDepth)
	}
	return fields(b, func(n protowire.Number, v value) error {
		switch n {
		case 1:
			return p.node(v.bytes, depth)
		case 5:
			_, err := p.tensor(v.bytes, depth > 0)
			return err
		case 10:
			p.m.Metadata += len(v.bytes)
		case 11, 12, 13:
			if depth > 0 {
				return nil
			}
			if err := p.count(); err != nil {
				return err
			}
			x, err := valueInfo(v.bytes)
			to := map[protowire.Number]*[]Value{11: &p.m.Inputs, 12: &p.m.Outputs, 13: &p.m.Values}[n]
			*to = append(*to, x)
			return err
		case 15:
			return p.sparse(v.bytes)
		case 16:
			p.m.Metadata++
		}
		return nil
	})
}

func (p *parser) node(b []byte, depth int) error {
	x := Node{Inner: depth > 0}
	if err := p.count(); err != nil {
		return err
	}
	err := fields(b, func(n protowire.Number, v value) error {
		switch n {
		case 1:
			x.Inputs = append(x.Inputs, string(v.bytes))
			return p.count()
		case 2:
			x.Outputs = append(x.Outputs, string(v.bytes))
			return p.count()
		case 3:
			x.Name = string(v.bytes)
		case 4:
			x.Op = string(v.bytes)
		case 5:
			a, err := p.attribute(v.bytes, depth)
			x.Attributes = append(x.Attributes, a)
			return err
		case 6:
			p.m.Metadata += len(v.bytes)
		case 7:
			x.Domain = string(v.bytes)
		case 9:
			p.m.Metadata++
		}
		return nil
	})
	p.m.Nodes = append(p.m.Nodes, x)
	return err
}

func (p *parser) sparse(b []byte) error {
	return fields(b, func(n protowire.Number, v value) error {
		if n == 1 || n == 2 {
			_, err := p.tensor(v.bytes, true)
			return err
		}
		return nil
	})
}

// offset is where part, a subslice of whole, begins in it.
func offset(whole, part []byte) int { return cap(whole) - cap(part) }

// repeated reads a repeated varint field, packed or not.
func repeated(v value, f func(uint64)) error {
	if v.kind != protowire.BytesType {
		f(v.num)
		return nil
	}
	for b := v.bytes; len(b) > 0; {
		x, w := protowire.ConsumeVarint(b)
		if w < 0 {
			return errTruncated
		}
		f(x)
		b = b[w:]
	}
	return nil
}
