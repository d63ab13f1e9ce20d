package rtmfp

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"time"
)

// DialConfig says whom to reach and how.
type DialConfig struct {
	EPD   []byte // EPDForURI or EPDForPeer
	Addrs []netip.AddrPort
	// Identities are tried in order until one shares a key agreement group with the responder; empty
	// means Config.Identity.
	Identities []*Identity
	Timeout    time.Duration // 0 = 95 s (RFC 7016 §3.5.1.1.1)
	User       any           // for Session.User
}

// opening is what a session needs until it is open.
type opening struct {
	epd        EPD
	rawEPD     []byte
	tag        [tagLen]byte
	candidates []candidate // S_IHELLO_SENT
	identities []*Identity
	deadline   Time

	err error // why a responder was turned down

	farCert       *certificate     // S_KEYING_SENT from here on
	keying        *initiatorKeying // nil until the first half of the key agreement is done
	cookie        []byte
	cookieChanged bool
	repeat        candidate // schedule of the IIKeying
	working       bool      // a key agreement runs
	early         []earlyPacket
}

// candidate is an address with its own retransmission schedule.
type candidate struct {
	addr     netip.AddrPort
	at       Time
	interval time.Duration
}

func (c *candidate) sent(now Time) {
	c.at = now.Add(c.interval)
	c.interval += helloBackoff
}

type earlyPacket struct {
	data []byte
	from netip.AddrPort
}

// Dial starts opening a session. EventSessionOpen or EventSessionClosed follows; the latter with
// ErrDuplicate if there is a session with that endpoint already, or one that it dialled at the same time.
func (e *Endpoint) Dial(now Time, d DialConfig) (*Session, error) {
	e.now = now
	epd, err := ParseEPD(d.EPD)
	if err != nil {
		return nil, err
	}
	ids := d.Identities
	if len(ids) == 0 && e.cfg.Identity != nil {
		ids = []*Identity{e.cfg.Identity}
	}
	if len(ids) == 0 {
		return nil, errors.New("rtmfp: dialling needs an identity")
	}
	if d.Timeout == 0 {
		d.Timeout = openTimeout
	}
	o := &opening{epd: epd, rawEPD: bytes.Clone(d.EPD), identities: ids, deadline: now.Add(d.Timeout)}
	for _, a := range d.Addrs {
		o.addCandidate(now, a)
	}
	if len(o.candidates) == 0 {
		return nil, errors.New("rtmfp: no address to dial")
	}
	e.random(o.tag[:])
	o.tag[0] = byte(e.cfg.Shard)
	s := &Session{
		e: e, timer: -1, User: d.User, initiator: true, state: stateHelloSent, opening: o,
		nearID: e.newSessionID(), near: ids[0],
	}
	e.sessions[s.nearID] = s
	e.tags[o.tag] = s
	e.openings[s] = struct{}{}
	s.openingTimer(now)
	s.reschedule()
	return s, nil
}

// addCandidate adds an address to those that are sent hellos, each on its own schedule.
func (o *opening) addCandidate(now Time, a netip.AddrPort) {
	a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	known := slices.ContainsFunc(o.candidates, func(c candidate) bool { return c.addr == a })
	if known || len(o.candidates) >= redirectThreshold || !a.IsValid() || a.Port() == 0 {
		return
	}
	o.candidates = append(o.candidates, candidate{addr: a, at: now, interval: helloInterval})
}

func (o *opening) nextDeadline() Time {
	t := o.deadline
	if o.farCert != nil {
		if !o.working {
			t = min(t, o.repeat.at)
		}
		return t
	}
	for _, c := range o.candidates {
		t = min(t, c.at)
	}
	return t
}

