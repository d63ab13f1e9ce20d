package netconn

import (
	"net/netip"
	"time"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// Clients is the handler of a UDP driver that has nothing but Clients. Post it functions that take the
// time to run them on the shard's goroutine.
type Clients struct{}

// HandleEvent passes an event to the Client of its session.
func (Clients) HandleEvent(now rtmfp.Time, ev *rtmfp.Event) {
	if ev.Session != nil {
		if p, ok := ev.Session.User.(party); ok {
			dispatch(now, p, ev)
			return
		}
	}
	if ev.Message != nil {
		ev.Message.Release()
	}
}

// HandlePost runs a posted function.
func (Clients) HandlePost(now rtmfp.Time, msg any) {
	if f, ok := msg.(func(rtmfp.Time)); ok {
		f(now)
	}
}

// opened implements party.
func (c *Client) opened(now rtmfp.Time) { c.connect(now) }

// incoming implements party.
func (c *Client) incoming(now rtmfp.Time, in *inFlow, m *rtmfp.Buffer) { c.message(now, in, m) }

// missed implements party.
func (c *Client) missed(in *inFlow, _ uint8, n int) {
	if in.lane == nil {
		return
	}
	if s := c.streams[in.lane.id]; s != nil {
		s.lost += uint64(n)
	}
}

// moved implements party.
func (c *Client) moved(rtmfp.Time, netip.AddrPort) {}

// flow accepts the server's flows: its control flow first, then those of our streams. What they answer
// does not matter, as the session has only this connection.
func (c *Client) flow(now rtmfp.Time, recv recvFlow, _ sendFlow) *inFlow {
	md := parseFlowMetadata(recv.Metadata())
	l := c.lane(md.stream)
	if md.kind != flowTC || l == nil || c.leaving || c.flows >= c.limits.Flows || (c.peerControl == nil && md.stream != 0) {
		c.counts.FlowsRejected.Add(1)
		recv.Reject(now, 0)
		return nil
	}
	in := c.attach(l, recv, md)
	if c.peerControl == nil {
		c.peerControl = in
	}
	return in
}

func (c *Client) flowEnded(now rtmfp.Time, in *inFlow, _ error) {
	if in.lane == nil {
		return
	}
	c.detach(now, in)
	if in == c.peerControl {
		c.fail(now, rtmfp.ErrPeerClosed)
	}
}

func (c *Client) sendRejected(now rtmfp.Time, o *outFlow, f sendFlow) {
	if o.send != f {
		return
	}
	o.rejected, o.send = true, nil
	if o.lane == &c.control {
		// Some servers reject our flow at once when they refuse. Why they do is still on its way: their
		// own control flow ends after that, or the session does.
		c.giveUp = now.Add(refusalWait)
		c.wakeAt(c.giveUp)
	} else {
		c.sendReady(now, o)
	}
	c.checkLeft(now)
}

func (c *Client) sendEnded(now rtmfp.Time, o *outFlow, f sendFlow) {
	o.sendEnded(f)
	c.checkLeft(now)
	c.sendReady(now, o)
}

// refusalWait is how long the words of a server that rejected the connection are waited for.
const refusalWait = 2 * time.Second

// sendReady passes on that a flow drained, or ended.
func (c *Client) sendReady(now rtmfp.Time, o *outFlow) {
	if s := c.streams[o.lane.id]; s != nil {
		s.checkReady(now)
	}
}

// over implements party.
func (c *Client) over(now rtmfp.Time, err error) {
	if c.closed {
		return
	}
	c.closed = true
	if !c.leaving {
		c.err = err
	}
	c.dropHeld(&c.control)
	for _, s := range c.streams {
		c.dropHeld(&s.lane)
	}
	reason := c.err
	if reason == nil {
		reason = rtmfp.ErrClosed
	}
	for id, done := range c.calls {
		delete(c.calls, id)
		if id != 1 {
			done(now, Result{Err: reason})
		}
	}
	if c.cfg.OnClose != nil {
		c.cfg.OnClose(now, c.err)
	}
}

func (c *Client) expire(now rtmfp.Time) {
	c.wake = 0
	if c.closed {
		return
	}
	c.expireSyncs(now)
	c.expireWait(now, c.giveUp, rtmfp.ErrPeerClosed)
	c.expireWait(now, c.connectBy, ErrNoAnswer)
	if c.until != 0 {
		if now >= c.until {
			c.link.Close(now)
			return
		}
		c.wakeAt(c.until)
	}
}

// expireWait fails with err if the time until is over.
func (c *Client) expireWait(now, until rtmfp.Time, err error) {
	switch {
	case until == 0 || c.leaving:
	case now >= until:
		c.fail(now, err)
	default:
		c.wakeAt(until)
	}
}

// lane implements owner.
func (c *Client) lane(id uint32) *lane {
	if id == 0 {
		return &c.control
	}
	if s := c.streams[id]; s != nil {
		return &s.lane
	}
	return nil
}

// wakeAt implements owner.
func (c *Client) wakeAt(t rtmfp.Time) {
	if t != 0 && (c.wake == 0 || t < c.wake) {
		c.wake = t
		c.link.WakeAt(t)
	}
}

// overflow implements owner. Only flow syncs hold a client's messages back, and they were given up first.
func (c *Client) overflow(rtmfp.Time, *lane) {}

// deliver implements owner.
func (c *Client) deliver(now rtmfp.Time, l *lane, typ uint8, ts uint32, m *rtmfp.Buffer) {
	defer m.Release()
	switch typ {
	case typeAudio, typeVideo, typeData, typeDataAMF3:
		if s := c.streams[l.id]; s != nil {
			s.frame(now, media.Kind(typ), ts, m)
		}
	case typeCommand, typeCommandAMF3:
		cmd, ok := c.cd.parseCommand(typ, m.Bytes()[headerSize:])
		if !ok {
			c.counts.BadMessages.Add(1)
		} else if s := c.streams[l.id]; s != nil {
			s.command(now, &cmd)
		} else if l.id == 0 {
			c.command(now, &cmd)
		}
	case typeUserControl:
		if u, ok := parseUserControl(m.Bytes()[headerSize:]); ok {
			c.userControl(now, l, u)
		}
	}
}

func (c *Client) userControl(now rtmfp.Time, l *lane, u userControl) {
	switch {
	case u.event == eventSetKeepalive && u.n == 2:
		// RFC 7425 §5.3.4: never more often than every 5 s.
		c.link.SetKeepalive(max(duration(u.a), minKeepalive))
	case u.event == eventPingRequest && u.n > 0:
		c.writeControl(now, l.flow(outOther), userControl{event: eventPingResponse, a: u.a, n: 1})
	}
}

// command handles a command of the connection.
func (c *Client) command(now rtmfp.Time, cmd *command) {
	switch cmd.name {
	case "_result", "_error":
		done := c.calls[cmd.transaction]
		if done == nil {
			return
		}
		delete(c.calls, cmd.transaction)
		r := Result{Values: cmd.args}
		if cmd.name == "_error" {
			r.Err = &StatusError{parseInfo(infoOf(cmd))}
		} else if len(cmd.args) == 0 && cmd.object != nil {
			r.Values = []amf.Value{cmd.object} // some servers leave out the null
		}
		done(now, r)
	case "onStatus":
		if c.cfg.OnStatus != nil {
			c.cfg.OnStatus(now, parseInfo(infoOf(cmd)))
		}
	case "close":
		c.fail(now, rtmfp.ErrPeerClosed)
	default:
		if c.cfg.OnCall != nil {
			c.cfg.OnCall(now, cmd.name, cmd.args)
		}
	}
}

// infoOf returns the info object of a status.
func infoOf(cmd *command) amf.Value {
	if v := cmd.arg(0); v != nil {
		return v
	}
	return cmd.object
}
