package netconn

import (
	"time"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// minKeepalive is the shortest keepalive period that a server may ask for (RFC 7425 §5.3.4).
const minKeepalive = 5 * time.Second

func duration(ms uint32) time.Duration { return time.Duration(ms) * time.Millisecond }

// StreamConfig is what a ClientStream is made of. Callbacks may be nil.
type StreamConfig struct {
	// OnStatus gets the statuses of the stream: publishing started, publisher gone, …
	OnStatus func(now rtmfp.Time, info Info)
	// OnFrame gets audio, video and data (the handler name first, in AMF0 with AMF3 inside at most).
	// body is valid during the call; Retain it to keep it.
	OnFrame func(now rtmfp.Time, kind media.Kind, ts uint32, body *rtmfp.Buffer)
}

// ClientStream is a NetStream of a Client.
type ClientStream struct {
	client  *Client
	lane    lane
	cfg     StreamConfig
	readyAt int // bytes
	ready   func(now rtmfp.Time)
	lost    uint64
}

// ID is the stream ID that the server chose.
func (s *ClientStream) ID() uint32 { return s.lane.id }

// command sends a command without transaction on the stream.
func (s *ClientStream) send(now rtmfp.Time, name string, args ...amf.Value) error {
	m := s.client.cd.command(name, 0, 0, args...)
	_, err := s.client.write(now, s.lane.flow(outOther), rtmfp.Message{Body: m})
	return err
}

// Publish asks to publish under a name; typ is "live", or "" for the server's default. Frames may be
// written after CodePublishStart.
func (s *ClientStream) Publish(now rtmfp.Time, name, typ string) error {
	if typ == "" {
		return s.send(now, "publish", amf.String(name))
	}
	return s.send(now, "publish", amf.String(name), amf.String(typ))
}

// Play asks to play a name; args are the optional start, length and reset.
func (s *ClientStream) Play(now rtmfp.Time, name string, args ...amf.Value) error {
	return s.send(now, "play", append([]amf.Value{amf.String(name)}, args...)...)
}

// Pause stops or resumes audio and video; ms is where the player is.
func (s *ClientStream) Pause(now rtmfp.Time, on bool, ms uint32) error {
	return s.send(now, "pause", amf.Bool(on), amf.Number(ms))
}

// Seek asks to go to a time.
func (s *ClientStream) Seek(now rtmfp.Time, ms uint32) error {
	return s.send(now, "seek", amf.Number(ms))
}

// ReceiveAudio turns audio on or off.
func (s *ClientStream) ReceiveAudio(now rtmfp.Time, on bool) error {
	return s.send(now, "receiveAudio", amf.Bool(on))
}

// ReceiveVideo turns video on or off.
func (s *ClientStream) ReceiveVideo(now rtmfp.Time, on bool) error {
	return s.send(now, "receiveVideo", amf.Bool(on))
}

// SetBufferTime announces the buffer length.
func (s *ClientStream) SetBufferTime(now rtmfp.Time, ms uint32) {
	s.client.writeControl(now, s.client.control.flow(outOther),
		userControl{event: eventBufferLength, a: s.lane.id, b: ms, n: 2})
}

// CloseStream ends what the stream does. Frames still on their way may be lost: see Finish.
func (s *ClientStream) CloseStream(now rtmfp.Time) error { return s.send(now, "closeStream") }

// Finish ends a publication after everything written was acknowledged, then calls done, if not nil.
func (s *ClientStream) Finish(now rtmfp.Time, done func(now rtmfp.Time)) {
	s.NotifyBelow(now, 0, func(now rtmfp.Time) {
		s.CloseStream(now)
		if done != nil {
			done(now)
		}
	})
}

// Delete gives the stream back; it must not be used any more.
func (s *ClientStream) Delete(now rtmfp.Time) {
	c := s.client
	if c.streams[s.lane.id] != s {
		return
	}
	c.writeCommand(now, c.cd.command("deleteStream", 0, 0, amf.Number(s.lane.id)))
	delete(c.streams, s.lane.id)
	c.dropHeld(&s.lane)
	c.rejectLane(now, &s.lane)
	c.closeLane(now, &s.lane)
}

// WriteFrame sends audio or video, the body of an FLV tag. It takes over one reference to body.
func (s *ClientStream) WriteFrame(now rtmfp.Time, kind media.Kind, ts uint32, body *rtmfp.Buffer, o media.WriteOptions) error {
	m := mediaMessage(uint8(kind), ts, body)
	m.StartBy, m.FinishBy, m.Unreliable, m.Chain = o.StartBy, o.FinishBy, o.Unreliable, o.Chain
	_, err := s.client.write(now, s.lane.flow(outKindOf(kind)), m)
	return err
}

// WriteData sends a data message that is encoded already: handler name and values in AMF0. It takes over
// one reference to body.
func (s *ClientStream) WriteData(now rtmfp.Time, ts uint32, body *rtmfp.Buffer) error {
	return s.WriteFrame(now, media.Data, ts, body, media.WriteOptions{})
}

// SetMetadata sends an encoded data message (see WriteData) as metadata that late players get too. It
// does not take over the reference.
func (s *ClientStream) SetMetadata(now rtmfp.Time, body *rtmfp.Buffer) error {
	b := s.client.cd.appendAMF0(appendHeader(nil, typeData, 0), amf.String(setDataFrame))
	return s.client.writeBytes(now, s.lane.flow(outOther), append(b, body.Bytes()...))
}

// Send calls a handler of everyone who plays the stream.
func (s *ClientStream) Send(now rtmfp.Time, handler string, values ...amf.Value) error {
	b := s.client.cd.appendAMF0(appendHeader(nil, typeData, 0), amf.String(handler))
	for _, v := range values {
		b = s.client.cd.appendAMF0(b, v)
	}
	return s.client.writeBytes(now, s.lane.flow(outOther), b)
}

// Sync orders the stream's flows: what is written next on any of them arrives after everything written
// so far.
func (s *ClientStream) Sync(now rtmfp.Time) { s.client.writeSync(now, &s.lane) }

// Queued returns the bytes written and not acknowledged or given up.
func (s *ClientStream) Queued() int {
	n := 0
	for k := range outKinds {
		if f := s.lane.sending(k); f != nil {
			n += f.Queued()
		}
	}
	return n
}

// Abandoned returns the number of frames the transport gave up.
func (s *ClientStream) Abandoned() uint64 {
	var n uint64
	for _, o := range s.lane.out {
		count, _ := o.abandoned()
		n += count
	}
	return n
}

// Lost returns the number of frames that the server gave up sending, as far as is known.
func (s *ClientStream) Lost() uint64 { return s.lost }

// NotifyBelow calls f once when none of the stream's flows has more than n bytes queued, maybe at once.
// A later call replaces an earlier one.
func (s *ClientStream) NotifyBelow(now rtmfp.Time, n int, f func(now rtmfp.Time)) {
	s.readyAt, s.ready = n, f
	s.checkReady(now)
}

func (s *ClientStream) checkReady(now rtmfp.Time) {
	if s.ready == nil {
		return
	}
	for k := range outKinds {
		if o := s.lane.sending(k); o != nil && o.Queued() > s.readyAt {
			o.NotifyBelow(s.readyAt)
			return
		}
	}
	f := s.ready
	s.ready = nil
	f(now)
}

// command handles a command on the stream.
func (s *ClientStream) command(now rtmfp.Time, cmd *command) {
	if cmd.name == "onStatus" && s.cfg.OnStatus != nil {
		s.cfg.OnStatus(now, parseInfo(infoOf(cmd)))
	}
}

// frame passes on a frame; m includes its header.
func (s *ClientStream) frame(now rtmfp.Time, kind media.Kind, ts uint32, m *rtmfp.Buffer) {
	m.TrimFront(headerSize)
	if kind == media.DataAMF3 {
		if m.Len() == 0 || m.Bytes()[0] != 0 {
			s.client.counts.BadMessages.Add(1)
			return
		}
		m.TrimFront(1)
		kind = media.Data
	}
	if s.cfg.OnFrame != nil {
		s.cfg.OnFrame(now, kind, ts, m)
	}
}