// openingTimer repeats hellos or the IIKeying, and gives up in the end.
func (s *Session) openingTimer(now Time) {
	o := s.opening
	if due(o.deadline, now) {
		err := o.err
		if err == nil {
			err = ErrOpenTimeout
		}
		s.finish(err)
		return
	}
	if o.farCert != nil {
		if due(o.repeat.at, now) && !o.working {
			s.sendIIKeying(now)
		}
		return
	}
	for i := range o.candidates {
		c := &o.candidates[i]
		if c.at <= now {
			s.e.sendStartup(now, c.addr, 0, chunkIHello, appendIHello(nil, ihello{epd: o.rawEPD, tag: o.tag[:]}))
			c.sent(now)
		}
	}
}

// handleRedirect adds the addresses of a redirect to the candidates (RFC 7016 §3.5.1.1.1). An empty
// list stands for the address it came from (RFC 7016 §2.3.5).
func (s *Session) handleRedirect(now Time, c *redirect, from netip.AddrPort) {
	if s.state != stateHelloSent {
		return
	}
	if len(c.addresses) == 0 {
		s.opening.addCandidate(now, from)
	}
	for _, a := range c.addresses {
		if a.unicast() {
			s.opening.addCandidate(now, a.AddrPort)
		}
	}
	s.openingTimer(now)
	s.reschedule()
}

// handleRHello picks the first responder that is who we want (RFC 7016 §3.5.1.1.1).
func (s *Session) handleRHello(now Time, c *rhello, from netip.AddrPort) {
	e, o := s.e, s.opening
	if s.state != stateHelloSent || len(c.certificate) > maxHandshakeField || len(c.cookie) > maxHandshakeField {
		return
	}
	cert, err := parseCertificate(c.certificate)
	if err != nil || !o.epd.selects(cert) {
		return
	}
	i := slices.IndexFunc(o.identities, func(id *Identity) bool { return id.commonGroup(cert) != 0 })
	if i < 0 {
		o.err = ErrNoCommonGroup // unless another responder answers
		return
	}
	id := o.identities[i]
	if e.openTo(cert.fingerprint, from) || e.awaiting[from] != nil || e.keying[from] != nil {
		s.finish(ErrDuplicate)
		return
	}
	// From here on the address is ours among the shards: it can have only one session, and when the far
	// end dials us too, both openings must meet to settle it.
	owner, ok := e.cfg.Directory.claim(from, e.cfg.Shard, claimLimits{all: e.cfg.MaxSessions})
	switch {
	case !ok:
		s.finish(ErrTooManySessions)
		return
	case owner != e.cfg.Shard:
		s.finish(ErrDuplicate)
		return
	}
	delete(e.tags, o.tag)
	e.awaiting[from] = s
	s.state = stateKeyingSent
	s.addr, s.near = from, id
	s.peer = cert.fingerprint
	o.farCert, o.cookie = cert, bytes.Clone(c.cookie)
	o.repeat = candidate{interval: helloInterval}
	rnd, sec := e.cfg.Rand, e.cfg.Security
	o.working = true
	j := &KeyAgreement{
		session: s, group: id.commonGroup(cert),
		run: func(j *KeyAgreement) { j.keying, j.err = newInitiatorKeying(rnd, id, cert, sec) },
	}
	if id.isStatic() {
		j.Run() // nothing to compute
		s.prepared(now, j)
		return
	}
	e.emit(Event{Kind: EventKeyAgreement, Session: s, Job: j})
	s.reschedule()
}

// prepared ends the first half of the initiator's key agreement.
func (s *Session) prepared(now Time, j *KeyAgreement) {
	o := s.opening
	o.working = false
	if j.err != nil {
		s.finish(j.err)
		return
	}
	o.keying = j.keying
	s.sendIIKeying(now)
	s.reschedule()
}

// openTo reports whether a session with id, whose owner is at from, exists or is about to. One that is not
// proven counts only there: otherwise everybody could keep us from dialling id.
func (e *Endpoint) openTo(id PeerID, from netip.AddrPort) bool {
	for _, s := range e.sessions {
		if s.peer == id && (s.state == stateKeyingSent || s.state == stateOpen && (s.proven() || s.addr == from)) {
			return true
		}
	}
	return false
}

