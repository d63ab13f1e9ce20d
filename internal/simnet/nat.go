package simnet

import (
	"net/netip"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// NATKind is how a NAT maps and filters, in the words of RFC 3489 §5; RFC 4787 §4 and §5 say it by parts.
type NATKind uint8

// The kinds of NAT. Cones use one mapping for all destinations.
const (
	FullCone          NATKind = iota // lets everybody in
	AddressRestricted                // lets in whom the inside sent to, from any port
	PortRestricted                   // from the port that was sent to
	Symmetric                        // a mapping for each destination, which alone may answer
)

func (k NATKind) String() string {
	return [...]string{"full cone", "address restricted", "port restricted", "symmetric"}[k]
}

// NAT is a router with one public address in front of nodes with private ones. Different NATs may have
// the same private addresses behind them.
type NAT struct {
	// Lifetime is how long a mapping lasts after the inside sent something; 0 = 60 s.
	Lifetime time.Duration
	// Hairpin lets nodes inside reach each other by the public address.
	Hairpin bool

	net      *Net
	ip       netip.Addr
	kind     NATKind
	inside   map[netip.AddrPort]*Node
	mappings map[mappingKey]*mapping
	ports    map[uint16]*mapping
	nextPort uint16
	dropped  int
}

type mappingKey struct{ inner, to netip.AddrPort }

type mapping struct {
	inner netip.AddrPort
	port  uint16
	last  rtmfp.Time
	sent  map[netip.AddrPort]rtmfp.Time // whom the inside sent to
}

// AddNAT adds a router that is seen at ip.
func (n *Net) AddNAT(ip string, kind NATKind) *NAT {
	r := &NAT{
		net: n, ip: netip.MustParseAddr(ip), kind: kind, nextPort: 20000,
		inside: make(map[netip.AddrPort]*Node), mappings: make(map[mappingKey]*mapping), ports: make(map[uint16]*mapping),
	}
	n.nats[r.ip] = r
	return r
}

// Put moves a node behind the router; its address is a private one from then on.
func (r *NAT) Put(node *Node) {
	delete(r.net.nodes, node.addr)
	node.nat = r
	r.inside[node.addr] = node
}

// Dropped returns how many datagrams from outside were refused.
func (r *NAT) Dropped() int { return r.dropped }

func (r *NAT) alive(t rtmfp.Time) bool {
	life := r.Lifetime
	if life == 0 {
		life = time.Minute
	}
	return r.net.now.Sub(t) < life
}

// outbound is the address that the outside sees for what inner sends to a destination.
func (r *NAT) outbound(inner, to netip.AddrPort) netip.AddrPort {
	k := mappingKey{inner: inner}
	if r.kind == Symmetric {
		k.to = to
	}
	m := r.mappings[k]
	if m == nil || !r.alive(m.last) {
		if m != nil {
			delete(r.ports, m.port)
		}
		r.nextPort++
		m = &mapping{inner: inner, port: r.nextPort, sent: make(map[netip.AddrPort]rtmfp.Time)}
		r.mappings[k] = m
		r.ports[m.port] = m
	}
	m.last = r.net.now
	m.sent[to] = r.net.now
	return netip.AddrPortFrom(r.ip, m.port)
}

// inbound is the node that gets what from sends to a public port, nil if nobody does.
func (r *NAT) inbound(from netip.AddrPort, port uint16) *Node {
	m := r.ports[port]
	if m == nil || !r.alive(m.last) || !r.admits(m, from) {
		r.dropped++
		return nil
	}
	return r.inside[m.inner]
}

func (r *NAT) admits(m *mapping, from netip.AddrPort) bool {
	if r.kind == FullCone {
		return true
	}
	for to, at := range m.sent {
		if r.alive(at) && (to == from || (r.kind == AddressRestricted && to.Addr() == from.Addr())) {
			return true
		}
	}
	return false
}

// route says at what address a datagram of a node is seen, and where it goes: dst is who may get it, and
// arrive decides when it arrives.
func (n *Net) route(from *Node, to netip.AddrPort) (src netip.AddrPort, dst *Node, arrive func() *Node) {
	src = from.addr
	if r := from.nat; r != nil {
		if dst = r.inside[to]; dst != nil {
			return src, dst, func() *Node { return r.inside[to] }
		}
		if to.Addr() == r.ip && !r.Hairpin {
			return src, nil, nil
		}
		src = r.outbound(src, to)
	}
	if r := n.nats[to.Addr()]; r != nil {
		if m := r.ports[to.Port()]; m != nil {
			dst = r.inside[m.inner]
		}
		return src, dst, func() *Node { return r.inbound(src, to.Port()) }
	}
	return src, n.nodes[to], func() *Node { return n.nodes[to] }
}

// present reports whether a node is on the network.
func (n *Net) present(node *Node) bool {
	if node.nat != nil {
		return node.nat.inside[node.addr] == node
	}
	return n.nodes[node.addr] == node
}
