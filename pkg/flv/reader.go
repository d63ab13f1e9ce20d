package flv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Header is what the head of a file announces. Live recordings often announce both kinds of media
// whatever follows.
type Header struct{ Audio, Video bool }

// ErrNotFLV is returned for input that does not start like an FLV file.
var ErrNotFLV = errors.New("flv: not an flv file")

// TruncatedError says that the input ended inside the header or a tag. Everything before was returned.
// It is an io.ErrUnexpectedEOF.
type TruncatedError struct {
	Offset int64 // where the incomplete part starts
	Left   int   // how many bytes of it there are
}

func (e *TruncatedError) Error() string {
	return fmt.Sprintf("flv: file ends inside a tag at offset %d, %d bytes left over", e.Offset, e.Left)
}

// Unwrap gives io.ErrUnexpectedEOF.
func (e *TruncatedError) Unwrap() error { return io.ErrUnexpectedEOF }

// Options of a Reader. The zero value is usual.
type Options struct {
	// MaxData is the longest body accepted, 0 = MaxData. A longer one is ErrTooLong.
	MaxData int
	// Reuse makes the body of a tag valid only until the next call of Next.
	Reuse bool
}

// Reader reads tags from a stream. It never reads past the tag that it returns, so that the last tag of a
// live input is not held back.
type Reader struct {
	r      io.Reader
	o      Options
	header Header
	err    error
	offset int64 // of what is to be read next
	opened bool  // header was read
	body   []byte
	head   [sizeSize + tagHeaderSize]byte
}

// NewReader makes a reader of r, which should be buffered: a tag takes two reads.
func NewReader(r io.Reader, o Options) *Reader {
	if o.MaxData <= 0 {
		o.MaxData = MaxData
	}
	return &Reader{r: r, o: o}
}

// Header reads the head of the file, unless that was done.
func (r *Reader) Header() (Header, error) {
	if !r.opened && r.err == nil {
		r.err = r.open()
	}
	if !r.opened {
		return Header{}, r.err
	}
	return r.header, nil
}

// open reads the header. Its size field allows for more than is known.
func (r *Reader) open() error {
	h := r.head[:headerSize]
	n, err := io.ReadFull(r.r, h)
	if err != nil {
		if n == 0 {
			return r.readError(err, n, fmt.Errorf("%w: empty", ErrNotFLV))
		}
		if string(h[:min(n, 3)]) != "FLV"[:min(n, 3)] {
			return r.readError(err, n, ErrNotFLV)
		}
		return r.readError(err, n, nil)
	}
	if string(h[:3]) != "FLV" {
		return ErrNotFLV
	}
	r.header = Header{Audio: h[4]&flagAudio != 0, Video: h[4]&flagVideo != 0}
	size := int64(binary.BigEndian.Uint32(h[5:]))
	if size < headerSize || size > headerSize+1<<16 {
		return fmt.Errorf("%w: header size %d", ErrNotFLV, size)
	}
	more, err := io.CopyN(io.Discard, r.r, size-headerSize)
	if err != nil {
		return r.readError(err, n+int(more), nil)
	}
	r.offset = size
	r.opened = true
	return nil
}

// readError turns the end of the input after n bytes of something into a TruncatedError, or into atEnd.
func (r *Reader) readError(err error, n int, atEnd error) error {
	if err != io.EOF && err != io.ErrUnexpectedEOF {
		return fmt.Errorf("flv: read: %w", err)
	}
	if atEnd != nil {
		return atEnd
	}
	t := &TruncatedError{Offset: r.offset, Left: n}
	if r.opened && n >= sizeSize { // the size of the tag before is whole
		t.Offset += sizeSize
		t.Left -= sizeSize
	}
	return t
}

// Offset is how many bytes of the input the header and the tags returned so far took, up to the size of
// the last tag.
func (r *Reader) Offset() int64 { return r.offset }

// Next returns the next tag, io.EOF after the last one, or a *TruncatedError when the input ends inside
// a tag. The size that follows a tag is not looked at: programs write it wrong, and it only serves to go
// backwards.
func (r *Reader) Next() (Tag, error) {
	if _, err := r.Header(); err != nil {
		return Tag{}, err
	}
	if r.err != nil {
		return Tag{}, r.err
	}
	t, err := r.tag()
	if err != nil {
		r.err = err
		return Tag{}, err
	}
	return t, nil
}

func (r *Reader) tag() (Tag, error) {
	n, err := io.ReadFull(r.r, r.head[:])
	if err != nil {
		// The last size may be missing altogether; a file without any tag is just as whole.
		if n == 0 || n == sizeSize {
			return Tag{}, r.readError(err, n, io.EOF)
		}
		return Tag{}, r.readError(err, n, nil)
	}
	h := r.head[sizeSize:]
	size := int(h[1])<<16 | int(h[2])<<8 | int(h[3])
	if size > r.o.MaxData {
		return Tag{}, fmt.Errorf("%w: %d bytes at offset %d", ErrTooLong, size, r.offset+sizeSize)
	}
	data, err := r.read(size)
	if err != nil {
		return Tag{}, r.readError(err, len(r.head)+len(data), nil)
	}
	r.offset += int64(len(r.head) + size)
	return Tag{
		Type:      TagType(h[0] & 0x1F),
		Encrypted: h[0]&flagEncrypted != 0,
		Time:      uint32(h[7])<<24 | uint32(h[4])<<16 | uint32(h[5])<<8 | uint32(h[6]),
		Data:      data,
	}, nil
}

// read reads a body of n bytes, or what there is of it. It takes memory for what has come, not for what
// is announced.
func (r *Reader) read(n int) ([]byte, error) {
	const step = 64 << 10
	var b []byte
	if r.o.Reuse {
		b = r.body[:0]
	}
	for len(b) < n {
		want := min(n-len(b), max(step, len(b), cap(b)-len(b)))
		if cap(b)-len(b) < want {
			grown := make([]byte, len(b), len(b)+want)
			copy(grown, b)
			b = grown
		}
		got, err := io.ReadFull(r.r, b[len(b):len(b)+want])
		b = b[:len(b)+got]
		if err != nil {
			return b, err
		}
	}
	if r.o.Reuse {
		r.body = b
	}
	return b, nil
}
