package validate

import (
	"errors"

	"github.com/embedgate/embedgate/export/onnxfile"
)

// costsOf and predict are the file's own arithmetic and what a provider would
// take of it.

func costsOf(m onnxfile.Model, tokens int) (map[string]float64, error) {
	if c, ok := any(m).(interface {
		Costs(rows, cols int) (map[string]float64, error)
	}); ok {
		return c.Costs(1, tokens)
	}
	return nil, errors.New("this build cannot count arithmetic")
}

func predict(string, onnxfile.Model) (Prediction, bool) { return Prediction{}, false }
