package evidence

import (
	"os"
	"regexp"
	"strings"
)

// absolutePath is a path from a root with at least one folder in it: of Unix,
// of a Windows drive. What stands before it keeps a URL's from being one.
var absolutePath = regexp.MustCompile(`(^|[\s"'(=,;:\[])(?:[A-Za-z]:)?[/\\](?:[^\s"'/\\:,;()\[\]]+[/\\])+([^\s"'/\\:,;()\[\]]*)`)

// withoutPaths takes out of what a runtime or the system said the folders of
// this machine, which name its owner and tell others nothing: evidence is
// handed on and published. The last part of a path stays.
func withoutPaths(s string) string {
	// The home first, since it may hold spaces.
	if home, err := os.UserHomeDir(); err == nil && len(home) > 1 {
		s = strings.ReplaceAll(s, home, "~")
	}
	// Twice, since two paths may share the character between them.
	for range 2 {
		s = absolutePath.ReplaceAllString(s, "${1}…/${2}")
	}
	return s
}

// RemovePaths takes paths out of all in the evidence that was said in words.
func RemovePaths(ev *Evidence) {
	if n := ev.NotMeasured; n != nil {
		ev.NotMeasured = &NotMeasured{Reason: withoutPaths(n.Reason), Remedy: withoutPaths(n.Remedy)}
	}
	if c := ev.Crash; c != nil {
		scrubbed := *c
		scrubbed.Stderr = withoutPaths(c.Stderr)
		ev.Crash = &scrubbed
	}
}
