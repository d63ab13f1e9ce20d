package netconn

import (
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// Close ends the connection in order. With a code, the client is told why first: by an error that answers
// its connect, or by a status; without one its flows just end. What is queued is sent, for a short while;
// then the session is closed.
func (c *Conn) Close(now rtmfp.Time, code, description string) {
	switch c.state {
	case stateNew, stateConnecting:
		if code == "" {
			code, description = CodeConnectRejected, "client rejected"
		}
		transaction := 0.0
		if c.connecting != nil {
			c.connecting.done = true
			transaction = c.connecting.transaction
		}
		c.refuse(now, transaction, code, description)
	case stateConnected:
		if code != "" {
			// Strict clients take nothing unsolicited on stream 0 that has arguments.
			if !c.strict {
				c.writeCommand(now, c.codec().status("onStatus", 0, newInfo(levelStatus, code, description)))
			}
			c.sayClose(now)
		}
		c.goodbye(now, rtmfp.ErrClosed)
	}
}

// refuse answers a connect with an error and ends the connection.
func (c *Conn) refuse(now rtmfp.Time, transaction float64, code, description string) {
	c.counters.Refused.Add(1)
	c.connecting = nil
	c.dropEarly()
	if c.peerControl != nil {
		c.writeCommand(now, c.codec().status("_error", transaction, newInfo(levelError, code, description)))
		c.sayClose(now)
	}
	c.goodbye(now, rtmfp.ErrClosed)
}

// sayClose invokes close on the client, which makes old ones drop the connection from their side.
func (c *Conn) sayClose(now rtmfp.Time) {
	c.writeCommand(now, c.codec().command("close", 0, 0, []amf.Value(nil)...))
}

// goodbye ends everything the client does and closes our flows after what is queued. farewell follows when
// that has arrived, or took too long.
func (c *Conn) goodbye(now rtmfp.Time, err error) {
	if c.state >= stateClosing {
		return
	}
	control := c.control.sending(outOther)
	c.finish(now, err)
	c.state = stateClosing
	for _, s := range c.streams {
		c.closeLane(now, &s.lane)
		c.rejectLane(now, &s.lane)
	}
	if control == nil {
		c.farewell(now)
		return
	}
	control.Close(now) // stays in out, for sendEnded
	c.deadline = now.Add(c.linger())
	c.wakeAt(c.deadline)
}

// linger is how long to wait for the acknowledgement of our last words. Before the first measured round
// trip, the first retransmission takes 3 s (RFC 7016 §3.5.2.2), and often they are our first words.
func (c *Conn) linger() time.Duration {
	if c.link.RTT() == 0 {
		return max(c.limits.Linger, firstLinger)
	}
	return c.limits.Linger
}

const firstLinger = 4 * time.Second

// farewell rejects the client's control flow, which some clients need to notice the end, and then closes
// the session. Done earlier, it would overtake our last words, and clients stop listening at either.
func (c *Conn) farewell(now rtmfp.Time) {
	if c.farewellDone {
		return
	}
	c.farewellDone = true
	c.rejectLane(now, &c.control)
	c.deadline = now.Add(rejectHead)
	c.wakeAt(c.deadline)
}

// rejectHead is the head start of a flow's rejection over the end of the session.
const rejectHead = 200 * time.Millisecond

// controlEnded handles the end of the client's control flow or its refusal of ours. Either means that the
// connection is over, and may overtake the last frames of what the client publishes, so those get a
// moment to arrive.
func (c *Conn) controlEnded(now rtmfp.Time, err error) {
	if c.state != stateConnected || err != nil {
		c.goodbye(now, err)
		return
	}
	if !c.ending {
		c.ending = true
		c.deadline = now.Add(c.limits.Linger)
		c.wakeAt(c.deadline)
	}
	c.checkEnding(now)
}

// checkEnding says goodbye to a client that is leaving once nothing more is to come from it.
func (c *Conn) checkEnding(now rtmfp.Time) {
	if !c.ending || c.state != stateConnected {
		return
	}
	if now < c.deadline {
		if c.peerControl.lane != nil {
			return
		}
		for _, s := range c.streams {
			if s.receiving() {
				return
			}
		}
	}
	c.goodbye(now, nil)
}

// shutdown ends everything at once, without a word to the client: the session is over.
func (c *Conn) shutdown(now rtmfp.Time, err error) {
	if c.state < stateClosing {
		c.finish(now, err)
	}
	c.state = stateClosed
	c.shard.forget(c)
}

// finish ends groups, publications, subscriptions and the registration, in this order, and tells the
// application of each.
func (c *Conn) finish(now rtmfp.Time, err error) {
	if r := c.connecting; r != nil {
		r.done = true
		c.connecting = nil
	}
	for _, r := range c.calls {
		r.done = true
	}
	c.calls, c.callBytes = nil, 0
	c.dropEarly()
	for len(c.groups) > 0 {
		c.leaveGroup(now, c.groups[len(c.groups)-1])
	}
	for _, s := range slices.Clone(c.streams) {
		s.stop(now, false)
		c.dropHeld(&s.lane)
	}
	c.closed = true
	c.barriers = nil
	c.dropHeld(&c.control)
	if c.registered {
		c.registered = false
		c.shard.cfg.Registry.release(c)
	}
	if c.accepted {
		c.accepted = false
		c.counters.Connected.Add(-1)
		c.shard.log(now, zerolog.DebugLevel, "closed", c).AnErr("reason", err).Msg("client gone")
		c.shard.cfg.App.Closed(now, c, err)
	}
}
