package evidence

import (
	"os"
	"regexp"
	"strings"
)

// absolutePath matches an absolute path of Unix or Windows with at least one
// folder in it. The character before it must not be one that a URL has there.
var absolutePath = regexp.MustCompile(`(^|[\s"'(=,;:\[])(?:[A-Za-z]:)?[/\\](?:[^\s"'/\\:,;()\[\]]+[/\\])+([^\s"'/\\:,;()\[\]]*)`)

// withoutPaths removes the folders of this machine from a message of a runtime
// or the system. They may contain a user's name, and evidence is passed on and
// published. The last element of a path stays.
func withoutPaths(s string) string {
	// The home folder first, since it may contain spaces.
	if home, err := os.UserHomeDir(); err == nil && len(home) > 1 {
		s = strings.ReplaceAll(s, home, "~")
	}
	// Twice, since two paths may have one character between them.
	for range 2 {
		s = absolutePath.ReplaceAllString(s, "${1}…/${2}")
	}
	return s
}

// RemovePaths removes paths from the messages in the evidence.
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
