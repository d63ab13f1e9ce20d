package mesh

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"sync/atomic"
)

// A frame is
//
//	size u32 | hlen u8 | name of hlen bytes, or for hlen 0 a number as VL | payload
//
// where size counts what follows it. Number n ≥ 1 stands for the n-th name of this direction; number 0 is a
// control message.
type frame struct {
	handler string // "" for a control message
	unknown uint32 // the number, when it stands for no name
	payload []byte // valid until the next frame is read
}

func (f *frame) control() bool { return f.handler == "" && f.unknown == 0 }

const (
	// maxNames and maxNameBytes bound the names of one direction.
	maxNames     = 1 << 14
	maxNameBytes = 1 << 20
	maxHandler   = 255 // bytes of a name
	nameOverhead = 48  // of a name, beside its bytes

	readBuffer = 32 << 10 // frames up to this long are not copied
	firstRead  = 64 << 10 // what is made room for before the bytes of a long frame are there
	largeFrame = 1 << 20  // a longer frame has a buffer of its own, one for each address
)

var (
	errNames           = protocolErrorf("more than %d names of functions", maxNames)
	errSentNames       = fmt.Errorf("this server called more than %d different functions of it", maxNames)
	errTLS       error = protocolError("the other server speaks TLS: servers.tls.* must be set on both or on none")
	errHeader    error = protocolError("a frame ends within its header")
)

// budget is memory that several links share.
type budget struct{ left atomic.Int64 }

func (b *budget) take(n int) bool {
	if b.left.Add(-int64(n)) >= 0 {
		return true
	}
	b.left.Add(int64(n))
	return false
}

func (b *budget) give(n int) { b.left.Add(int64(n)) }

// owe takes what may not be there; spent reports that nothing is left.
func (b *budget) owe(n int)   { b.left.Add(-int64(n)) }
func (b *budget) spent() bool { return b.left.Load() <= 0 }

// slot has the memory for one large frame at a time.
type slot interface {
	lock(bytes int) ([]byte, error)
	unlock(b []byte)
}

// anySlot has it for all.
type anySlot struct{}

func (anySlot) lock(bytes int) ([]byte, error) { return make([]byte, bytes), nil }
func (anySlot) unlock([]byte)                  {}

// frameReader reads the frames of one direction of a link.
type frameReader struct {
	r         *bufio.Reader
	max       int // size of a frame
	names     []string
	nameBytes int

	shared room
	slot   slot                  // nil = large frames are not limited
	keep   func(bytes int) error // charges names
	long   []byte                // the frame, when it is longer than the buffer of r
	taken  int                   // from shared, for long
	large  bool                  // long is from slot
	last   int                   // bytes of the last frame still in the buffer of r
	slow   func(bool)            // told around the reading of a long frame
	dump   dumpFunc              // nil = frames are not shown
}

func newFrameReader(r io.Reader, maxFrame int, shared room) *frameReader {
	return &frameReader{r: bufio.NewReaderSize(r, readBuffer), max: maxFrame, shared: shared, slot: anySlot{}, keep: func(int) error { return nil }, slow: func(bool) {}}
}

// next reads a frame. io.EOF means that the other side closed between two frames.
func (f *frameReader) next() (frame, error) {
	f.release()
	head, err := f.r.Peek(4)
	if err != nil {
		if len(head) > 0 && err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return frame{}, err
	}
	size := binary.BigEndian.Uint32(head)
	if uint64(size) > uint64(f.max) {
		if head[0] >= 20 && head[0] <= 23 && head[1] == 3 { // RFC 8446 §5.1
			return frame{}, errTLS
		}
		return frame{}, protocolErrorf("a message of %d bytes, at most %d are accepted", size, f.max)
	}
	b, err := f.body(int(size))
	if err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return frame{}, err
	}
	fr, err := f.parse(b)
	if f.dump != nil {
		f.dump(b[:len(b)-len(fr.payload)], fr.payload)
	}
	return fr, err
}

// release gives back what the last frame took.
func (f *frameReader) release() {
	_, _ = f.r.Discard(f.last) // it is in the buffer
	f.last = 0
	if f.taken > 0 {
		f.shared.give(f.taken)
	}
	if f.large {
		f.slot.unlock(f.long)
	}
	f.taken, f.large, f.long = 0, false, nil
}

func (f *frameReader) body(size int) ([]byte, error) {
	if 4+size <= f.r.Size() {
		b, err := f.r.Peek(4 + size)
		if err != nil {
			return nil, err
		}
		f.last = 4 + size
		return b[4:], nil
	}
	f.slow(true)
	defer f.slow(false)
	_, _ = f.r.Discard(4)
	for n := min(size, firstRead); ; n = min(size, 4*n) {
		if n > largeFrame {
			return f.largeBody(size)
		}
		if !f.shared.take(n) { // beside the old part, while that is copied
			return nil, errMemory
		}
		b := make([]byte, n)
		read := copy(b, f.long)
		f.shared.give(f.taken)
		f.long, f.taken = b, n
		if _, err := io.ReadFull(f.r, b[read:]); err != nil || n == size {
			return b, err
		}
	}
}

// largeBody goes on with a frame of which largeFrame bytes have come: now it is worth a buffer for the whole.
func (f *frameReader) largeBody(size int) ([]byte, error) {
	b, err := f.slot.lock(size)
	if err != nil {
		return nil, err
	}
	read := copy(b, f.long)
	f.shared.give(f.taken)
	f.long, f.taken, f.large = b, 0, true
	_, err = io.ReadFull(f.r, b[read:])
	return b, err
}

func (f *frameReader) parse(b []byte) (frame, error) {
	if len(b) == 0 {
		return frame{}, nil
	}
	n := int(b[0])
	b = b[1:]
	if n > len(b) {
		return frame{}, errHeader
	}
	if n > 0 {
		name := string(b[:n])
		if len(f.names) >= maxNames || f.nameBytes+n > maxNameBytes {
			return frame{}, errNames
		}
		if err := f.keep(n + nameOverhead); err != nil {
			return frame{}, err
		}
		f.names = append(f.names, name)
		f.nameBytes += n
		return frame{handler: name, payload: b[n:]}, nil
	}
	if len(b) == 0 {
		return frame{}, nil
	}
	number, rest, err := cutVL(b)
	switch {
	case err != nil:
		return frame{}, errHeader
	case number == 0:
		return frame{payload: rest}, nil
	case uint64(number) > uint64(len(f.names)):
		return frame{unknown: number, payload: rest}, nil
	}
	return frame{handler: f.names[number-1], payload: rest}, nil
}

// frameWriter writes the frames of one direction of a link.
type frameWriter struct {
	numbers   map[string]int
	nameBytes int
}

// appendHeader appends what comes before the payload of a message. A name gets its number at its first use,
// so messages are written in the order of their headers.
func (w *frameWriter) appendHeader(b []byte, handler string, payload int) ([]byte, error) {
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	n, known := w.numbers[handler]
	switch {
	case handler == "":
		b = append(b, 0, 0)
	case known:
		b = appendVL(append(b, 0), n)
	case len(handler) > maxHandler:
		return b[:start], fmt.Errorf("the name of a function is longer than %d bytes", maxHandler)
	case len(w.numbers) >= maxNames || w.nameBytes+len(handler) > maxNameBytes:
		return b[:start], errSentNames
	default:
		if w.numbers == nil {
			w.numbers = map[string]int{}
		}
		w.numbers[handler] = len(w.numbers) + 1
		w.nameBytes += len(handler)
		b = append(append(b, byte(len(handler))), handler...)
	}
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-4+payload))
	return b, nil
}
