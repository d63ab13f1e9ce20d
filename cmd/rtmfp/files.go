package main

import (
	"bufio"
	"io"
	"os"
)

// ioBuffer is the size of the buffer in front of a file.
const ioBuffer = 64 << 10

// openInput opens a file, or standard input for "-".
func (e *env) openInput(name string) (io.Reader, func(), error) {
	if name == "-" {
		return bufio.NewReaderSize(e.stdin, ioBuffer), func() {}, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	return bufio.NewReaderSize(f, ioBuffer), func() { f.Close() }, nil
}

// createOutput creates a file, or returns standard output for "-". It is not buffered: a player reads
// what arrives.
func (e *env) createOutput(name string) (io.Writer, func() error, error) {
	if name == "-" {
		return e.stdout, func() error { return nil }, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, nil, err
	}
	return f, f.Close, nil
}