func (s *Session) sendIIKeying(now Time) {
	o := s.opening
	o.repeat.sent(now)
	s.e.sendStartup(now, s.addr, 0, chunkIIKeying, appendIIKeying(nil, iikeying{
		initiatorSID: s.nearID, cookie: o.cookie, certificate: s.near.Certificate(),
		skic: o.keying.skic, signature: []byte{signatureNone},
	}))
}

// handleOpening processes a packet to our session id before the session is open.
func (s *Session) handleOpening(now Time, b []byte, from netip.AddrPort) {
	o := s.opening
	pkt, err := s.e.defRecv.open(append([]byte(nil), b...))
	h, n := consumePacketHeader(pkt)
	if err != nil || n == 0 || h.mode != modeStartup {
		// Data of the open session may overtake the RIKeying.
		if len(o.early) < earlyPackets && from == s.addr {
			o.early = append(o.early, earlyPacket{bytes.Clone(b), from})
		}
		return
	}
	if from != s.addr {
		return
	}
	typ, p, _, ok := s.e.openStartup(now, b, s.nearID, from)
	if !ok {
		return
	}
	switch typ {
	case chunkCookieChange: // RFC 7016 §3.5.1.2: at most once
		c, ok := consumeCookieChange(p)
		if !ok || o.cookieChanged || o.working || !bytes.Equal(c.oldCookie, o.cookie) || len(c.newCookie) > maxHandshakeField {
			return
		}
		o.cookie, o.cookieChanged = bytes.Clone(c.newCookie), true
		s.sendIIKeying(now)
		s.reschedule()
	case chunkRIKeying:
		c, ok := consumeRIKeying(p)
		if !ok || o.working || c.responderSID == 0 || len(c.skrc) > maxHandshakeField {
			return
		}
		o.working = true
		keying := o.keying
		s.e.emit(Event{Kind: EventKeyAgreement, Session: s, Job: &KeyAgreement{
			session: s, farID: c.responderSID, group: keying.group, skrc: bytes.Clone(c.skrc),
			run: func(j *KeyAgreement) { j.keys, j.err = keying.finish(j.skrc) },
		}})
	}
}

// keyed ends the initiator's key agreement. A forged RIKeying fails here, and the wait goes on.
func (s *Session) keyed(now Time, j *KeyAgreement) {
	o := s.opening
	o.working = false
	if s.state != stateKeyingSent { // given up meanwhile
		o.wipe()
		return
	}
	if j.err != nil {
		s.e.counters.KeyingsFailed.Add(1)
		s.reschedule()
		return
	}
	if old := s.e.byAddr[s.addr]; old != nil {
		old.finish(ErrOverridden)
	}
	o.wipe()
	s.since = now
	s.open(now, j.keys, j.farID)
	for _, p := range o.early {
		if s.state != stateClosed {
			s.handle(now, p.data, p.from)
		}
	}
}

// wipe gives up the private key unless a worker is using it.
func (o *opening) wipe() {
	if o.keying != nil && !o.working {
		o.keying.wipe()
	}
}

// glare settles two ends dialling each other at the same time (RFC 7016 §3.5.1.3): the smaller
// certificate prevails. It reports whether our own opening goes on, so that theirs is ignored.
func (e *Endpoint) glare(cert *certificate, from netip.AddrPort) (nearPrevails bool) {
	var lost []*Session
	for s := range e.openings {
		o := s.opening
		towards := s.state == stateKeyingSent && s.addr == from ||
			s.state == stateHelloSent && slices.ContainsFunc(o.candidates, func(c candidate) bool { return c.addr == from })
		if !towards || !o.epd.selects(cert) {
			continue
		}
		if glareNearWins(s.near.Certificate(), cert.raw) {
			return true
		}
		lost = append(lost, s)
	}
	for _, s := range lost {
		s.finish(ErrDuplicate)
	}
	return false
}
