package store

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

var (
	// plainPath is a path whose elements consist of ASCII letters, digits and
	// a few signs. Every file system takes them, and no two spell them
	// differently. Other letters can look alike, or are one name to a file
	// system.
	plainPath = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._@+-]*(/[A-Za-z0-9_][A-Za-z0-9._@+-]*)*$`)
	// device is a name that Windows keeps for a device, whatever follows a dot.
	device = regexp.MustCompile(`(?i)^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)`)
)

// maxElement is the longest name that common file systems take.
const maxElement = 255

// CheckPath refuses the name of a file that some system cannot hold, or holds
// under another name: a release is the same everywhere.
func CheckPath(f string) error {
	if !filepath.IsLocal(filepath.FromSlash(f)) || !plainPath.MatchString(f) {
		return fmt.Errorf("got the name %.200q, wanted a path inside the release, of ASCII letters, digits and . _ @ + -", f)
	}
	for element := range strings.SplitSeq(f, "/") {
		switch {
		case device.MatchString(element) || strings.HasSuffix(element, "."):
			return fmt.Errorf("got the name %.200q, wanted one that Windows takes: %q is a device or ends with a dot", f, element)
		case len(element) > maxElement:
			return fmt.Errorf("got the name %.200q…, wanted at most %d characters", f, maxElement)
		}
	}
	return nil
}

// CheckName refuses the name of a release that cannot be the name of one
// folder.
func CheckName(name string) error {
	if strings.Contains(name, "/") {
		return fmt.Errorf("got the name %.200q, wanted one without /", name)
	}
	return CheckPath(name)
}
