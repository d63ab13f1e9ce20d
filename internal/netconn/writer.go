package netconn

import (
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// maxWriters bounds the channels beside the main one that an application opens to one client.
const maxWriters = 64

// Writer is a channel to a client: the main one, or a flow of its own, so that what gets lost on one
// does not hold up the other. It belongs to the shard's goroutine.
type Writer struct {
	conn *Conn
	lane *lane
	own  lane // of all but the main one
}

// Writer returns the main channel.
func (c *Conn) Writer() *Writer { return &Writer{conn: c, lane: &c.control} }

// NewWriter opens another channel; beyond a limit it is the main one.
func (c *Conn) NewWriter() *Writer {
	if c.writers >= maxWriters {
		return c.Writer()
	}
	c.writers++
	w := &Writer{conn: c, own: newLane(0)}
	w.lane = &w.own
	return w
}

// Invoke calls a function of the client; an empty name is "onMessage". A message that is not reliable is
// given up when it gets lost.
func (w *Writer) Invoke(now rtmfp.Time, reliable bool, name string, values ...amf.Value) {
	c := w.conn
	if c.state != stateConnected {
		c.Invoke(now, name, values...)
		return
	}
	if name == "" {
		name = "onMessage"
	}
	w.write(now, reliable, c.codec().command(name, 0, c.encoding, values...))
}

// Raw sends bytes as the content of a message, its type and timestamp included.
func (w *Writer) Raw(now rtmfp.Time, reliable bool, b []byte) {
	if w.conn.state == stateConnected {
		w.write(now, reliable, rtmfp.CopyBuffer(b))
	}
}

func (w *Writer) write(now rtmfp.Time, reliable bool, m *rtmfp.Buffer) {
	w.conn.observe(now)
	w.conn.write(now, w.lane.flow(outOther), rtmfp.Message{Body: m, Unreliable: !reliable})
}

// Close ends the channel after what is queued on it; the main one ends the connection.
func (w *Writer) Close(now rtmfp.Time) {
	if w.lane == &w.conn.control {
		w.conn.Close(now, "", "")
		return
	}
	w.conn.closeLane(now, w.lane)
	w.conn.writers--
}

// Status sends a status of the connection.
func (c *Conn) Status(now rtmfp.Time, code, description string) {
	if c.state == stateConnected && !c.strict {
		c.writeCommand(now, c.codec().status("onStatus", 0, newInfo(levelStatus, code, description)))
	}
}
