package rtmfp

import "net/netip"

// KeyAgreement is public-key work of a handshake: milliseconds of arithmetic that must not run on the
// endpoint's goroutine. Run touches nothing the endpoint uses; give the job back with
// Endpoint.HandleKeyAgreement.
type KeyAgreement struct {
	run   func(*KeyAgreement)
	group uint64
	skrc  []byte
	keys  *sessionKeys
	err   error

	session *Session         // initiator
	keying  *initiatorKeying // the result of the first half
	farID   uint32

	from  netip.AddrPort // responder
	local Local
	stamp Time // when its cookie was made
	isid  uint32
	cert  *certificate
	skic  []byte
}

// Group is the Diffie-Hellman group of the job, which says how long it takes: about 0.2, 1 or 15 ms with group 2, 14
// or 16.
func (j *KeyAgreement) Group() uint64 { return j.group }

// MayDrop reports whether the job may be given to DropKeyAgreement instead of being run: the far end will ask again.
func (j *KeyAgreement) MayDrop() bool { return j.session == nil }

// DropKeyAgreement takes back a job that was not run because there is too much to do. As if its packet had been
// lost, nothing of it stays.
func (e *Endpoint) DropKeyAgreement(now Time, j *KeyAgreement) {
	e.now = now
	e.counters.KeyingsDropped.Add(1)
	delete(e.keying, j.from)
	e.unclaim(j.from)
}

// Run does the work. Any goroutine may call it, once.
func (j *KeyAgreement) Run() { j.run(j) }

// HandleKeyAgreement takes a job back that has run.
func (e *Endpoint) HandleKeyAgreement(now Time, j *KeyAgreement) {
	e.now = now
	switch s := j.session; {
	case s == nil:
		e.respond(now, j)
	case s.opening.keying != nil:
		s.keyed(now, j)
	case s.state == stateKeyingSent:
		s.prepared(now, j)
	case j.keying != nil: // given up meanwhile
		j.keying.wipe()
	}
}

// open makes s an open session with keys k.
func (s *Session) open(now Time, k *sessionKeys, farID uint32) {
	e := s.e
	s.state = stateOpen
	s.farID = farID
	s.send, s.recv = k.send, k.recv
	s.nearNonce, s.farNonce = k.nearNonce, k.farNonce
	a := k.agreement
	s.integrity = a.sendHMAC > 0 && a.recvHMAC > 0 && a.sendSSEQ && a.recvSSEQ
	s.rtt, s.cong = newRTTState(), newCongestion()
	s.nextFlow = firstFlowID
	s.lastRecv, s.idleSince = now, now
	s.stats.Opened = now
	s.opening = nil
	delete(e.openings, s)
	if e.awaiting[s.addr] == s {
		delete(e.awaiting, s.addr)
	}
	if s.keepalive == 0 {
		s.keepalive = e.cfg.Keepalive
	}
	s.keepaliveAt = now.Add(s.keepalive)
	e.byAddr[s.addr] = s
	e.counters.SessionsOpened.Add(1)
	e.emit(Event{Kind: EventSessionOpen, Session: s})
	s.reschedule()
}

// newSessionID draws an id that is free and names this shard in its low byte.
func (e *Endpoint) newSessionID() uint32 {
	for {
		var b [4]byte
		e.random(b[:])
		id := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(e.cfg.Shard)
		if id>>8 != 0 && e.sessions[id] == nil {
			return id
		}
	}
}
