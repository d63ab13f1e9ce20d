package rtmfp

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// Buffer is a pooled, reference-counted message body. Whoever holds a reference may read Bytes; only
// the goroutine that got the buffer from NewBuffer may write, and only before sharing it.
// The zero-cost hand-over of one body to many flows rests on this count, so misuse panics.
type Buffer struct {
	b    []byte // the content, at the end of the part of mem in use
	mem  []byte // the whole block, for the pool
	refs atomic.Int32
}

const (
	minBufferClass = 8  // 256 bytes
	maxBufferClass = 20 // 1 MiB; larger buffers are left to the garbage collector
)

var bufferPools [maxBufferClass + 1]sync.Pool

func bufferClass(n int) int { return max(bits.Len(uint(max(n, 1)-1)), minBufferClass) }

// NewBuffer returns a buffer of n bytes with undefined content and one reference.
func NewBuffer(n int) *Buffer {
	c := bufferClass(n)
	if c > maxBufferClass {
		b := &Buffer{b: make([]byte, n)}
		b.refs.Store(1)
		return b
	}
	b, _ := bufferPools[c].Get().(*Buffer)
	if b == nil {
		b = &Buffer{mem: make([]byte, 1<<c)}
	}
	b.b = b.mem[:n]
	b.refs.Store(1)
	return b
}

// CopyBuffer returns a buffer holding a copy of p.
func CopyBuffer(p []byte) *Buffer {
	b := NewBuffer(len(p))
	copy(b.b, p)
	return b
}

// Bytes returns the content; it is valid as long as the caller holds its reference.
func (b *Buffer) Bytes() []byte { return b.b }

// Len returns the length of the content in bytes.
func (b *Buffer) Len() int { return len(b.b) }

// TrimFront removes the first n bytes of the content without copying. Only who holds the only reference
// may do that.
func (b *Buffer) TrimFront(n int) { b.b = b.b[n:] }

// Retain adds a reference and returns b.
func (b *Buffer) Retain() *Buffer {
	if b.refs.Add(1) <= 1 {
		panic("rtmfp: Retain of a released buffer")
	}
	return b
}

// Release gives back one reference; the last one returns the buffer to its pool.
func (b *Buffer) Release() {
	switch n := b.refs.Add(-1); {
	case n > 0:
		return
	case n < 0:
		panic("rtmfp: buffer released twice")
	}
	b.b = nil
	if b.mem != nil { // else it was too large to keep
		bufferPools[bufferClass(len(b.mem))].Put(b)
	}
}

// append grows b by p, moving to a larger class when needed. The caller must hold the only reference.
func (b *Buffer) append(p []byte) *Buffer {
	n := len(b.b)
	if n+len(p) <= cap(b.b) {
		b.b = b.b[:n+len(p)]
		copy(b.b[n:], p)
		return b
	}
	nb := NewBuffer(max(n+len(p), 2*n))
	nb.b = nb.b[:n+len(p)]
	copy(nb.b, b.b)
	copy(nb.b[n:], p)
	b.Release()
	return nb
}
