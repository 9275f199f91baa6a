package golden

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/embedgate/embedgate/internal/strictjson"
)

// line is a line of texts.jsonl.
type line struct {
	ID     string  `json:"id"`
	Group  string  `json:"group"`
	Text   *string `json:"text"`
	Base64 *string `json:"base64"` // for bytes that are not UTF-8
	Pair   string  `json:"pair"`
	Role   string  `json:"role"`
}

// ParseTexts reads texts.jsonl: one JSON object a line, each with its own id. It
// is as strict as make_golden.py, so that both read the same texts.
func ParseTexts(b []byte) ([]Text, error) {
	var texts []Text
	seen := map[string]bool{}
	n := 0
	for raw := range bytes.Lines(b) {
		n++
		if n > maxTexts {
			return nil, fmt.Errorf("got over %d texts", maxTexts)
		}
		t, err := parseText(bytes.TrimSuffix(raw, []byte("\n")))
		if err == nil && seen[t.ID] {
			err = fmt.Errorf("got id %.80q again, wanted an id of its own", t.ID)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		seen[t.ID] = true
		texts = append(texts, t)
	}
	return texts, nil
}

func parseText(raw []byte) (Text, error) {
	// encoding/json would turn bad bytes into U+FFFD in silence.
	if !utf8.Valid(raw) {
		return Text{}, errors.New("got bytes that are not UTF-8, wanted them in base64")
	}
	if loneSurrogate(raw) {
		return Text{}, errors.New(`got half a surrogate pair, wanted the bytes in base64`)
	}
	var l line
	if len(bytes.TrimSpace(raw)) == 0 {
		return Text{}, errors.New("got an empty line, wanted a JSON object")
	}
	if err := strictjson.Decode(raw, &l); err != nil {
		return Text{}, err
	}
	t := Text{ID: l.ID, Group: l.Group, Pair: l.Pair, Role: l.Role}
	switch {
	case l.ID == "" || l.Group == "":
		return Text{}, fmt.Errorf("got id %.80q and group %.80q, wanted both", l.ID, l.Group)
	case (l.Text == nil) == (l.Base64 == nil):
		return Text{}, errors.New("wanted either text or base64")
	case (l.Pair == "") != (l.Role == "") || (l.Role != "" && !slices.Contains([]string{"anchor", "paraphrase", "near-miss"}, l.Role)):
		return Text{}, fmt.Errorf("got pair %.80q and role %.80q, wanted both or none; anchor, paraphrase or near-miss", l.Pair, l.Role)
	case l.Text != nil:
		t.Bytes = []byte(*l.Text)
	default:
		b, err := base64.StdEncoding.Strict().DecodeString(*l.Base64)
		if err != nil || base64.StdEncoding.EncodeToString(b) != *l.Base64 {
			return Text{}, errors.New("base64: got something else, wanted padded standard base64 without line breaks")
		}
		t.Bytes = b
	}
	return t, nil
}

// loneSurrogate reports whether a JSON text escapes half a surrogate pair, which
// encoding/json would read as U+FFFD and Python as no character at all.
func loneSurrogate(raw []byte) bool {
	pending := false // a high half waits for its low half
	for len(raw) > 0 {
		c := raw[0]
		if c != '\\' || len(raw) < 2 {
			if pending {
				return true
			}
			raw = raw[1:]
			continue
		}
		high, low := false, false
		size := 2
		if raw[1] == 'u' && len(raw) >= 6 {
			size = 6
			if raw[2] == 'd' || raw[2] == 'D' {
				switch raw[3] {
				case '8', '9', 'a', 'b', 'A', 'B':
					high = true
				case 'c', 'd', 'e', 'f', 'C', 'D', 'E', 'F':
					low = true
				}
			}
		}
		if pending != low {
			return true
		}
		pending = high
		raw = raw[size:]
	}
	return pending
}
