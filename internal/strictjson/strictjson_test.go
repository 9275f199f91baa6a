package strictjson

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

type file struct {
	A int            `json:"a"`
	M map[string]int `json:"m"`
	L []file         `json:"l"`
}

func TestDecode(t *testing.T) {
	var f file
	require.NoError(t, Decode([]byte(` {"a": 1, "m": {"a": 2}, "l": [{"a": 3}, {"a": 4}]}`+"\n"), &f))
	require.Equal(t, file{A: 1, M: map[string]int{"a": 2}, L: []file{{A: 3}, {A: 4}}}, f)
}

func TestDecodeRefuses(t *testing.T) {
	for name, c := range map[string]struct{ in, says string }{
		"nothing":                    {"", "unexpected EOF"},
		"half of it":                 {`{"a": 1`, "unexpected EOF"},
		"an unknown key":             {`{"b": 1}`, `unknown field "b"`},
		"a key twice":                {`{"a": 1, "a": 2}`, `key "a" appears twice`},
		"a key twice in two cases":   {`{"a": 1, "A": 2}`, `key "a" appears twice`},
		"a key twice, written \\u":   {`{"a": 1, "\u0061": 2}`, `key "a" appears twice`},
		"a key twice in a map":       {`{"m": {"x": 1, "x": 2}}`, `key "x" appears twice`},
		"a key twice in a list":      {`{"l": [{"a": 1, "a": 2}]}`, `key "a" appears twice`},
		"a second value":             {`{}{}`, "got more after"},
		"rubbish behind the value":   {`{} x`, "got more after"},
		"a wrong type":               {`{"a": "1"}`, `"a": got a string at byte 9, wanted a whole number`},
		"nested deep":                {strings.Repeat("[", 100) + strings.Repeat("]", 100), "nested more than 64"},
		"nested too deep to recurse": {strings.Repeat("[", 1<<20), "nested more than 64"},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorContains(t, Decode([]byte(c.in), new(file)), c.says)
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"a": 1, "m": {"a": 2}, "l": [{"a": 3}]}`))
	f.Add([]byte(`{"a": 1, "A": 2}`))
	f.Add([]byte(`[[[`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var v file
		if Decode(data, &v) != nil {
			return
		}
		var same file
		require.NoError(t, json.Unmarshal(data, &same))
		require.Equal(t, same, v)
	})
}
