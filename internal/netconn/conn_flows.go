package netconn

import (
	"github.com/rs/zerolog"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// flow decides on an incoming flow. assoc is the flow of ours that it answers, nil if none. What is not
// wanted is rejected; the session goes on.
func (c *Conn) flow(now rtmfp.Time, recv recvFlow, assoc sendFlow) *inFlow {
	md := parseFlowMetadata(recv.Metadata())
	var in *inFlow
	reason := ""
	switch {
	case c.state >= stateClosing:
		reason = "connection is closing"
	case c.flows >= c.limits.Flows:
		reason = "too many flows"
	case md.kind == flowGC:
		in, reason = c.groupFlow(now, recv)
	case md.kind != flowTC:
		reason = "unknown metadata"
	case c.peerControl == nil && md.stream != 0:
		reason = "no control flow before it"
	case c.peerControl == nil:
		return c.controlFlow(now, recv, md)
	case md.stream == 0 && (assoc == nil || assoc != c.control.sending(outOther)):
		reason = "second connection on one session"
	default:
		// Stream flows should answer our control flow, but some clients do not say so; with one
		// connection per session there is no doubt where they belong.
		if l := c.lane(md.stream); l != nil {
			in = c.attach(l, recv, md)
		} else {
			reason = "unknown stream"
		}
	}
	if in == nil {
		c.counters.FlowsRejected.Add(1)
		c.shard.log(now, zerolog.DebugLevel, "flow", c).Hex("metadata", recv.Metadata()).Str("reason", reason).Msg("flow rejected")
		recv.Reject(now, 0)
	}
	return in
}

// controlFlow accepts the first flow of stream 0 and opens ours, which answers it.
func (c *Conn) controlFlow(now rtmfp.Time, recv recvFlow, md flowMetadata) *inFlow {
	in := c.attach(&c.control, recv, md)
	c.peerControl = in
	if err := c.openFlow(now, c.control.flow(outOther)); err != nil {
		c.shutdown(now, err)
		c.link.Abort(now, err)
	}
	return in
}

// flowEnded handles the end of an incoming flow; err is nil when the client finished it and everything
// arrived.
func (c *Conn) flowEnded(now rtmfp.Time, in *inFlow, err error) {
	if in.group != nil {
		c.leaveGroup(now, in.group)
		return
	}
	l := in.lane
	if l == nil {
		return
	}
	c.detach(now, in)
	if in == c.peerControl {
		c.controlEnded(now, err)
		return
	}
	if s := c.Stream(l.id); s != nil && len(l.in) == 0 {
		s.flowsEnded(now)
	}
	c.checkEnding(now)
}

// sendRejected handles the refusal of one of our flows.
func (c *Conn) sendRejected(now rtmfp.Time, o *outFlow, f sendFlow) {
	if o.send != f {
		return
	}
	o.rejected = true
	o.send = nil
	if o.lane == &c.control {
		c.controlEnded(now, nil)
	}
}

// sendEnded handles the end of one of our flows: everything is acknowledged, or lost for good.
func (c *Conn) sendEnded(now rtmfp.Time, o *outFlow, f sendFlow) {
	last := o.lane == &c.control && o.send == f
	o.sendEnded(f)
	if last && c.state == stateClosing {
		c.farewell(now)
	}
}
