package publish

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

var (
	// plainPath is parts of letters, digits and a few signs: what every file
	// system takes and no two of them spell differently. Letters beyond ASCII
	// have twins: two names that look alike, or that a file system makes one.
	plainPath = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._@+-]*(/[A-Za-z0-9_][A-Za-z0-9._@+-]*)*$`)
	// device is a name that Windows keeps for a device, whatever follows a dot.
	device = regexp.MustCompile(`(?i)^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)`)
)

// longestPart is the longest name that common file systems take.
const longestPart = 255

// portable refuses the name of a file that some system cannot hold, or holds
// under another name: a release is the same everywhere.
func portable(f string) error {
	if !filepath.IsLocal(filepath.FromSlash(f)) || !plainPath.MatchString(f) {
		return fmt.Errorf("got the name %.200q, wanted a path inside the release, of ASCII letters, digits and . _ @ + -", f)
	}
	for part := range strings.SplitSeq(f, "/") {
		switch {
		case device.MatchString(part) || strings.HasSuffix(part, "."):
			return fmt.Errorf("got the name %.200q, wanted one that Windows takes: %q is a device or ends with a dot", f, part)
		case len(part) > longestPart:
			return fmt.Errorf("got the name %.200q…, wanted at most %d characters", f, longestPart)
		}
	}
	return nil
}
