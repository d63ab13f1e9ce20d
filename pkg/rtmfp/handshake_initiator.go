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

	farCert       *certificate // S_KEYING_SENT from here on
	keying        *initiatorKeying
	cookie        []byte
	cookieChanged bool
	repeat        candidate // schedule of the IIKeying
	finishing     bool      // a key agreement runs
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

// Dial starts opening a session. EventSessionOpen or EventSessionClosed follows.
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
	if len(d.Addrs) == 0 {
		return nil, errors.New("rtmfp: no address to dial")
	}
	if d.Timeout == 0 {
		d.Timeout = openTimeout
	}
	o := &opening{epd: epd, rawEPD: bytes.Clone(d.EPD), identities: ids, deadline: now.Add(d.Timeout)}
	e.random(o.tag[:])
	o.tag[0] = byte(e.cfg.Shard)
	s := &Session{
		e: e, timer: -1, User: d.User, initiator: true, state: stateHelloSent, opening: o,
		nearID: e.newSessionID(), near: ids[0],
	}
	e.sessions[s.nearID] = s
	e.tags[o.tag] = s
	e.openings[s] = struct{}{}
	for _, a := range d.Addrs {
		s.addCandidate(now, a)
	}
	s.openingTimer(now)
	s.reschedule()
	return s, nil
}

// addCandidate adds an address to those that are sent hellos, each on its own schedule.
func (s *Session) addCandidate(now Time, a netip.AddrPort) {
	o := s.opening
	a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	known := slices.ContainsFunc(o.candidates, func(c candidate) bool { return c.addr == a })
	if known || len(o.candidates) >= redirectThreshold || !a.IsValid() || a.Port() == 0 {
		return
	}
	o.candidates = append(o.candidates, candidate{addr: a, at: now, interval: helloInterval})
}

func (o *opening) nextDeadline() Time {
	t := o.deadline
	if o.keying != nil {
		if !o.finishing {
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
		s.finish(ErrOpenTimeout)
		return
	}
	if o.keying != nil {
		if due(o.repeat.at, now) && !o.finishing {
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
		s.addCandidate(now, from)
	}
	for _, a := range c.addresses {
		if !a.Addr().IsUnspecified() && !a.Addr().IsMulticast() {
			s.addCandidate(now, a.AddrPort)
		}
	}
	s.openingTimer(now)
	s.reschedule()
}

// handleRHello picks the first responder that is who we want (RFC 7016 §3.5.1.1.1).
func (s *Session) handleRHello(now Time, c *rhello, from netip.AddrPort) {
	o := s.opening
	if s.state != stateHelloSent || len(c.certificate) > maxHandshakeField || len(c.cookie) > maxHandshakeField {
		return
	}
	cert, err := parseCertificate(bytes.Clone(c.certificate))
	if err != nil || !o.epd.selects(cert) {
		return
	}
	if o.epd.HasPeer && s.e.openTo(cert.fingerprint) {
		s.finish(ErrDuplicate)
		return
	}
	for _, id := range o.identities {
		k, err := newInitiatorKeying(s.e.cfg.Rand, id, cert, s.e.cfg.Security)
		if err != nil {
			continue
		}
		o.keying, s.near = k, id
		break
	}
	if o.keying == nil {
		return // no common group: perhaps another responder answers
	}
	delete(s.e.tags, o.tag)
	s.state = stateKeyingSent
	s.addr = from
	s.farCert, s.peer = cert.raw, cert.fingerprint
	o.farCert, o.cookie = cert, bytes.Clone(c.cookie)
	o.repeat = candidate{interval: helloInterval}
	s.sendIIKeying(now)
	s.reschedule()
}

func (e *Endpoint) openTo(id PeerID) bool {
	for _, s := range e.sessions {
		if s.peer == id && (s.state == stateOpen || s.state == stateKeyingSent) {
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
	typ, p, _, ok := nextChunk(pkt[n:])
	if !ok || from != s.addr {
		return
	}
	switch typ {
	case chunkCookieChange: // RFC 7016 §3.5.1.2: at most once
		c, ok := consumeCookieChange(p)
		if !ok || o.cookieChanged || o.finishing || !bytes.Equal(c.oldCookie, o.cookie) || len(c.newCookie) > maxHandshakeField {
			return
		}
		o.cookie, o.cookieChanged = bytes.Clone(c.newCookie), true
		s.sendIIKeying(now)
		s.reschedule()
	case chunkRIKeying:
		c, ok := consumeRIKeying(p)
		if !ok || o.finishing || c.responderSID == 0 || len(c.skrc) > maxHandshakeField {
			return
		}
		o.finishing = true
		keying := o.keying
		s.e.emit(Event{Kind: EventKeyAgreement, Session: s, Job: &KeyAgreement{
			session: s, farID: c.responderSID, skrc: bytes.Clone(c.skrc),
			run: func(j *KeyAgreement) { j.keys, j.err = keying.finish(j.skrc) },
		}})
	}
}

// keyed ends the initiator's key agreement. A forged RIKeying fails here, and the wait goes on.
func (s *Session) keyed(now Time, j *KeyAgreement) {
	o := s.opening
	if s.state != stateKeyingSent || o == nil {
		return
	}
	o.finishing = false
	if j.err != nil {
		s.e.counters.KeyingsFailed.Add(1)
		s.reschedule()
		return
	}
	if old := s.e.byAddr[s.addr]; old != nil {
		old.finish(ErrOverridden)
	}
	owner, ok := s.e.cfg.Directory.claim(s.addr, s.e.cfg.Shard, claimLimits{all: s.e.cfg.MaxSessions})
	if !ok || owner != s.e.cfg.Shard {
		s.finish(ErrTooManySessions)
		return
	}
	o.keying.wipe()
	early := o.early
	s.open(now, j.keys, j.farID)
	for _, p := range early {
		s.handle(now, p.data, p.from)
	}
}

// glare settles two ends dialling each other at the same time (RFC 7016 §3.5.1.3): the smaller
// certificate prevails. It reports whether our own opening goes on, so that theirs is ignored.
func (e *Endpoint) glare(cert *certificate, from netip.AddrPort) (nearPrevails bool) {
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
		s.finish(ErrDuplicate)
		return false
	}
	return false
}
