package candidate

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/embedgate/embedgate/export/onnxfile"
)

// What a manifest may hold. A model of sentence-transformers has some ten files.
const (
	maxFiles    = 1000
	maxVariants = 100
)

// modelName is what a variant's file may be called, fileName what the others.
// Both are plain on every system: no drive, no hidden file, no space.
var (
	modelName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.onnx$`)
	fileName  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}(/[A-Za-z0-9][A-Za-z0-9._-]{0,99}){0,3}$`)
)

// Carried reports whether a candidate has a copy of a source file: configuration
// and vocabulary, by the suffix of its name. Weights are in the variants,
// and code has no place in a candidate.
func Carried(name string) bool {
	switch path.Ext(name) {
	case ".json", ".txt", ".model":
		return fileName.MatchString(name) && name != ManifestName
	}
	return false
}

// checkNames refuses a file that is neither a variant's nor a Carried source
// file with the digest that source.files claims.
func (m Manifest) checkNames() error {
	if len(m.Files) > maxFiles || len(m.Variants) > maxVariants {
		return fmt.Errorf("files: got %d and %d variants, wanted at most %d and %d", len(m.Files), len(m.Variants), maxFiles, maxVariants)
	}
	variantOf := map[string]string{}
	for _, n := range slices.Sorted(maps.Keys(m.Variants)) {
		f := m.Variants[n].File
		if _, ok := m.Files[f]; !ok || !modelName.MatchString(f) {
			return fmt.Errorf("variants.%s: got file %q, wanted one of files, NAME.onnx", n, f)
		}
		if other, ok := variantOf[f]; ok {
			return fmt.Errorf("variants.%s: got file %q, which is %s's; wanted one of its own", n, f, other)
		}
		variantOf[f] = n
	}
	for _, name := range slices.Sorted(maps.Keys(m.Files)) {
		if variantOf[name] != "" {
			continue
		}
		claimed, ok := m.Source.Files[name]
		switch {
		case !filepath.IsLocal(filepath.FromSlash(name)) || strings.Contains(name, `\`) || name == ManifestName:
			return fmt.Errorf("files: got %q, wanted a path inside the candidate", name)
		case !Carried(name):
			return fmt.Errorf("files: got %q, wanted a variant's .onnx file, or a .json, .txt or .model file of the source", name)
		case !ok:
			return fmt.Errorf("files: got %q, which is no variant's and not in source.files; wanted one of them", name)
		case claimed != m.Files[name].SHA256:
			return fmt.Errorf("files: got %s with sha256 %s, wanted %s, as source.files says", name, m.Files[name].SHA256, claimed)
		}
	}
	return nil
}

// withSignatures returns variants with the signature and the opset of their files.
func withSignatures(dir string, variants map[string]Variant) (map[string]Variant, error) {
	out := map[string]Variant{}
	for _, n := range slices.Sorted(maps.Keys(variants)) {
		v := variants[n]
		if !modelName.MatchString(v.File) {
			return nil, fmt.Errorf("variant %s: got file %q, wanted NAME.onnx", n, v.File)
		}
		m, err := onnxfile.Read(filepath.Join(dir, v.File))
		if err != nil {
			return nil, err
		}
		v.Inputs, v.Outputs, v.Opset = tensors(m.Inputs), tensors(m.Outputs), int(m.Opsets[""])
		out[n] = v
	}
	return out, nil
}

func tensors(vs []onnxfile.Value) []Tensor {
	out := []Tensor{}
	for _, v := range vs {
		out = append(out, Tensor{Name: v.Name, Type: v.Type, Shape: slices.Clone(v.Shape)})
	}
	return out
}

// agrees compares what the manifest claims of a variant with its file: what is
// measured follows from these claims.
func (m Manifest) agrees(v Variant, file onnxfile.Model) error {
	same := func(a, b []Tensor) bool {
		return slices.EqualFunc(a, b, func(x, y Tensor) bool {
			return x.Name == y.Name && x.Type == y.Type && slices.Equal(x.Shape, y.Shape)
		})
	}
	inputs, outputs := tensors(file.Inputs), tensors(file.Outputs)
	switch {
	case !same(v.Inputs, inputs):
		return fmt.Errorf("got inputs %s, wanted %s, as %s claims", signature(inputs), signature(v.Inputs), ManifestName)
	case !same(v.Outputs, outputs):
		return fmt.Errorf("got outputs %s, wanted %s, as %s claims", signature(outputs), signature(v.Outputs), ManifestName)
	case file.Opsets[""] != int64(v.Opset):
		return fmt.Errorf("got opset %d, wanted %d, as %s claims", file.Opsets[""], v.Opset, ManifestName)
	case !slices.ContainsFunc(outputs, func(t Tensor) bool { return mayBeWide(t, m.Embedding.Dimension) }):
		return fmt.Errorf("got outputs %s, wanted one whose last axis is the embedding's %d", signature(outputs), m.Embedding.Dimension)
	case v.Forward == "foreign": // its user chose the class
		return nil
	}
	if err := weightsAgree(v.Precision, file); err != nil || v.Precision != INT8 {
		return err
	}
	return choicesAgree(v.Choices, file)
}

// mayBeWide reports whether a tensor's last axis is dim, or not fixed.
func mayBeWide(t Tensor, dim int) bool {
	if len(t.Shape) == 0 {
		return t.Shape == nil // the file gives no shape
	}
	n, err := strconv.Atoi(t.Shape[len(t.Shape)-1])
	return err != nil || n == dim
}

// weightsAgree compares a class with the types of numbers that a file's
// matrices have. It cannot know what a runtime computes with; that shows in
// the error that is measured.
func weightsAgree(class Precision, file onnxfile.Model) error {
	kinds := map[string]string{} // type → one tensor's name
	for _, t := range file.Initializers {
		if len(t.Dims) >= 2 {
			kinds[t.TypeName()] = t.Name
		}
	}
	has := func(types ...string) error {
		for _, typ := range types {
			if name, ok := kinds[typ]; ok {
				return fmt.Errorf("got tensor %q of %s, wanted none of it in a file of class %s", clip(name), typ, class)
			}
		}
		return nil
	}
	integers := []string{"int8", "uint8", "int4", "uint4", "int2", "uint2"}
	switch class {
	case FP32, FP32GPU, TF32:
		return has(append(integers, "float16", "bfloat16", "float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "float4e2m1")...)
	case FP16:
		if _, ok := kinds["float16"]; !ok {
			return errors.New("got no tensor of float16, wanted the weights of class fp16")
		}
		return has(integers...)
	case INT8:
		if kinds["int8"] == "" && kinds["uint8"] == "" {
			return errors.New("got no tensor of int8 or uint8, wanted the weights of class int8")
		}
	}
	return nil
}

// signature is tensors as shown: "input_ids int64[batch,sequence]".
func signature(ts []Tensor) string {
	var all []string
	for _, t := range ts {
		all = append(all, clip(t.Name+" "+t.Type+"["+strings.Join(t.Shape, ",")+"]"))
	}
	return clip(strings.Join(all, ", "))
}

// clip shortens a text of a hostile file.
func clip(s string) string {
	const most = 200
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
