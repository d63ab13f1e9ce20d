package netconn

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// controlCommand handles a command on stream 0.
func (c *Conn) controlCommand(now rtmfp.Time, cmd *command) {
	if cmd.name == "connect" {
		c.connect(now, cmd)
		return
	}
	if c.state != stateConnected {
		c.refuse(now, cmd.transaction, CodeConnectFailed, "Command before connect")
		return
	}
	switch cmd.name {
	case "setPeerInfo":
		c.setPeerInfo(now, cmd)
	case "createStream":
		c.createStream(now, cmd)
	case "deleteStream":
		c.deleteStream(now, cmd)
	case "initStream":
		c.acknowledge(now, cmd)
	case "_result", "_error", "onStatus":
		// Answers to calls of ours, which want none.
	default:
		c.call(now, cmd)
	}
}

// acknowledge answers a command that has nothing to return, if the client waits for it.
func (c *Conn) acknowledge(now rtmfp.Time, cmd *command) {
	if cmd.transaction != 0 {
		c.writeCommand(now, c.codec().undefinedResult(cmd.transaction))
	}
}

// setPeerInfo replaces the client's own addresses (RFC 7425 §5.3.3) and tells it how often to show that
// it is alive (RFC 7425 §5.3.4).
func (c *Conn) setPeerInfo(now rtmfp.Time, cmd *command) {
	var addrs []netip.AddrPort
	for _, v := range cmd.args {
		s, _ := v.(amf.String)
		a, ok := parseAddress(string(s))
		if !ok || slices.Contains(addrs, a) {
			continue
		}
		if len(addrs) == c.limits.PeerAddresses {
			break
		}
		addrs = append(addrs, a)
	}
	if addrs = slices.Clip(addrs); len(addrs) > 0 || c.peers.Load() != nil {
		c.peers.Store(&addrs)
	}
	c.acknowledge(now, cmd)
	c.writeControl(now, c.control.flow(outOther), userControl{
		event: eventSetKeepalive, a: milliseconds(c.keepServer), b: milliseconds(c.keepPeer), n: 2,
	})
}

func milliseconds(d time.Duration) uint32 { return uint32(d / time.Millisecond) }

// parseAddress reads "ip:port"; an IPv6 address may lack its brackets, then the last colon counts.
func parseAddress(s string) (netip.AddrPort, bool) {
	if a, err := netip.ParseAddrPort(s); err == nil {
		return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port()), a.Port() != 0
	}
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return netip.AddrPort{}, false
	}
	a, err := netip.ParseAddrPort("[" + s[:i] + "]" + s[i:])
	if err != nil {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port()), a.Port() != 0
}

// createStream allocates the lowest free stream ID. It is always answered: some clients wait for the
// answer although they asked with transaction 0.
func (c *Conn) createStream(now rtmfp.Time, cmd *command) {
	if len(c.streams) >= c.limits.Streams {
		c.counters.StreamsRefused.Add(1)
		c.shard.log(now, zerolog.WarnLevel, "streams", c).Msg("too many streams")
		c.writeCommand(now, c.codec().status("_error", cmd.transaction,
			newInfo(levelError, CodeCallFailed, "Too many streams")))
		return
	}
	i := 0
	for i < len(c.streams) && c.streams[i].lane.id == uint32(i+1) {
		i++
	}
	s := newStream(c, uint32(i+1))
	c.streams = slices.Insert(c.streams, i, s)
	// A plain number even for AMF3 clients: it is the one result they do not expect as a value.
	c.writeCommand(now, c.codec().command("_result", cmd.transaction, 0, amf.Number(s.lane.id)))
}

// deleteStream ends a stream. That of a publication waits for the frames that are still under way on
// the stream's own flows, which the client closes along with it.
func (c *Conn) deleteStream(now rtmfp.Time, cmd *command) {
	c.acknowledge(now, cmd)
	id, ok := cmd.number(0)
	if !ok || id < 1 || id > maxStreamID {
		return
	}
	s := c.Stream(uint32(id))
	if s == nil {
		return
	}
	s.delete(now)
}

// call passes a command to the application.
func (c *Conn) call(now rtmfp.Time, cmd *command) {
	c.counters.Calls.Add(1)
	r := &CallRequest{Name: cmd.name, Args: cmd.args, transaction: cmd.transaction, size: cmd.size}
	if len(c.calls) >= c.limits.Calls || c.callBytes+r.size > c.limits.CallBytes {
		c.counters.CallsRefused.Add(1)
		c.shard.log(now, zerolog.WarnLevel, "calls", c).Str("name", cmd.name).Msg("too many calls in flight")
		c.callError(now, cmd.transaction, "Too many calls in flight")
		return
	}
	c.calls = append(c.calls, r)
	c.callBytes += r.size
	c.ask(now, &r.answer)
	c.shard.cfg.App.Call(now, r)
}

func (c *Conn) callEnded(r *CallRequest) {
	if i := slices.Index(c.calls, r); i >= 0 {
		c.calls = slices.Delete(c.calls, i, i+1)
		c.callBytes -= r.size
	}
}

func (c *Conn) callError(now rtmfp.Time, transaction float64, description string) {
	if transaction != 0 {
		c.writeCommand(now, c.codec().status("_error", transaction,
			newInfo(levelError, CodeCallFailed, description)))
	}
}

// callNotFound answers a call of a function that does not exist. Commands that clients send on their own
// account, from the habits of other servers, are not worth an error.
func (c *Conn) callNotFound(now rtmfp.Time, r *CallRequest) {
	switch r.Name {
	case "releaseStream", "FCPublish", "FCUnpublish", "FCSubscribe", "FCUnsubscribe", "_checkbw", "checkBandwidth":
		if r.transaction != 0 {
			c.writeCommand(now, c.codec().undefinedResult(r.transaction))
		}
	case "getStreamLength":
		// Live streams have no length.
		if r.transaction != 0 {
			c.writeCommand(now, c.codec().command("_result", r.transaction, 0, amf.Number(0)))
		}
	default:
		c.shard.log(now, zerolog.DebugLevel, "call", c).Str("name", r.Name).Msg("method not found")
		c.callError(now, r.transaction, "Method client '"+r.Name+"' not found in application "+c.path)
	}
}
