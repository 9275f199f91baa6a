package strictjson

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPlainNamesNoTypeOfGo(t *testing.T) {
	var v struct {
		Inner struct {
			S string         `json:"s"`
			N int            `json:"n"`
			U uint8          `json:"u"`
			F float64        `json:"f"`
			B bool           `json:"b"`
			L []string       `json:"l"`
			M map[string]int `json:"m"`
		} `json:"inner"`
	}
	for in, want := range map[string]string{
		`{"s": 1}`:        `"inner.s": got a number at byte 17, wanted a string`,
		`{"n": "1"}`:      `"inner.n": got a string at byte 19, wanted a whole number`,
		`{"n": 1.5}`:      `"inner.n": got the number 1.5 at byte 19, wanted a whole number`,
		`{"u": 300}`:      `"inner.u": got the number 300 at byte 19, wanted a whole number from 0`,
		`{"f": []}`:       `"inner.f": got an array at byte 17, wanted a number`,
		`{"b": {}}`:       `"inner.b": got an object at byte 17, wanted true or false`,
		`{"l": true}`:     `"inner.l": got true or false at byte 20, wanted an array`,
		`{"m": "x"}`:      `"inner.m": got a string at byte 19, wanted an object`,
		`{"m": {"a": 1,}`: `invalid character '}' looking for beginning of object key string`,
	} {
		require.EqualError(t, Plain(json.Unmarshal([]byte(`{"inner": `+in+`}`), &v)), want, in)
	}
	other := errors.New("another")
	require.Equal(t, other, Plain(other))
	require.NoError(t, Plain(nil))
}
