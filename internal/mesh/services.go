package mesh

import (
	"errors"
	"fmt"
	"strings"
)

// services is the handler whose messages name applications: "" is the root, others are like /Games/chess.
const services = "."

// maxPath is the longest path of an application that is accepted, in bytes.
const maxPath = 1024

// maxPaths is how many applications one message names, pathsEach how many a link names per second.
const (
	maxPaths  = 1024
	pathsEach = 100
)

func appendServices(b []byte, paths ...string) []byte {
	for _, p := range paths {
		b = appendText(b, p)
	}
	return b
}

// parseServices reads the paths. Those that are not safe are left out; err then names the first of them.
func parseServices(b []byte) (paths []string, err error) {
	for n := 0; len(b) > 0; n++ {
		if n == maxPaths {
			return paths, fmt.Errorf("list of more than %d applications: the rest is left out", maxPaths)
		}
		p, rest, cut := cutText(b)
		if cut != nil {
			return paths, fmt.Errorf("list of applications: %w", cut)
		}
		b = rest
		if bad := checkPath(p); bad == nil {
			paths = append(paths, p)
		} else if err == nil {
			err = fmt.Errorf("application %.80q: %w", p, bad)
		}
	}
	return paths, err
}

var errPath = errors.New("this is not the path of an application")

// checkPath accepts what cannot lead out of the folder of the applications.
func checkPath(p string) error {
	if p == "" {
		return nil
	}
	if len(p) > maxPath || p[0] != '/' || strings.ContainsAny(p, "\\\x00:") {
		return errPath
	}
	for part := range strings.SplitSeq(p[1:], "/") {
		if part == "" || part == "." || part == ".." {
			return errPath
		}
	}
	return nil
}
