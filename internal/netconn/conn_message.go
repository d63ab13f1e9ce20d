package netconn

import (
	"github.com/rs/zerolog"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// deliver implements owner: it handles a message of the stream of l. The path of audio and video must
// not allocate.
func (c *Conn) deliver(now rtmfp.Time, l *lane, typ uint8, ts uint32, m *rtmfp.Buffer) {
	c.observe(now)
	switch typ {
	case typeAudio, typeVideo:
		if s := c.Stream(l.id); s != nil && s.publication != nil {
			m.TrimFront(headerSize)
			s.publication.Push(now, media.Kind(typ), ts, m)
		} else {
			c.counters.StrayMessages.Add(1)
		}
	case typeData, typeDataAMF3:
		c.data(now, l, typ, ts, m)
	case typeCommand, typeCommandAMF3:
		c.command(now, l, typ, m)
	case typeUserControl:
		if u, ok := parseUserControl(m.Bytes()[headerSize:]); ok {
			c.userControl(now, l, u)
		} else {
			c.counters.BadMessages.Add(1)
		}
	default:
		// Chunk sizes, windows and bandwidths of RTMP mean nothing here, shared objects and
		// aggregates are not spoken.
		c.counters.StrayMessages.Add(1)
	}
	m.Release()
}

// overflow implements owner. A control flow that lost a command is not worth going on with.
func (c *Conn) overflow(now rtmfp.Time, l *lane) {
	c.shard.log(now, zerolog.WarnLevel, "held", c).Uint32("stream", l.id).Msg("too many messages held back, dropping")
	if l == &c.control {
		c.Close(now, CodeConnectFailed, "Too many messages before the answer to connect")
	}
}

// command handles a command message.
func (c *Conn) command(now rtmfp.Time, l *lane, typ uint8, m *rtmfp.Buffer) {
	p := m.Bytes()[headerSize:]
	if len(p) > c.limits.CommandSize {
		c.counters.OversizeMessage.Add(1)
		c.shard.log(now, zerolog.WarnLevel, "oversize", c).Int("size", len(p)).Msg("command too long, ignored")
		return
	}
	cmd, ok := c.codec().parseCommand(typ, p)
	if !ok {
		c.counters.BadMessages.Add(1)
		c.shard.log(now, zerolog.WarnLevel, "command", c).Uint32("stream", l.id).Msg("unreadable command, ignored")
		return
	}
	if cmd.err != nil {
		c.counters.BadMessages.Add(1)
		c.shard.log(now, zerolog.WarnLevel, "arguments", c).Str("command", cmd.name).Err(cmd.err).Msg("arguments cut short")
	}
	switch s := c.Stream(l.id); {
	case l.id == 0:
		c.controlCommand(now, &cmd)
	case s != nil:
		s.command(now, &cmd)
	}
}

// userControl handles a user control message other than flow sync.
func (c *Conn) userControl(now rtmfp.Time, l *lane, u userControl) {
	switch {
	case u.event == eventBufferLength && u.n == 2:
		// Clients send it on either flow; the stream ID says which stream is meant.
		if s := c.Stream(u.a); s != nil {
			s.setBufferTime(u.b)
		}
	case u.event == eventPingRequest && u.n > 0:
		c.writeControl(now, l.flow(outOther), userControl{event: eventPingResponse, a: u.a, n: 1})
	}
}

// streamControl tells the client something about a stream. Where is a matter of taste among servers:
// clients take it on the control flow and on the stream's own.
func (c *Conn) streamControl(now rtmfp.Time, s *Stream, event uint16) {
	o := c.control.flow(outOther)
	if c.shard.cfg.StreamControlOnStream {
		o = s.lane.flow(outOther)
	}
	c.writeControl(now, o, userControl{event: event, a: s.lane.id, n: 1})
}
