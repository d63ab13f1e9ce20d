package rtmfp

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
)

// mobility verifies that a far end really moved before anything is sent to its new address
// (RFC 7016 §3.5.4.2).
type mobility struct {
	txAt, rxAt Time // MOB_TX_TS, MOB_RX_TS
	secret     [16]byte
	probe      netip.AddrPort // where a probe should go, if valid
	probed     netip.AddrPort // where the last one went
	local      Local          // where it left from
}

const (
	mobilityMark    = 'M'
	mobilityMessage = 1 + 8 + 16 // mark, time, MAC
)

func (s *Session) mobilityPing(at Time, addr netip.AddrPort) (msg [mobilityMessage]byte) {
	msg[0] = mobilityMark
	binary.BigEndian.PutUint64(msg[1:], uint64(at))
	h := hmac.New(sha256.New, s.mob.secret[:])
	h.Write(msg[:9])
	a := addr.Addr().As16()
	h.Write(a[:])
	h.Write(binary.BigEndian.AppendUint16(nil, addr.Port()))
	copy(msg[9:], h.Sum(nil))
	return msg
}

// probeAddress reacts to a valid packet from another address than the far end's.
func (s *Session) probeAddress(now Time, from netip.AddrPort) {
	m := s.mob
	if m != nil && now.Sub(m.txAt) < mobilityProbeInterval {
		return
	}
	if m == nil {
		m = new(mobility)
		s.e.random(m.secret[:])
		s.mob = m
	}
	m.txAt, m.probe, m.probed, m.local = now, from, from, s.e.localFor(from)
	s.wake()
}

// pingReply accepts the address a probe was answered from. Old clients answer any ping with an empty
// reply; unless the policy is strict, one that comes from where the probe went is good enough on a
// session that has no sequence numbers anyway.
func (s *Session) pingReply(now Time, msg []byte, from netip.AddrPort) {
	m := s.mob
	if from == s.addr || m == nil {
		return
	}
	if len(msg) == 0 {
		if s.integrity || s.e.cfg.StrictMobility || from != m.probed || now.Sub(m.txAt) > mobilityReplyLifetime {
			return
		}
		s.move(now, from)
		return
	}
	if len(msg) != mobilityMessage || msg[0] != mobilityMark {
		return
	}
	at := Time(binary.BigEndian.Uint64(msg[1:]))
	want := s.mobilityPing(at, from)
	if !hmac.Equal(want[:], msg) || at <= m.rxAt || now.Sub(at) > mobilityReplyLifetime {
		return
	}
	m.rxAt = at
	s.move(now, from)
}

// move makes addr the address of the far end, unless another session has it and is not closing.
func (s *Session) move(now Time, addr netip.AddrPort) {
	e := s.e
	if e.awaiting[addr] != nil {
		return
	}
	if other := e.byAddr[addr]; other != nil {
		if other.state == stateOpen {
			other.suspect(now)
			return
		}
		other.finish(ErrClosed)
	}
	owner, ok := e.cfg.Directory.claim(addr, e.cfg.Shard, claimLimits{})
	if !ok || owner != e.cfg.Shard {
		return
	}
	e.cfg.Directory.confirm(addr)
	old := s.addr
	delete(e.byAddr, old)
	e.unclaim(old)
	s.addr, s.local = addr, e.localFor(addr)
	e.byAddr[addr] = s
	e.cfg.Directory.setPeer(s.peer, PeerRef{e.cfg.Shard, s.nearID, addr})
	e.counters.AddressChanges.Add(1)
	e.emit(Event{Kind: EventAddressChanged, Session: s, Addr: old})
}

// nextPacket builds the next datagram of the session and says where it goes and from where.
func (s *Session) nextPacket(now Time, b []byte) (_ []byte, to netip.AddrPort, local Local, ok bool) {
	if m := s.mob; m != nil && m.probe.IsValid() && s.state == stateOpen {
		p := m.probe
		m.probe = netip.AddrPort{}
		msg := s.mobilityPing(now, p)
		b, at := s.beginPacket(now, b)
		b = appendChunk(b, chunkPing, msg[:])
		s.e.dumpSent(p, s.nearID, b[at:])
		return s.padPacket(b), p, m.local, true
	}
	b, ok = s.build(now, b)
	return b, s.addr, s.local, ok
}
