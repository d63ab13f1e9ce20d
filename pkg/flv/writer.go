package flv

import (
	"fmt"
	"io"
)

// keepBuffer is the capacity above which a Writer does not keep its buffer.
const keepBuffer = 1 << 20

// Writer writes a file to a stream: the header with the first tag, each tag in one Write.
type Writer struct {
	w      io.Writer
	header Header
	buf    []byte
	opened bool
	err    error
}

// NewWriter makes a writer to w. Nothing is written yet.
func NewWriter(w io.Writer, h Header) *Writer { return &Writer{w: w, header: h} }

// WriteTag writes t, which it does not keep. After an error of the stream it returns that error for ever.
func (w *Writer) WriteTag(t Tag) error {
	if len(t.Data) > MaxData {
		return fmt.Errorf("%w: %d bytes", ErrTooLong, len(t.Data))
	}
	return w.write(func(b []byte) []byte { return AppendTag(b, t) })
}

// Flush writes the header of a file that has no tag yet.
func (w *Writer) Flush() error { return w.write(func(b []byte) []byte { return b }) }

func (w *Writer) write(appendTo func([]byte) []byte) error {
	if w.err != nil {
		return w.err
	}
	b := w.buf[:0]
	if !w.opened {
		b = AppendHeader(b, w.header)
		w.opened = true
	}
	if b = appendTo(b); len(b) == 0 {
		return nil
	}
	if cap(b) <= keepBuffer {
		w.buf = b
	}
	if _, err := w.w.Write(b); err != nil {
		w.err = fmt.Errorf("flv: write: %w", err)
	}
	return w.err
}
