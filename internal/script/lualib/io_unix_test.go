//go:build unix

package lualib

import (
	"path/filepath"
	"syscall"
	"testing"
)

// A script that opened a pipe would wait for the other end.
func TestPipe(t *testing.T) {
	v, dir := fileVM(t, Options{}, nil)
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	v.want(`return select(2, io.open("pipe"))`, "pipe: not a regular file")
	v.want(`return select(2, io.open("pipe", "w"))`, "pipe: not a regular file")
}
