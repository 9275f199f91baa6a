package tokenize

// VocabSize is one more than the largest id.
func (t *Tokenizer) VocabSize() int { return t.size }
