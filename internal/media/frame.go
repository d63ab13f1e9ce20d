package media

import (
	"sync"
	"sync/atomic"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// Frame is one message of a publication, shared by everyone it goes to: nobody may change it. It is
// pooled and counted; whoever is handed a reference must Release it, and a sink that needs the content
// longer than its call retains Body.
type Frame struct {
	Kind    Kind
	Role    Role
	Time    uint32 // the publisher's, in milliseconds
	Body    *rtmfp.Buffer
	Handler string // of Metadata and Cleared
	Arrived rtmfp.Time

	topic *topic
	seq   uint64     // number in the name's sequence
	slot  uint16     // of headers: those of different slots are valid side by side
	line  uint32     // timeline that Time belongs to
	due   rtmfp.Time // from when on it is late: Arrived, or later in a burst
	size  int64      // what it counts against byte limits

	refs atomic.Int32
}

var framePool = sync.Pool{New: func() any { return new(Frame) }}

// newFrame returns a frame with one reference, on the newest timeline. It adds its own reference to
// body. The feeder's.
func newFrame(t *topic, kind Kind, role Role, body *rtmfp.Buffer) *Frame {
	f := framePool.Get().(*Frame)
	f.topic, f.Kind, f.Role = t, kind, role
	f.line, f.size = t.lines, frameOverhead
	if body != nil {
		f.Body = body.Retain()
		f.size += int64(body.Len())
	}
	f.refs.Store(1)
	return f
}

// Number is the frame's place in the sequence of its name. It grows by one per frame and goes on when
// the publisher changes.
func (f *Frame) Number() uint64 { return f.seq }

// Name is the name it was published under.
func (f *Frame) Name() string { return f.topic.name }

// Retain adds a reference and returns f.
func (f *Frame) Retain() *Frame {
	if f.refs.Add(1) <= 1 {
		panic("media: Retain of a released frame")
	}
	return f
}

// Release gives back one reference.
func (f *Frame) Release() {
	switch n := f.refs.Add(-1); {
	case n > 0:
		return
	case n < 0:
		panic("media: frame released twice")
	}
	if f.Body != nil {
		f.Body.Release()
	}
	f.Kind, f.Role, f.Time, f.Body, f.Handler, f.Arrived = 0, 0, 0, nil, "", 0
	f.topic, f.seq, f.slot, f.line, f.due, f.size = nil, 0, 0, 0, 0, 0
	framePool.Put(f)
}
