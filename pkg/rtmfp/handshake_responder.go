package rtmfp

import (
	"bytes"
	"net/netip"
)

// keyingReply is what a responder keeps to answer a repeated IIKeying (RFC 7016 §3.5.1.1.2), until something arrives
// under the session keys: then the initiator has the answer.
type keyingReply struct {
	isid  uint32
	skic  []byte
	chunk []byte // the RIKeying payload
}

// hello answers an initiator hello or leaves it to the application. It keeps no state.
func (e *Endpoint) hello(now Time, epd, tag []byte, from netip.AddrPort) {
	e.counters.Hellos.Add(1)
	if !e.cfg.Limiter.allow(now, from.Addr()) {
		e.counters.HellosLimited.Add(1)
		return
	}
	if e.cfg.Identity == nil {
		return
	}
	d, err := ParseEPD(epd)
	if err != nil || len(tag) > maxTag {
		e.counters.BadPackets.Add(1)
		return
	}
	switch selected := d.selects(e.cfg.Identity.cert); {
	case selected && !e.cfg.DecideHello:
		e.answerHello(now, tag, from)
	case selected, e.cfg.Rendezvous && d.HasPeer:
		b := append(append(make([]byte, 0, len(epd)+len(tag)), epd...), tag...)
		e.emit(Event{Kind: EventHello, Hello: &Hello{EPD: b[:len(epd):len(epd)], Tag: b[len(epd):], From: from, local: e.localFor(from)}, Addr: from})
	default:
		e.counters.HellosUnselected.Add(1)
	}
}

// maxTag bounds an initiator's tag in bytes, so that the answer fits into a datagram.
const maxTag = 512

// AnswerHello sends the responder hello with a stateless cookie (RFC 7016 §3.5.1.1.2).
func (e *Endpoint) AnswerHello(now Time, h *Hello) {
	e.heardFrom(h.From, h.local)
	e.answerHello(now, h.Tag, h.From)
}

func (e *Endpoint) answerHello(now Time, tag []byte, to netip.AddrPort) {
	e.cookie = e.cfg.Cookies.make(e.cookie[:0], now, to)
	e.answer = appendRHello(e.answer[:0], rhello{tagEcho: tag, cookie: e.cookie, certificate: e.cfg.Identity.Certificate()})
	e.sendStartup(now, to, 0, chunkRHello, e.answer)
}

// RedirectHello tells the initiator to try other addresses (RFC 7016 §3.5.1.4). No address means the
// one this answer comes from.
func (e *Endpoint) RedirectHello(now Time, h *Hello, to []Address) {
	e.heardFrom(h.From, h.local)
	e.sendStartup(now, h.From, 0, chunkRedirect, appendRedirect(nil, redirect{tagEcho: h.Tag, addresses: to}))
}

// forwardedHello answers an initiator that a forwarder introduces (RFC 7016 §3.5.1.5). Only servers we
// dialled may do that: from anybody else it would make us send to strangers.
func (s *Session) forwardedHello(now Time, p []byte) {
	c, ok := consumeFIHello(p)
	if !ok || !s.initiator || len(c.tag) > maxTag || !c.reply.unicast() {
		return
	}
	d, err := ParseEPD(c.epd)
	if err != nil || !d.selects(s.near.cert) || s.e.cfg.Identity != s.near {
		return
	}
	if !s.e.cfg.Limiter.allow(now, c.reply.Addr()) {
		s.e.counters.HellosLimited.Add(1)
		return
	}
	s.e.answerHello(now, c.tag, c.reply.AddrPort)
}

