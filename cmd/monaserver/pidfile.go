package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// writePID writes the process id to a file, if one is wanted, and returns what removes it again.
func writePID(path string) (remove func(), err error) {
	if path == "" {
		return func() {}, nil
	}
	pid := strconv.Itoa(os.Getpid())
	if err := os.WriteFile(path, []byte(pid+"\n"), 0o644); err != nil {
		return nil, fmt.Errorf("--pidfile: %w", err)
	}
	return func() {
		// Another server may have taken the file over.
		if text, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(text)) == pid {
			_ = os.Remove(path) // nothing depends on it
		}
	}, nil
}
