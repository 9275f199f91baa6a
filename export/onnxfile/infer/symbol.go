package infer

import (
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// Unknown stands for a size, or an integer, that the file does not give. The
// smallest integer of all is taken: exporters write it for "from the start".
const Unknown = math.MinInt64 + 1

// maxExpression bounds a symbolic size. Exporters write "12*batch".
const maxExpression = 256

// maxParentheses bounds parentheses inside parentheses.
const maxParentheses = 32

// parseSize reads one dimension of a value: a number, a symbol that axes knows, or
// sums, differences, products and floor divisions of those, as exporters write
// them ("12*batch", "sequence + 1"). Anything else is Unknown.
func parseSize(dim string, axes map[string]int64) int64 {
	if n, err := strconv.ParseInt(dim, 10, 64); err == nil {
		return sizeOrUnknown(n)
	}
	if n, ok := axes[dim]; ok {
		return n
	}
	if len(dim) > maxExpression {
		return Unknown
	}
	e := &expression{rest: dim, axes: axes}
	n := e.sum(0)
	if e.space(); e.rest != "" {
		return Unknown
	}
	return sizeOrUnknown(n)
}

// sizeOrUnknown is n, or Unknown where n is negative.
func sizeOrUnknown(n int64) int64 {
	if n < 0 {
		return Unknown
	}
	return n
}

type expression struct {
	rest string
	axes map[string]int64
}

func (e *expression) space() { e.rest = strings.TrimLeft(e.rest, " ") }

func (e *expression) take(s string) bool {
	e.space()
	rest, ok := strings.CutPrefix(e.rest, s)
	if ok {
		e.rest = rest
	}
	return ok
}

func (e *expression) sum(depth int) int64 {
	v := e.product(depth)
	for {
		switch {
		case e.take("+"):
			v = add(v, e.product(depth))
		case e.take("-"):
			v = sub(v, e.product(depth))
		default:
			return v
		}
	}
}

func (e *expression) product(depth int) int64 {
	v := e.atom(depth)
	for {
		switch {
		case e.take("//"):
			v = floorDiv(v, e.atom(depth))
		case e.take("*"):
			v = mul(v, e.atom(depth))
		default:
			return v
		}
	}
}

func (e *expression) atom(depth int) int64 {
	if depth > maxParentheses {
		e.rest = "too deep"
		return Unknown
	}
	if e.take("(") {
		v := e.sum(depth + 1)
		if !e.take(")") {
			return Unknown
		}
		return v
	}
	e.space()
	end := strings.IndexAny(e.rest, " +-*/()")
	if end < 0 {
		end = len(e.rest)
	}
	word := e.rest[:end]
	e.rest = e.rest[end:]
	if n, err := strconv.ParseInt(word, 10, 64); err == nil {
		return n
	}
	if n, ok := e.axes[word]; ok && word != "" {
		return n
	}
	return Unknown
}

// add, sub, mul and floorDiv are Unknown where an operand is, or where the
// result does not fit.
func add(a, b int64) int64 {
	c := a + b
	if a == Unknown || b == Unknown || (a^c)&(b^c) < 0 { // the sum's sign is neither operand's
		return Unknown
	}
	return c
}

func sub(a, b int64) int64 {
	if b == Unknown || b == math.MinInt64 {
		return Unknown
	}
	return add(a, -b)
}

func mul(a, b int64) int64 {
	if a == Unknown || b == Unknown {
		return Unknown
	}
	negative := (a < 0) != (b < 0)
	hi, lo := bits.Mul64(magnitude(a), magnitude(b))
	if hi != 0 || lo > math.MaxInt64 {
		return Unknown
	}
	if negative {
		return -int64(lo)
	}
	return int64(lo)
}

func floorDiv(a, b int64) int64 {
	if a == Unknown || b == Unknown || b == 0 || a == math.MinInt64 {
		return Unknown
	}
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

func magnitude(v int64) uint64 {
	if v < 0 {
		return uint64(-v)
	}
	return uint64(v)
}
