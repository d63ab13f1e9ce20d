package media

import (
	"bytes"
	"slices"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// Publication is a running stream as its feeder sees it. Only the feeder may call Push, SetMetadata,
// ClearMetadata, Lost and Close, one at a time; everything else is safe for all goroutines.
type Publication struct {
	topic *topic
	app   string
	owner any

	// The feeder's.
	time   timeline
	pace   pace
	broken bool // video is left out until the next key frame
	closed bool

	counters publicationCounters
}

// Name is the name it was published under.
func (p *Publication) Name() string { return p.topic.name }

// App and Owner are what Publish was given.
func (p *Publication) App() string { return p.app }

// Owner is what Publish was given.
func (p *Publication) Owner() any { return p.owner }

// Running is false before the feeder began and after it closed the publication.
func (p *Publication) Running() bool {
	p.topic.mu.Lock()
	defer p.topic.mu.Unlock()
	return p.topic.pub == p && p.topic.live
}

// Listeners returns who plays the name now, in the order of subscription.
func (p *Publication) Listeners() []*Listener {
	p.topic.mu.Lock()
	defer p.topic.mu.Unlock()
	return slices.Clone(p.topic.listeners)
}

// Header returns a copy of the newest header of Audio or Video, nil if there is none.
func (p *Publication) Header(kind Kind) []byte {
	p.topic.mu.Lock()
	defer p.topic.mu.Unlock()
	if kind != Audio && kind != Video || p.topic.pub != p {
		return nil
	}
	var newest *Frame
	for _, h := range p.topic.state.headers[kind.index()] {
		if newest == nil || h.seq > newest.seq {
			newest = h
		}
	}
	if newest == nil {
		return nil
	}
	return bytes.Clone(newest.Body.Bytes())
}

// Push relays one message with its time in milliseconds: the body of an FLV tag, or a data message
// (handler name first). It takes its own reference to body. Metadata goes through SetMetadata.
func (p *Publication) Push(now rtmfp.Time, kind Kind, time uint32, body *rtmfp.Buffer) {
	if p.closed || body == nil {
		return
	}
	p.counters.add(now, kind, body.Len(), time)
	role, slot := classify(kind, body.Bytes())
	if role == Key {
		p.broken = false
	} else if role == Inter && p.broken {
		p.counters.dropped.Add(1)
		return
	}
	f := newFrame(p.topic, kind, role, body)
	f.Time, f.Arrived, f.due, f.slot = time, now, now, slot
	if role == Header {
		p.place(f)
		p.topic.keep(f)
		return
	}
	t := p.topic
	t.next(f)
	if kind == Audio || kind == Video {
		p.place(f)
		f.due = p.pace.due(now, f.line, time)
		if t.firstMedia.Load() == 0 {
			t.firstMedia.Store(f.seq)
		}
		if role == Key || role == Inter {
			t.lastVideo.Store(int64(now))
		}
	}
	t.emit(f)
}

// place puts f on a timeline.
func (p *Publication) place(f *Frame) {
	f.line = p.time.place(f.Arrived, f.Kind.index(), f.Time)
	p.topic.lines = p.time.line
}

// SetMetadata relays metadata and keeps it for late listeners, in the place of what the handler had:
// body is the data message without "@setDataFrame", the handler name first, in plain AMF0.
func (p *Publication) SetMetadata(handler string, body *rtmfp.Buffer) {
	if p.closed || body == nil {
		return
	}
	f := newFrame(p.topic, Data, Metadata, body)
	f.Handler = handler
	p.topic.keep(f)
}

// ClearMetadata forgets the metadata of a handler, "" = of all. Listeners are not told, targets are.
func (p *Publication) ClearMetadata(handler string) {
	if p.closed {
		return
	}
	f := newFrame(p.topic, Data, Cleared, nil)
	f.Handler = handler
	p.topic.keep(f)
}

// Lost notes messages that got lost on the way to the feeder. A picture missing breaks all up to the
// next key frame, so these are left out.
func (p *Publication) Lost(kind Kind, messages int) {
	if p.closed || messages <= 0 {
		return
	}
	p.counters.kinds[kind.index()].lost.Add(uint64(messages))
	if kind == Video {
		p.broken = true
	}
}

// Close ends the publication: listeners are told and wait for the next one.
func (p *Publication) Close() {
	if p.closed {
		return
	}
	p.closed = true
	h := p.topic.hub
	p.topic.stop()
	h.publications.Add(-1)
	h.release(p.topic)
}
