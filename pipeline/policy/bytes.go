package policy

import (
	"fmt"
	"strconv"
	"strings"
)

// UnmarshalYAML reads "800MiB", "2GiB" or a plain number of bytes.
func (b *Bytes) UnmarshalYAML(raw []byte) error {
	s := strings.Trim(strings.TrimSpace(string(raw)), `"'`)
	num, shift := s, 0
	for suffix, n := range map[string]int{"KiB": 10, "MiB": 20, "GiB": 30} {
		if v, ok := strings.CutSuffix(s, suffix); ok {
			num, shift = strings.TrimSpace(v), n
		}
	}
	n, err := strconv.ParseInt(num, 10, 64)
	if err != nil || n < 0 || n > (1<<62)>>shift {
		return fmt.Errorf("got %q, wanted a size such as 600MiB", s)
	}
	*b = Bytes(n << shift)
	return nil
}
