package rendezvous

import (
	"net/netip"

	"github.com/rs/zerolog"

	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// suspectAttempts is how many times the same hello comes before the introduction is reported as one that
// does not work: clients repeat it for about 95 s.
const suspectAttempts = 6

// introduce tells a client where a peer is, and the peer who looks for it: both then send to each other
// at the same time, which opens their NATs (RFC 7016 §3.5.1.6).
func (i *Introducer) introduce(now rtmfp.Time, shard int, ep *rtmfp.Endpoint, h *rtmfp.Hello, id rtmfp.PeerID) {
	n := i.attempt(now, h)
	target := i.cfg.Registry.Lookup(id)
	if target == nil {
		i.unknown(now, shard, h, id, n)
		return
	}
	asker := i.cfg.Registry.LookupAddr(h.From)
	list := addressesFor(h.From, target)
	if len(list) == 0 {
		i.counters.NoCommonFamily.Add(1)
		i.fail(h, id, "no address of an IP version both have")
		return
	}
	i.counters.Introductions.Add(1)
	if n > 1 {
		i.counters.Repeated.Add(1)
	}
	if n == suspectAttempts {
		i.counters.NoAnswer.Add(1)
		i.fail(h, id, why(asker, target))
	}
	// The redirect goes first, so that the asker's hello opens its NAT before the peer's answer comes.
	ep.RedirectHello(now, h, list)
	replies := repliesTo(h.From, asker, target)
	i.cfg.Post(target.Handle().Shard, netconn.Task{To: target.Handle(), Do: func(now rtmfp.Time, c *netconn.Conn) {
		s := c.Session()
		if s == nil {
			return
		}
		for _, r := range replies {
			if !s.ForwardHello(now, h, r.AddrPort, r.Origin) {
				i.counters.PeerGone.Add(1)
				return
			}
		}
	}})
}

// unknown asks the application who may know the peer.
func (i *Introducer) unknown(now rtmfp.Time, shard int, h *rtmfp.Hello, id rtmfp.PeerID, n int) {
	i.counters.UnknownPeer.Add(1)
	decided := func(now rtmfp.Time, ep *rtmfp.Endpoint, to []netip.AddrPort) {
		if len(to) > 0 {
			i.redirect(now, ep, h, to, n)
		}
	}
	asked := i.cfg.Hooks != nil && i.ask(now, shard, decided, func(answer func([]netip.AddrPort)) bool {
		return i.cfg.Hooks.Unknown(id, answer)
	})
	if !asked && n == 1 {
		i.fail(h, id, "not connected to this server")
	}
}

func (i *Introducer) fail(h *rtmfp.Hello, id rtmfp.PeerID, reason string) {
	if ev := i.log.event(zerolog.InfoLevel); ev != nil {
		ev.Stringer("peer", id).Stringer("for", h.From).Str("reason", reason).Msg("introduction failed")
	}
}

// why guesses why two clients that were introduced do not meet.
func why(asker, target *netconn.Conn) string {
	if asker != nil && behindNAT(asker) && behindNAT(target) {
		return "the peer did not answer; both are behind NATs, perhaps symmetric ones"
	}
	return "the peer did not answer"
}

// behindNAT reports whether a client sees itself at other addresses than we do.
func behindNAT(c *netconn.Conn) bool {
	peers := c.PeerAddresses()
	for _, a := range peers {
		if a == c.Addr() {
			return false
		}
	}
	return len(peers) > 0
}

// addressesFor lists where target is reached by somebody at from: as we see it, and as it sees itself.
func addressesFor(from netip.AddrPort, target *netconn.Conn) []rtmfp.Address {
	var list []rtmfp.Address
	observed := target.Addr()
	near := sameHouse(from, observed)
	add := func(a netip.AddrPort, o rtmfp.Origin) {
		a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
		if !usable(a, from) {
			return
		}
		for _, have := range list {
			if have.AddrPort == a {
				return
			}
		}
		list = append(list, rtmfp.Address{AddrPort: a, Origin: o})
	}
	if observed.Addr().Is4() == from.Addr().Is4() {
		add(observed, rtmfp.OriginObserved)
	}
	for _, a := range target.PeerAddresses() {
		if near || !private(a.Addr()) {
			add(a, rtmfp.OriginReported)
		}
	}
	return list
}

// repliesTo lists where the peer should answer: where the asker's hello came from, and inside the same
// network at the addresses it reported.
func repliesTo(from netip.AddrPort, asker, target *netconn.Conn) []rtmfp.Address {
	list := []rtmfp.Address{{AddrPort: from, Origin: rtmfp.OriginObserved}}
	if asker == nil || !sameHouse(from, target.Addr()) {
		return list
	}
	for _, a := range asker.PeerAddresses() {
		a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
		if a != from && usable(a, from) && len(list) < maxReplies {
			list = append(list, rtmfp.Address{AddrPort: a, Origin: rtmfp.OriginReported})
		}
	}
	return list
}

// maxReplies bounds the copies of a forwarded hello.
const maxReplies = 4

// sameHouse reports whether two clients are seen at the same IP address, or both inside this server's
// own network.
func sameHouse(a, b netip.AddrPort) bool {
	x, y := a.Addr().Unmap(), b.Addr().Unmap()
	return x == y || (private(x) && private(y))
}

func private(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast()
}

// usable reports whether somebody at from can send to a at all.
func usable(a, from netip.AddrPort) bool {
	ip := a.Addr().Unmap()
	return a.Port() != 0 && ip.IsValid() && !ip.IsUnspecified() && !ip.IsMulticast() && ip.Zone() == "" &&
		(!ip.IsLoopback() || from.Addr().Unmap().IsLoopback())
}
