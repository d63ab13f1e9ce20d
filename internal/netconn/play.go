package netconn

import (
	"strings"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// play handles the play command: it ends what the stream did and asks the application. Whether the name
// has a publisher does not matter, a listener may wait for one.
func (s *Stream) play(now rtmfp.Time, cmd *command) {
	s.stop(now, true)
	full, _ := cmd.text(0)
	name, query := splitName(strings.Clone(full))
	if name == "" {
		return
	}
	c := s.conn
	for _, other := range c.streams {
		if other.plays(name) {
			s.refusePlay(now, name, "Already subscribed to "+name)
			return
		}
	}
	s.SetReceive(media.Audio, true)
	s.SetReceive(media.Video, true)
	r := &PlayRequest{Stream: s, Name: name, Query: query, Start: -2}
	if start, ok := cmd.number(1); ok {
		r.Start = start
	}
	s.playing = r
	s.lane.blocked = true
	c.ask(now, &r.answer)
	c.shard.cfg.App.Play(now, r)
}

func (s *Stream) plays(name string) bool {
	return (s.listener != nil && s.name == name) || (s.playing != nil && s.playing.Name == name)
}

func (s *Stream) acceptPlay(now rtmfp.Time, r *PlayRequest) {
	c := s.conn
	s.playing = nil
	s.name, s.query = r.Name, r.Query
	c.counters.Plays.Add(1)
	for _, o := range s.lane.out {
		if o != nil {
			o.rejected = false // it was the last play that the client did not want there
		}
	}
	c.streamControl(now, s, eventStreamBegin)
	s.status(now, levelStatus, CodePlayReset, "Playing and resetting "+r.Name, r.Name)
	s.status(now, levelStatus, CodePlayStart, "Started playing "+r.Name, r.Name)
	s.writeData(now, sampleAccess, amf.Bool(true), amf.Bool(true))
	for _, p := range ParseQuery(r.Query) {
		switch p.Name {
		case "onAudio":
			s.handlers[outAudio] = p.Value
		case "onVideo":
			s.handlers[outVideo] = p.Value
		}
	}
	s.listener = c.shard.media.Subscribe(now, c.path, r.Name, s, media.Options{
		Owner:      s,
		Unbuffered: isTrue(r.Query, "unbuffered"),
		MuteAudio:  !s.Receives(media.Audio),
		MuteVideo:  !s.Receives(media.Video),
	})
	c.unblock(now, &s.lane)
}

func isTrue(query, name string) bool {
	for _, p := range ParseQuery(query) {
		if p.Name == name {
			return strings.EqualFold(p.Value, "true") || p.Value == "1"
		}
	}
	return false
}

func (s *Stream) rejectPlay(now rtmfp.Time, r *PlayRequest, description string) {
	if description == "" {
		description = "Not authorized to play " + r.Name
	}
	s.playing = nil
	s.refusePlay(now, r.Name, description)
	s.conn.unblock(now, &s.lane)
}

func (s *Stream) refusePlay(now rtmfp.Time, name, description string) {
	s.conn.counters.PlayRefused.Add(1)
	s.status(now, levelError, CodePlayFailed, description, name)
}

// writeData sends a data message with timestamp 0 in AMF0.
func (s *Stream) writeData(now rtmfp.Time, values ...amf.Value) {
	cd := s.conn.codec()
	b := appendHeader(cd.buf[:0], typeData, 0)
	for _, v := range values {
		b = cd.appendAMF0(b, v)
	}
	s.conn.write(now, s.lane.flow(outOther), rtmfp.Message{Body: cd.keep(b)})
}
