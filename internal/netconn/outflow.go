package netconn

import (
	"encoding/binary"
	"errors"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// outKind is what an outgoing flow of a stream carries.
type outKind uint8

const (
	outOther outKind = iota // commands, data, user control
	outAudio
	outVideo
	outKinds
)

// outFlow is an outgoing flow of a stream, opened when it is first needed.
type outFlow struct {
	lane     *lane
	kind     outKind
	send     sendFlow // nil before the first message and after the end
	rejected bool     // the far end does not want it

	last     rtmfp.MessageID // newest message written
	gone     uint64          // messages given up, when last asked
	lastGone uint64          // the newest of them
}

var errFlowRejected = errors.New("netconn: the far end rejected the flow")

func (k outKind) priority() (p rtmfp.Priority, critical bool) {
	switch k {
	case outAudio:
		return rtmfp.PriorityAudio, true
	case outVideo:
		return rtmfp.PriorityVideo, true
	default:
		return rtmfp.PriorityCommand, false
	}
}

// openFlow opens o if it is not open. All flows but a client's first one answer the far end's control
// flow, whatever their stream: clients refuse others.
func (c *carrier) openFlow(now rtmfp.Time, o *outFlow) error {
	switch {
	case o.send != nil:
		return nil
	case o.rejected:
		return errFlowRejected
	case c.closed:
		return rtmfp.ErrClosed
	}
	var assoc recvFlow
	if c.peerControl != nil {
		assoc = c.peerControl.recv
	}
	var md [8]byte
	p, critical := o.kind.priority()
	f, err := c.link.open(now, appendFlowMetadata(md[:0], o.lane.id), assoc, p, critical, o)
	if err != nil {
		return err
	}
	o.send = f
	return nil
}

// out returns the flow of l for a kind of message.
func (l *lane) flow(k outKind) *outFlow {
	if l.out[k] == nil {
		l.out[k] = &outFlow{lane: l, kind: k}
	}
	return l.out[k]
}

// write sends a message made of a header and body on o; it takes over one reference to the body.
func (c *carrier) write(now rtmfp.Time, o *outFlow, m rtmfp.Message) (rtmfp.MessageID, error) {
	if err := c.openFlow(now, o); err != nil {
		if m.Body != nil {
			m.Body.Release()
		}
		return 0, err
	}
	id, err := o.send.Write(now, m)
	if err == nil {
		o.last = id
	}
	return id, err
}

// writeBytes sends a complete message, header included. Messages of this kind never expire.
func (c *carrier) writeBytes(now rtmfp.Time, o *outFlow, msg []byte) error {
	_, err := c.write(now, o, rtmfp.Message{Body: rtmfp.CopyBuffer(msg)})
	return err
}

func (c *carrier) writeControl(now rtmfp.Time, o *outFlow, u userControl) {
	var b [16]byte
	c.writeBytes(now, o, appendUserControl(b[:0], u))
}

// mediaMessage returns a message with the header of an RTMP message in front of body.
func mediaMessage(typ uint8, ts uint32, body *rtmfp.Buffer) rtmfp.Message {
	m := rtmfp.Message{HeadLen: headerSize, Body: body}
	m.Head[0] = typ
	binary.BigEndian.PutUint32(m.Head[1:], ts)
	return m
}

// sending returns the flow of l for a kind of message if it is open, nil if it is not.
func (l *lane) sending(k outKind) sendFlow {
	if o := l.out[k]; o != nil {
		return o.send
	}
	return nil
}

// abandoned returns how many messages of the flow were given up, and the newest of them.
func (o *outFlow) abandoned() (count, last uint64) {
	if o == nil {
		return 0, 0
	}
	if o.send != nil {
		o.gone, o.lastGone = o.send.Abandoned(), uint64(o.send.LastAbandoned())
	}
	return o.gone, o.lastGone
}

// sendEnded forgets a flow that ended; a new one may take its place.
func (o *outFlow) sendEnded(f sendFlow) {
	if o.send == f {
		o.send = nil
	}
}

// closeLane closes the outgoing flows of l after what is queued on them.
func (c *carrier) closeLane(now rtmfp.Time, l *lane) {
	for _, o := range l.out {
		if o != nil && o.send != nil {
			o.send.Close(now)
			o.send = nil
		}
	}
}

// rejectLane rejects the incoming flows of l.
func (c *carrier) rejectLane(now rtmfp.Time, l *lane) {
	for _, in := range l.in {
		in.recv.Reject(now, 0)
		in.lane = nil
		c.flows--
	}
	l.in = nil
}
