package rtmfp

import (
	"bytes"
	"net/netip"
	"time"
)

// Limits of packet reassembly (RFC 7016 §3.4). Only startup packets are ever this large, so the buffers
// are few and small.
const (
	maxPartials       = 256     // packets being put together
	maxPartialBytes   = 8 << 10 // of one packet
	maxPartialPieces  = 32      // fragments of one packet
	partialLifetime   = 60 * time.Second
	partialProgress   = time.Second // without a new fragment, then it may be discarded
	fragmentOverhead  = 32          // bytes of a packet that carries a fragment beside its data
	maxFragmentedSize = maxStartupDatagram
)

// partialKey names a packet: its sender and number, and the session it belongs to, 0 at startup.
type partialKey struct {
	from     netip.AddrPort
	sid      uint32
	packetID uint64
}

type partial struct {
	pieces   [][]byte // by number; nil = missing
	missing  int      // of those known to exist
	last     int      // number of the final one, -1 = not seen
	size     int
	mode     uint8
	started  Time
	progress Time
}

// reassembly puts fragmented packets together (RFC 7016 §3.4).
type reassembly struct{ packets map[partialKey]*partial }

// add takes a fragment from a packet of a mode, and returns the whole plain packet once it is complete.
func (r *reassembly) add(now Time, key partialKey, mode uint8, f packetFragment) (packet []byte, ok bool) {
	if f.number >= maxPartialPieces {
		return nil, false
	}
	key.packetID = f.packetID
	p := r.packets[key]
	if p == nil {
		if r.sweep(now); len(r.packets) >= maxPartials {
			return nil, false
		}
		if r.packets == nil {
			r.packets = make(map[partialKey]*partial)
		}
		p = &partial{last: -1, mode: mode, started: now}
		r.packets[key] = p
	}
	n := int(f.number)
	switch {
	case p.mode != mode, p.size+len(f.data) > maxPartialBytes, p.last >= 0 && (n > p.last || (!f.more && n != p.last)):
		return nil, false
	case !f.more && len(p.pieces) > n+1:
		delete(r.packets, key) // the end contradicts what came before
		return nil, false
	}
	for len(p.pieces) <= n {
		p.pieces = append(p.pieces, nil)
		p.missing++
	}
	if p.pieces[n] != nil {
		return nil, false
	}
	p.pieces[n] = append([]byte(nil), f.data...)
	p.missing--
	p.size += len(f.data)
	p.progress = now
	if !f.more {
		p.last = n
	}
	if p.last < 0 || p.missing > 0 {
		return nil, false
	}
	delete(r.packets, key)
	packet = make([]byte, 0, p.size)
	for _, piece := range p.pieces {
		packet = append(packet, piece...)
	}
	return packet, true
}

// sweep forgets packets that make no progress, when room is needed.
func (r *reassembly) sweep(now Time) {
	if len(r.packets) < maxPartials/2 {
		return
	}
	for k, p := range r.packets {
		if now.Sub(p.progress) > partialProgress || now.Sub(p.started) > partialLifetime {
			delete(r.packets, k)
		}
	}
}

// sendFragmented sends a startup packet that is too large for one datagram (RFC 7016 §3.4). The sizes
// that occur stay below four datagrams, which may go at once.
func (e *Endpoint) sendFragmented(now Time, to netip.AddrPort, sid uint32, packet []byte) {
	if len(packet) > maxFragmentedSize {
		e.counters.BadPackets.Add(1)
		return
	}
	packet = bytes.Clone(packet) // the fragments are built where it is
	e.nextPacket++
	f := packetFragment{packetID: e.nextPacket}
	for len(packet) > 0 {
		n := min(len(packet), maxDatagram-fragmentOverhead-sessionIDLen-checksumLen)
		f.data, packet = packet[:n], packet[n:]
		f.more = len(packet) > 0
		e.sendStartupPacket(to, sid, e.startupPacket(now, chunkFragment, appendFragment(nil, f)))
		f.number++
	}
}

// fragment takes a fragment of a packet of the session. The reassembled packet counts as received now.
func (s *Session) fragment(now Time, p []byte, from netip.AddrPort) {
	f, ok := consumeFragment(p)
	if !ok || s.e.inFragment {
		return
	}
	mode := modeInitiator
	if s.initiator {
		mode = modeResponder
	}
	packet, ok := s.e.partials.add(now, partialKey{from: from, sid: s.nearID}, mode, f)
	if !ok {
		return
	}
	h, n := consumePacketHeader(packet)
	if n == 0 || h.mode != mode {
		s.e.counters.BadPackets.Add(1)
		return
	}
	s.e.inFragment = true // a packet in pieces holds no pieces
	s.chunks(now, packet[n:], from)
	s.e.inFragment = false
}