// handleIIKeying checks an IIKeying, cheap things first, and starts the key agreement.
func (e *Endpoint) handleIIKeying(now Time, c *iikeying, datagram []byte, from netip.AddrPort) {
	if e.cfg.Identity == nil {
		return
	}
	switch e.cfg.Cookies.check(c.cookie, now, from) {
	case cookieValid:
	case cookieElsewhere:
		e.changeCookie(now, c, from)
		return
	default:
		e.counters.BadCookies.Add(1)
		return
	}
	if owner, ok := e.cfg.Directory.owner(from); ok && owner != e.cfg.Shard {
		e.forward(owner, datagram, from)
		return
	}
	if len(c.certificate) > maxHandshakeField || len(c.skic) > maxHandshakeField || c.initiatorSID == 0 {
		e.counters.KeyingsFailed.Add(1)
		return
	}
	cert, err := parseCertificate(c.certificate)
	if err != nil {
		e.counters.KeyingsFailed.Add(1)
		return
	}
	if e.keying[from] != nil {
		e.counters.KeyingsRepeated.Add(1)
		return // its answer is on the way
	}
	if !e.mayReplace(now, c, cert.fingerprint, from) {
		return
	}
	work, err := newResponderKeying(e.cfg.Identity, cert, bytes.Clone(c.skic), e.cfg.Security)
	if err != nil {
		e.counters.KeyingsFailed.Add(1)
		return
	}
	if len(e.keying) >= e.cfg.MaxKeying {
		e.counters.KeyingsDropped.Add(1) // the initiator tries again
		return
	}
	owner, ok := e.cfg.Directory.claim(from, e.cfg.Shard, e.cfg.claims())
	if !ok {
		e.counters.KeyingsDropped.Add(1)
		return
	}
	if owner != e.cfg.Shard {
		e.forward(owner, datagram, from)
		return
	}
	rnd := e.cfg.Rand
	j := &KeyAgreement{
		from: from, local: e.localFor(from), stamp: cookieTime(c.cookie), isid: c.initiatorSID, cert: cert, skic: work.skic, group: work.group,
		run: func(j *KeyAgreement) { j.skrc, j.keys, j.err = work.finish(rnd) },
	}
	e.keying[from] = j // before our own opening may end, so that the claim stays
	if e.glare(cert, from) {
		delete(e.keying, from)
		e.unclaim(from)
		return
	}
	e.expireKeys(now)
	e.emit(Event{Kind: EventKeyAgreement, Job: j})
}

// changeCookie tells an initiator whose address differs from the one that said hello to sign a cookie
// for this address (RFC 7016 §3.5.1.2).
func (e *Endpoint) changeCookie(now Time, c *iikeying, from netip.AddrPort) {
	if !e.cfg.Limiter.allow(now, from.Addr()) {
		e.counters.HellosLimited.Add(1)
		return
	}
	e.counters.CookieChanges.Add(1)
	var cookie [cookieSize]byte
	p := appendCookieChange(nil, cookieChange{
		oldCookie: c.cookie, newCookie: e.cfg.Cookies.make(cookie[:0], now, from),
	})
	e.sendStartup(now, from, c.initiatorSID, chunkCookieChange, p)
}

// mayReplace looks at the session of the address, if any: a repeated IIKeying gets the answer it had, one
// with the same certificate replaces the session, any other is ignored (RFC 7016 §3.5.1.1.2).
func (e *Endpoint) mayReplace(now Time, c *iikeying, peer PeerID, from netip.AddrPort) bool {
	s := e.byAddr[from]
	if s == nil {
		return true
	}
	if r := s.replay; r != nil && r.isid == c.initiatorSID && bytes.Equal(r.skic, c.skic) {
		e.counters.KeyingsRepeated.Add(1)
		e.sendStartup(now, from, r.isid, chunkRIKeying, r.chunk)
		return false
	}
	if s.yields(peer, cookieTime(c.cookie)) {
		return true
	}
	if s.peer == peer && s.since == cookieTime(c.cookie) { // a copy that was late: its answer arrived
		e.counters.KeyingsRepeated.Add(1)
		return false
	}
	e.counters.KeyingsDropped.Add(1)
	if s.peer != peer {
		s.suspect(now)
	}
	return false
}

// yields reports whether an IIKeying of a peer with a cookie made at stamp replaces s. What was made before
// s is a copy that was late, for example of an opening that glare has ended: it must not end s too.
func (s *Session) yields(peer PeerID, stamp Time) bool {
	return stamp > s.since && (s.state != stateOpen || s.peer == peer)
}

// respond opens the session when the key agreement is done.
func (e *Endpoint) respond(now Time, j *KeyAgreement) {
	e.expireKeys(now)
	switch old := e.byAddr[j.from]; {
	case j.err != nil:
		e.counters.KeyingsFailed.Add(1)
	case old == nil:
		e.accept(now, j)
	case old.yields(j.cert.fingerprint, j.stamp):
		old.finish(ErrOverridden)
		e.accept(now, j)
	default: // a session that opened or came here meanwhile
		e.counters.KeyingsDropped.Add(1)
	}
	delete(e.keying, j.from)
	e.unclaim(j.from)
}

func (e *Endpoint) accept(now Time, j *KeyAgreement) {
	s := &Session{
		e: e, timer: -1, nearID: e.newSessionID(), addr: j.from, near: e.cfg.Identity,
		peer: j.cert.fingerprint, since: j.stamp, local: j.local,
	}
	e.heardFrom(j.from, j.local)
	e.sessions[s.nearID] = s
	chunk := appendRIKeying(nil, rikeying{responderSID: s.nearID, skrc: j.skrc, signature: []byte{signatureNone}})
	s.replay = &keyingReply{isid: j.isid, skic: j.skic, chunk: chunk}
	e.sendStartup(now, j.from, j.isid, chunkRIKeying, chunk)
	s.open(now, j.keys, j.isid)
}
