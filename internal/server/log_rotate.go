package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// rotatingFile is the current file of a log that is kept in name.0 (current), name.1 … name.<rotation>, or, with
// rotation 0, in one file name. Only one goroutine uses it.
type rotatingFile struct {
	dir, name string
	rotation  int
	maxSize   int64 // 0 = never rotate

	f    *os.File
	size int64
}

func openRotating(dir, name string, rotation int, maxSize int64) (*rotatingFile, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	r := &rotatingFile{dir: dir, name: name, rotation: rotation, maxSize: maxSize}
	if err := r.open(); err != nil {
		return nil, err
	}
	return r, nil
}

// path is the place of the i-th file; 0 is the current one.
func (r *rotatingFile) path(i int) string {
	if r.rotation == 0 {
		return filepath.Join(r.dir, r.name)
	}
	return filepath.Join(r.dir, r.name+"."+strconv.Itoa(i))
}

// open continues the current file.
func (r *rotatingFile) open() error {
	f, err := os.OpenFile(r.path(0), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	r.f, r.size = f, info.Size()
	return nil
}

// Write appends one line; a line is never split over two files.
func (r *rotatingFile) Write(p []byte) (int, error) {
	var rotateErr error
	if r.rotation > 0 && r.maxSize > 0 && r.size > 0 && r.size+int64(len(p)) > r.maxSize {
		rotateErr = r.rotate()
	}
	if r.f == nil {
		if err := r.open(); err != nil {
			return 0, errors.Join(rotateErr, err)
		}
	}
	n, err := r.f.Write(p)
	r.size += int64(n)
	return n, errors.Join(rotateErr, err)
}

// rotate gives every file the next number and drops the last. When a file cannot be renamed the current one goes on.
func (r *rotatingFile) rotate() error {
	err := r.f.Close()
	r.f = nil
	for i := r.rotation - 1; i >= 0 && err == nil; i-- {
		err = os.Rename(r.path(i), r.path(i+1))
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	if err != nil {
		return fmt.Errorf("rotate: %w", err)
	}
	return nil
}

func (r *rotatingFile) Close() error {
	if r.f == nil {
		return nil
	}
	return r.f.Close()
}
