package policy

import (
	"regexp"
	"strings"
)

// mismatch is how the YAML library reports a value of the wrong type: by Go's
// names, which mean nothing to the reader.
var mismatch = regexp.MustCompile(`cannot unmarshal (.+?) into Go (?:struct field \S+|value) of type (\S+)`)

// inWords writes such a mismatch in the words of YAML.
func inWords(message string) string {
	return mismatch.ReplaceAllStringFunc(message, func(s string) string {
		m := mismatch.FindStringSubmatch(s)
		return "got " + kindOf(m[1]) + ", wanted " + kindOf(m[2])
	})
}

func kindOf(goType string) string {
	switch t := strings.TrimLeft(goType, "*"); {
	case t == "time.Duration":
		return "a time such as 20ms"
	case t == "string":
		return "a text"
	case t == "bool":
		return "true or false"
	case strings.HasPrefix(t, "[]"):
		return "a list"
	case strings.HasPrefix(t, "map["):
		return "a mapping"
	case strings.HasPrefix(t, "int"), strings.HasPrefix(t, "uint"):
		return "a whole number"
	case strings.HasPrefix(t, "float"):
		return "a number"
	}
	return "another value"
}
