package netconn

import (
	"bytes"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// Stream is the sink of its listener. Write must not allocate.
var _ media.Sink = (*Stream)(nil)

// Published implements media.Sink.
func (s *Stream) Published(now rtmfp.Time) {
	s.status(now, levelStatus, CodePlayPublishNotify, s.name+" is now published", s.name)
}

// Unpublished implements media.Sink. The flow syncs around it keep the notice behind the last frames and
// before those of the next publisher.
func (s *Stream) Unpublished(now rtmfp.Time) {
	s.conn.writeSync(now, &s.lane)
	s.status(now, levelStatus, CodePlayUnpublishNotify, s.name+" is now unpublished", s.name)
	s.conn.writeSync(now, &s.lane)
}

// Write implements media.Sink.
func (s *Stream) Write(now rtmfp.Time, f *media.Frame, ts uint32, o media.WriteOptions) uint64 {
	kind := outKindOf(f.Kind)
	body := f.Body
	typ := uint8(f.Kind)
	if handler := s.handlers[kind]; handler != "" {
		typ, body = typeData, handlerData(handler, ts, body.Bytes())
	} else if kind == outOther && s.conn.encoding == 0 {
		typ = typeData
		body = plainData(f)
		if body == nil {
			return 0
		}
	} else {
		body.Retain()
	}
	m := mediaMessage(typ, ts, body)
	m.StartBy, m.FinishBy, m.Unreliable, m.Chain = o.StartBy, o.FinishBy, o.Unreliable, o.Chain
	id, err := s.conn.write(now, s.lane.flow(kind), m)
	if err != nil {
		return 0
	}
	s.conn.observe(now)
	return uint64(id)
}

// handlerData returns a data message that shows a frame to a handler of the player: its name, the time,
// and the body of the FLV tag as a byte array.
func handlerData(handler string, ts uint32, body []byte) *rtmfp.Buffer {
	b := amf.AppendNumber(amf.AppendString(nil, handler), float64(ts))
	b = append(b, markerAVMPlus)
	b, err := amf.AppendAMF3(b, &amf.ByteArray{Data: body})
	if err != nil {
		b = amf.AppendNull(b[:len(b)-1])
	}
	return rtmfp.CopyBuffer(b)
}

// plainData returns the body of a data message for a client that knows AMF0 only, nil if there is no
// such form.
func plainData(f *media.Frame) *rtmfp.Buffer {
	b := f.Body.Bytes()
	if f.Kind == media.Data {
		if bytes.IndexByte(b, markerAVMPlus) < 0 {
			return f.Body.Retain() // certainly no AMF3 inside
		}
	} else if len(b) == 0 || b[0] != 0 {
		return nil
	} else {
		b = b[1:]
	}
	p, err := amf.AppendPlain(nil, b, dataLimits)
	if err != nil {
		return nil
	}
	return rtmfp.CopyBuffer(p)
}

// outKindOf returns the flow that carries a kind of frame.
func outKindOf(k media.Kind) outKind {
	switch k {
	case media.Audio:
		return outAudio
	case media.Video:
		return outVideo
	}
	return outOther
}

// Backlog implements media.Sink.
func (s *Stream) Backlog(kind media.Kind) (bytes int, oldest rtmfp.Time) {
	if f := s.lane.sending(outKindOf(kind)); f != nil {
		return f.Backlog()
	}
	return 0, 0
}

// Expire implements media.Sink.
func (s *Stream) Expire(kind media.Kind, from, to uint64, startBy, finishBy rtmfp.Time) {
	if f := s.lane.sending(outKindOf(kind)); f != nil {
		f.Expire(rtmfp.MessageID(from), rtmfp.MessageID(to), startBy, finishBy)
	}
}

// Abandoned implements media.Sink.
func (s *Stream) Abandoned(kind media.Kind) (count, last uint64) {
	return s.lane.out[outKindOf(kind)].abandoned()
}
