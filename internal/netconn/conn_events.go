package netconn

import (
	"net/netip"
	"time"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// opened implements party: what a client does counts from its first flow.
func (c *Conn) opened(rtmfp.Time) {}

// incoming implements party.
func (c *Conn) incoming(now rtmfp.Time, in *inFlow, m *rtmfp.Buffer) {
	if in.group != nil {
		c.groupMessage(now, in.group, m)
		return
	}
	c.message(now, in, m)
}

// missed implements party: what plays the publication must not build on a picture that never came.
func (c *Conn) missed(in *inFlow, typ uint8, n int) {
	if in.lane == nil || (typ != typeAudio && typ != typeVideo) {
		return
	}
	if s := c.Stream(in.lane.id); s != nil && s.publication != nil {
		s.publication.Lost(media.Kind(typ), n)
	}
}

// sendReady implements party.
func (c *Conn) sendReady(rtmfp.Time, *outFlow) {}

// moved implements party.
func (c *Conn) moved(now rtmfp.Time, old netip.AddrPort) {
	addr := c.link.Addr()
	c.addr.Store(&addr)
	c.shard.cfg.Registry.move(c, old)
	if c.accepted {
		c.shard.cfg.App.AddressChanged(now, c, old)
	}
}

// over implements party.
func (c *Conn) over(now rtmfp.Time, err error) { c.shutdown(now, err) }

// A client whose peer id is claimed by another one must show a sign of life.
const (
	probeWait     = 5 * time.Second
	probeInterval = 500 * time.Millisecond
)

// probe pings the client. If nothing comes back for probeWait, it is dropped, and whoever came in its
// place can connect.
func (c *Conn) probe(now rtmfp.Time) {
	if c.probeUntil != 0 || c.state >= stateClosing {
		return
	}
	c.probeFrom, c.probeUntil = now, now.Add(probeWait)
	c.link.SetKeepalive(probeInterval)
	c.wakeAt(c.probeUntil)
}

// expireProbe draws the conclusion of a probe; it reports whether the client is dead.
func (c *Conn) expireProbe(now rtmfp.Time) bool {
	switch {
	case c.probeUntil == 0:
	case now < c.probeUntil:
		c.wakeAt(c.probeUntil)
	case c.link.lastReceived() < c.probeFrom:
		c.shutdown(now, rtmfp.ErrPeerGone)
		c.link.Abort(now, rtmfp.ErrPeerGone)
		return true
	default:
		c.probeUntil = 0
		c.link.SetKeepalive(c.shard.cfg.SessionKeepalive)
	}
	return false
}
