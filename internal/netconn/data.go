package netconn

import (
	"strings"

	"github.com/rs/zerolog"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// Metadata of a file with an index of its key frames has tens of thousands of values.
var dataLimits = amf.Limits{Depth: 64, Elements: 1 << 18}

// Names of the data messages that a server handles itself.
const (
	setDataFrame    = "@setDataFrame"
	clearDataFrame  = "@clearDataFrame"
	defaultMetadata = "onMetaData"
)

// data handles a data message: metadata, or a message for everyone who plays the stream.
func (c *Conn) data(now rtmfp.Time, l *lane, typ uint8, ts uint32, m *rtmfp.Buffer) {
	s := c.Stream(l.id)
	if s == nil || s.publication == nil {
		c.counters.StrayMessages.Add(1)
		return
	}
	p := m.Bytes()[headerSize:]
	if len(p) > c.limits.DataSize {
		c.counters.OversizeMessage.Add(1)
		c.shard.log(now, zerolog.WarnLevel, "oversize", c).Int("size", len(p)).Msg("data message too long, ignored")
		return
	}
	values, ok := stripFormat(typ, p)
	if !ok {
		c.counters.BadMessages.Add(1)
		return
	}
	r := &c.codec().reader
	r.Reset(values, dataLimits)
	handler, err := r.ReadStringBytes()
	switch {
	case err != nil:
		c.counters.BadMessages.Add(1)
	case string(handler) == setDataFrame:
		err = s.setMetadata(r)
	case string(handler) == clearDataFrame:
		name, _ := r.ReadString() // without a name, everything is cleared
		s.publication.ClearMetadata(strings.Clone(name))
	default:
		m.TrimFront(headerSize)
		s.publication.Push(now, media.Kind(typ), ts, m)
	}
	if err != nil {
		c.shard.log(now, zerolog.WarnLevel, "data", c).Err(err).Msg("unreadable data message, ignored")
	}
}

// setMetadata relays what follows @setDataFrame: a handler name, which may be missing, and its values.
func (s *Stream) setMetadata(r *amf.Reader) error {
	rest := r.Rest()
	handler := defaultMetadata
	var msg []byte
	if name, err := r.ReadString(); err == nil {
		handler = strings.Clone(name)
	} else if msg, err = amf.AppendAMF0(msg, amf.String(handler)); err != nil {
		return err
	}
	// Whoever records the stream knows AMF0 only.
	msg, err := amf.AppendPlain(msg, rest, dataLimits)
	if err != nil {
		s.conn.counters.BadMessages.Add(1)
		return err
	}
	body := rtmfp.CopyBuffer(msg)
	s.publication.SetMetadata(handler, body)
	body.Release()
	return nil
}
