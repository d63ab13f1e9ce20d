package rtmfp

import (
	"net/netip"
	"sync"
)

// Directory tells the shards of one server about each other's sessions: which shard has the session of
// an address, and which session a peer id has. It is safe for concurrent use; nobody asks it per packet.
type Directory struct {
	mu    sync.Mutex
	addrs map[netip.AddrPort]int
	peers map[PeerID]PeerRef
}

// PeerRef names a session by its owner and id.
type PeerRef struct {
	Shard   int
	Session uint32
	Addr    netip.AddrPort
}

// NewDirectory returns an empty directory.
func NewDirectory() *Directory {
	return &Directory{addrs: make(map[netip.AddrPort]int), peers: make(map[PeerID]PeerRef)}
}

// claim reserves addr for shard unless limit addresses are taken (0 = no limit), and reports who has it.
func (d *Directory) claim(addr netip.AddrPort, shard, limit int) (owner int, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if owner, ok := d.addrs[addr]; ok {
		return owner, true
	}
	if limit > 0 && len(d.addrs) >= limit {
		return 0, false
	}
	d.addrs[addr] = shard
	return shard, true
}

// owner reports the shard that has addr.
func (d *Directory) owner(addr netip.AddrPort) (shard int, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	shard, ok = d.addrs[addr]
	return shard, ok
}

// release gives addr back if shard has it.
func (d *Directory) release(addr netip.AddrPort, shard int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.addrs[addr] == shard {
		delete(d.addrs, addr)
	}
}

// Peer looks up the session of a peer id.
func (d *Directory) Peer(id PeerID) (PeerRef, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r, ok := d.peers[id]
	return r, ok
}

// setPeer records the newest session of a peer id.
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
