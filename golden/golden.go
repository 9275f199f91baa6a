// Package golden reads the golden corpus: texts, token ids and float64 vectors
// that PyTorch computed from the pinned weights. It must not know providers,
// thresholds, or how ONNX is made; the exporter never writes here.
//
// In the built-in corpus the texts ladder-0008 to ladder-0512 have exactly that
// many tokens before truncation with [CLS] and [SEP] counted, as the model's
// limit counts them; ladder-0001 and ladder-0002 have one and two tokens besides
// these two.
package golden

// File names inside a golden directory.
const (
	TextsName    = "texts.jsonl"
	VectorsName  = "golden.safetensors"
	ManifestName = "golden.json"
)

// Text is one line of texts.jsonl.
type Text struct {
	ID    string // unique: "ladder-0128"
	Group string // "everyday", "ladder", …
	Bytes []byte // as given to an application; may be invalid UTF-8
	Pair  string // names a ranking case shared by its members; empty: none
	Role  string // in the pair: "anchor", "paraphrase" or "near-miss"
}

// State holds the output of each layer for one text, to find the layer that is
// wrong: the embeddings' first, then each encoder layer's.
type State struct {
	Text   int       // index into Set.Texts
	Layers int       // the number of the model's layers, plus one
	Values []float32 // Layers × len(Set.IDs[Text]) × Set.Dim
}

// Set is a golden directory, read and checked.
type Set struct {
	Model     string
	Dim       int
	Normalize bool   // whether the model normalises
	Pooling   string // "mean", "cls", "max"
	MaxTokens int
	Source    map[string]string // sha256 of the source files the vectors came from

	Texts  []Text
	IDs    [][]int64         // per text, [CLS] and [SEP] included
	Pooled []float64         // texts × Dim, before normalisation
	States []State           // of a few short texts, in their order
	Digest string            // sha256 of golden.json's bytes, which names the sha256 of the other two
	Files  map[string][]byte // the three files' bytes, by name
}

// Subset returns the set with the texts of these indices alone, in that order.
// Its Digest and Files are those of the whole set.
func (s Set) Subset(texts []int) Set {
	at := make(map[int]int, len(texts))
	all := s
	s.Texts, s.IDs, s.Pooled, s.States = nil, nil, nil, nil
	for k, i := range texts {
		at[i] = k
		s.Texts, s.IDs = append(s.Texts, all.Texts[i]), append(s.IDs, all.IDs[i])
		s.Pooled = append(s.Pooled, all.Pooled[i*s.Dim:(i+1)*s.Dim]...)
	}
	for _, state := range all.States {
		if k, ok := at[state.Text]; ok {
			state.Text = k
			s.States = append(s.States, state)
		}
	}
	return s
}
