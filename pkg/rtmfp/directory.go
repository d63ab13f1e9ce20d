package rtmfp

import (
	"net/netip"
	"sync"
)

// Directory tells the shards of one server about each other's sessions: which shard has the session of
// an address, and which session a peer id has. It also counts sessions per source, for their limits.
// It is safe for concurrent use; nobody asks it per packet.
type Directory struct {
	mu      sync.Mutex
	addrs   map[netip.AddrPort]claim
	sources map[netip.Prefix]sourceCount
	peers   map[PeerID]PeerRef
}

// claim is an address that has a session or is about to have one.
type claim struct {
	shard    int
	halfOpen bool // nothing arrived under its session keys yet
}

type sourceCount struct{ all, halfOpen int }

// PeerRef names a session by its owner and id.
type PeerRef struct {
	Shard   int
	Session uint32
	Addr    netip.AddrPort
}

// claimLimits bound what Directory.claim grants; 0 means no limit. Those per source do not apply to
// loopback addresses.
type claimLimits struct{ all, perSource, halfOpenPerSource int }

// NewDirectory returns an empty directory.
func NewDirectory() *Directory {
	return &Directory{
		addrs:   make(map[netip.AddrPort]claim),
		sources: make(map[netip.Prefix]sourceCount),
		peers:   make(map[PeerID]PeerRef),
	}
}

// claim reserves addr for shard and reports who has it now; ok is false if a limit forbids it.
func (d *Directory) claim(addr netip.AddrPort, shard int, l claimLimits) (owner int, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c, taken := d.addrs[addr]; taken {
		return c.shard, true
	}
	p := sourcePrefix(addr.Addr())
	n := d.sources[p]
	over := func(n, limit int) bool { return limit > 0 && n >= limit }
	limited := !addr.Addr().IsLoopback() && (over(n.all, l.perSource) || over(n.halfOpen, l.halfOpenPerSource))
	if limited || over(len(d.addrs), l.all) {
		return 0, false
	}
	d.addrs[addr] = claim{shard: shard, halfOpen: true}
	d.sources[p] = sourceCount{n.all + 1, n.halfOpen + 1}
	return shard, true
}

// confirm notes that the session of addr is real.
func (d *Directory) confirm(addr netip.AddrPort) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c, ok := d.addrs[addr]; ok && c.halfOpen {
		d.addrs[addr] = claim{shard: c.shard}
		p := sourcePrefix(addr.Addr())
		n := d.sources[p]
		d.sources[p] = sourceCount{n.all, n.halfOpen - 1}
	}
}

// owner reports the shard that has addr.
func (d *Directory) owner(addr netip.AddrPort) (shard int, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c, ok := d.addrs[addr]
	return c.shard, ok
}

// release gives addr back if shard has it.
func (d *Directory) release(addr netip.AddrPort, shard int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c, ok := d.addrs[addr]
	if !ok || c.shard != shard {
		return
	}
	delete(d.addrs, addr)
	p := sourcePrefix(addr.Addr())
	n := d.sources[p]
	n.all--
	if c.halfOpen {
		n.halfOpen--
	}
	if n.all == 0 {
		delete(d.sources, p)
	} else {
		d.sources[p] = n
	}
}

// Peer looks up the session of a peer id: the newest of those from which something arrived.
func (d *Directory) Peer(id PeerID) (PeerRef, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r, ok := d.peers[id]
	return r, ok
}

// setPeer records the newest proven session of a peer id.
func (d *Directory) setPeer(id PeerID, r PeerRef) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.peers[id] = r
}

// dropPeer forgets id unless a newer session has taken it over.
func (d *Directory) dropPeer(id PeerID, session uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.peers[id].Session == session {
		delete(d.peers, id)
	}
}

// Sizes returns the numbers of known addresses and peers.
func (d *Directory) Sizes() (addrs, peers int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.addrs), len(d.peers)
}
