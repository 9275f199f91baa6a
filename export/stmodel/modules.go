package stmodel

import (
	"encoding/json"
	"io/fs"
	"slices"
	"strings"
)

// modules says where the modules after the Transformer lie.
type modules struct {
	pooling, normalize string // folders
	normalizes         bool
}

type module struct {
	Type json.RawMessage `json:"type"`
	Path json.RawMessage `json:"path"`
}

// readModules reads modules.json: a Transformer at the root, Pooling and
// perhaps Normalize, of sentence-transformers' own.
func readModules(d fs.FS) (m modules, err error) {
	var all []module
	if err := load(d, modulesFile, maxConfig, &all); err != nil {
		return m, err
	}
	var kinds []string
	for _, x := range all {
		k := kindOf(x)
		if k == "" {
			return m, refuse(modulesFile, "a module of type "+display(x.Type), "Transformer, Pooling and, where it is used, Normalize of sentence-transformers",
				"choose a model made of these; embedgate exports no other module yet")
		}
		kinds = append(kinds, k)
	}
	if !slices.Equal(kinds, []string{transformerModule, poolModule}) && !slices.Equal(kinds, []string{transformerModule, poolModule, normalizeModule}) {
		got := strings.Join(kinds, ", ")
		if got == "" {
			got = "none"
		}
		return m, refuse(modulesFile, "the modules "+got, "Transformer, Pooling and then perhaps Normalize", "choose a model made of these in this order")
	}
	var paths []string
	for _, x := range all {
		p, ok := text(x.Path)
		if !ok || strings.HasPrefix(p, "/") || strings.ContainsAny(p, `\:`) || slices.Contains(strings.Split(p, "/"), "..") {
			return m, refuse(modulesFile, "the module path "+display(x.Path), "a folder inside the model directory", fromRelease)
		}
		paths = append(paths, p)
	}
	if paths[0] != "" {
		return m, refuse(modulesFile, "a Transformer in the folder "+paths[0], "the Transformer at the root of the model directory", savedOnce)
	}
	m.pooling, m.normalizes = paths[1], len(paths) > 2
	if m.normalizes {
		m.normalize = paths[2]
	}
	return m, nil
}

const transformerModule, poolModule, normalizeModule = "Transformer", "Pooling", "Normalize"

// kindOf knows sentence-transformers' names of the three modules, which changed
// between its versions; "" for any other.
func kindOf(m module) string {
	full, _ := text(m.Type)
	rest, ok := strings.CutPrefix(full, "sentence_transformers.")
	if !ok {
		return ""
	}
	for _, name := range []string{transformerModule, poolModule, normalizeModule} {
		low := strings.ToLower(name)
		switch rest {
		case "models." + name, "models." + name + "." + name, "base.modules." + name, "base.modules." + low + "." + name,
			"sentence_transformer.modules." + name, "sentence_transformer.modules." + low + "." + name:
			return name
		}
	}
	return ""
}

// normalize refuses a Normalize that scales something else than the vector.
func normalize(d fs.FS, name string) error {
	c, err := loadObject(d, name, true)
	if err != nil {
		return err
	}
	for _, key := range []string{"module_input_name", "module_output_name"} {
		if s, _ := text(c[key]); !isNull(c[key]) && s != "sentence_embedding" {
			return refuse(name+" "+key, display(c[key]), "sentence_embedding", "choose a model that normalises its sentence vector")
		}
	}
	return nil
}
