package netconn

import (
	"slices"
	"sync/atomic"

	"github.com/rs/zerolog"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// Stream is a NetStream of a client. It does one thing at a time: publish, play or nothing.
type Stream struct {
	conn *Conn
	lane lane

	name  string // of what it publishes or plays, without query
	query string

	publishing  *PublishRequest // waits for the application
	publication *media.Publication
	playing     *PlayRequest // waits for the application
	listener    *media.Listener

	handlers [outKinds]string // of data messages that audio and video are turned into
	deleted  bool             // only waits for the last frames of its publication
	until    rtmfp.Time

	// User is the application's.
	User any

	// Any goroutine.
	bufferTime atomic.Uint32 // ms, as the client asked
	mute       [outKinds]atomic.Bool
}

func newStream(c *Conn, id uint32) *Stream {
	return &Stream{conn: c, lane: newLane(id)}
}

// Conn is the client of the stream.
func (s *Stream) Conn() *Conn { return s.conn }

// ID is the stream ID.
func (s *Stream) ID() uint32 { return s.lane.id }

// Name is the name of what the stream publishes or plays, "" if it does neither.
func (s *Stream) Name() string { return s.name }

// Query is what followed the name behind a question mark.
func (s *Stream) Query() string { return s.query }

// Publication is what the stream publishes, or nil.
func (s *Stream) Publication() *media.Publication { return s.publication }

// Listener is the subscription of a stream that plays, or nil.
func (s *Stream) Listener() *media.Listener { return s.listener }

// BufferTime is the buffer length that the client announced, in milliseconds. Any goroutine.
func (s *Stream) BufferTime() uint32 { return s.bufferTime.Load() }

func (s *Stream) setBufferTime(ms uint32) { s.bufferTime.Store(ms) }

// command handles a command on the stream.
func (s *Stream) command(now rtmfp.Time, cmd *command) {
	switch cmd.name {
	case "publish":
		s.publish(now, cmd)
	case "play":
		s.play(now, cmd)
	case "closeStream":
		s.stop(now, true)
	case "pause":
		s.pause(now, cmd)
	case "seek":
		s.seek(now, cmd)
	case "receiveAudio":
		s.receive(now, media.Audio, cmd)
	case "receiveVideo":
		s.receive(now, media.Video, cmd)
	default:
		s.conn.counters.StrayMessages.Add(1)
		s.conn.shard.log(now, zerolog.DebugLevel, "stream command", s.conn).
			Uint32("stream", s.lane.id).Str("command", cmd.name).Msg("unknown command on a stream, ignored")
	}
}

// status sends an onStatus on the stream.
func (s *Stream) status(now rtmfp.Time, level, code, description, name string) {
	m := s.conn.codec().status("onStatus", 0, newStreamInfo(level, code, description, name))
	s.conn.write(now, s.lane.flow(outOther), rtmfp.Message{Body: m})
}

// stop ends what the stream does. With tell, the client hears of it.
func (s *Stream) stop(now rtmfp.Time, tell bool) {
	s.cancel()
	name := s.name
	if p := s.publication; p != nil {
		s.conn.shard.cfg.App.Unpublished(now, s)
		s.publication = nil
		p.Close()
		s.conn.shard.log(now, zerolog.InfoLevel, "unpublished", s.conn).Str("name", name).Msg("publication stopped")
		if tell {
			s.status(now, levelStatus, CodeUnpublishSuccess, name+" is now unpublished", name)
		}
	}
	if l := s.listener; l != nil {
		s.conn.shard.cfg.App.Stopped(now, s)
		s.listener = nil
		l.Close(now)
		s.expireMedia(now)
		if tell {
			s.status(now, levelStatus, CodePlayStop, "Stopped playing "+name, name)
			s.conn.streamControl(now, s, eventStreamEOF)
		}
	}
	s.name, s.query, s.handlers = "", "", [outKinds]string{}
}

// Close ends what the stream does for a reason of the application, which the client is told. What the
// client then does on the stream is as good as before.
func (s *Stream) Close(now rtmfp.Time, code, description string) {
	name := s.name
	if s.publication == nil && s.listener == nil {
		return
	}
	s.stop(now, false)
	s.status(now, levelStatus, code, description, name)
}

// expireMedia gives up the frames of which nothing was sent yet: nobody plays them any more.
func (s *Stream) expireMedia(now rtmfp.Time) {
	for _, k := range [...]outKind{outAudio, outVideo} {
		if o := s.lane.out[k]; o != nil && o.send != nil && o.last > 0 {
			o.send.Expire(1, o.last, now, 0)
		}
	}
}

// cancel voids a request that waits for its answer, and what waits behind it.
func (s *Stream) cancel() {
	if s.publishing == nil && s.playing == nil {
		return
	}
	if r := s.publishing; r != nil {
		r.done = true
	}
	if r := s.playing; r != nil {
		r.done = true
	}
	s.publishing, s.playing = nil, nil
	s.lane.blocked = false
	s.conn.dropHeld(&s.lane)
}

// receiving reports whether more frames of a publication may come.
func (s *Stream) receiving() bool { return s.publication != nil && len(s.lane.in) > 0 }

// flowsEnded handles the end of the last incoming flow of the stream: without one, the client can
// neither send frames nor change its mind.
func (s *Stream) flowsEnded(now rtmfp.Time) {
	if s.deleted {
		s.remove(now)
		return
	}
	s.stop(now, true)
}

// delete ends the stream, as soon as the frames that are still under way have arrived.
func (s *Stream) delete(now rtmfp.Time) {
	if !s.receiving() {
		s.remove(now)
		return
	}
	if !s.deleted {
		s.deleted = true
		s.until = now.Add(s.conn.limits.Linger)
		s.conn.wakeAt(s.until)
	}
}

// remove ends the stream for good. Nothing is said on it: the client has forgotten it.
func (s *Stream) remove(now rtmfp.Time) {
	c := s.conn
	s.stop(now, false)
	c.dropHeld(&s.lane)
	c.releaseLane(now, &s.lane)
	c.rejectLane(now, &s.lane)
	c.closeLane(now, &s.lane)
	if i := slices.Index(c.streams, s); i >= 0 {
		c.streams = slices.Delete(c.streams, i, i+1)
	}
	c.checkEnding(now)
}

// expire does what is due.
func (s *Stream) expire(now rtmfp.Time) {
	c := s.conn
	if s.deleted {
		if now >= s.until {
			s.remove(now)
			return
		}
		c.wakeAt(s.until)
	}
	if r := s.publishing; r != nil && c.dueAnswer(now, &r.answer) {
		r.Reject(now, noAnswer)
	}
	if r := s.playing; r != nil && c.dueAnswer(now, &r.answer) {
		r.Reject(now, noAnswer)
	}
}

// pause stops or resumes audio and video. The client reports it to itself; all that resuming says is
// that the stream begins again.
func (s *Stream) pause(now rtmfp.Time, cmd *command) {
	if s.listener == nil {
		return
	}
	if on, ok := cmd.bool(0); on || !ok {
		s.listener.Pause(now)
		return
	}
	s.listener.Resume(now)
	s.conn.streamControl(now, s, eventStreamBegin)
}

// seek has nowhere to go in a live stream: a good one is answered as if it had arrived there.
func (s *Stream) seek(now rtmfp.Time, cmd *command) {
	if s.listener == nil {
		return
	}
	if ms, ok := cmd.number(0); !ok || !(ms >= 0) {
		s.status(now, levelError, CodeSeekInvalidTime, "Seek needs a time in milliseconds", s.name)
		return
	}
	s.conn.streamControl(now, s, eventStreamBegin)
}

var sampleAccess = amf.String("|RtmpSampleAccess")
