package archtest

import (
	"fmt"
	"regexp"
	"strings"
)

// Longest files: a longer one has more than one concern.
const (
	maxLines     = 600
	maxTestLines = 900
)

// Sizes reports files that are too long to be read in one go.
func Sizes(t *Tree) []string {
	var bad []string
	for _, f := range t.Go {
		limit := maxLines
		if f.Test {
			limit = maxTestLines
		}
		if f.Lines > limit {
			bad = append(bad, fmt.Sprintf("%s: %d lines, at most %d", f.Path, f.Lines, limit))
		}
	}
	return bad
}

// homes are folders of people, found on one machine only.
var homes = regexp.MustCompile(`(?:^|[^\w./-])(/roo[t]/|/home/\w+/|/Users/\w+/|[A-Z]:\\Users\\\w+\\)`)

// MachinePaths reports paths that exist on one machine only; root is the absolute path of the repository.
func MachinePaths(t *Tree, root string) []string {
	var bad []string
	for _, f := range t.Texts {
		number := 0
		for line := range strings.Lines(f.Content) {
			number++
			if m := homes.FindStringSubmatch(line); m != nil {
				bad = append(bad, fmt.Sprintf("%s:%d: a path of one machine: %s", f.Path, number, m[1]))
			} else if root != "" && strings.Contains(line, root+"/") {
				bad = append(bad, fmt.Sprintf("%s:%d: the path of this repository: %s", f.Path, number, root))
			}
		}
	}
	return bad
}
