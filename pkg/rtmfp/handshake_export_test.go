package rtmfp

import "net/netip"

// This file opens the package to the tests of whole handshakes and sessions: what they look at, and what
// they forge.

// The chunk types that the tests of the handshake and of sessions name.
const (
	ChunkPing         = chunkPing
	ChunkPingReply    = chunkPingReply
	ChunkClose        = chunkClose
	ChunkCloseAck     = chunkCloseAck
	ChunkFIHello      = chunkFIHello
	ChunkUserData     = chunkUserData
	ChunkIHello       = chunkIHello
	ChunkRHello       = chunkRHello
	ChunkRedirect     = chunkRedirect
	ChunkIIKeying     = chunkIIKeying
	ChunkRIKeying     = chunkRIKeying
	ChunkCookieChange = chunkCookieChange

	ModeInitiator = modeInitiator
	ModeResponder = modeResponder
	ModeStartup   = modeStartup
)

// Chunk is a chunk of a packet that was taken apart.
type Chunk struct {
	Type    byte
	Payload []byte
}

// Packet is a datagram that was taken apart.
type Packet struct {
	SID    uint32
	Flags  byte
	Mode   uint8
	Chunks []Chunk
}

// Has reports whether the packet has a chunk of that type.
func (p Packet) Has(typ byte) bool {
	for _, c := range p.Chunks {
		if c.Type == typ {
			return true
		}
	}
	return false
}

func takeApart(k *recvKey, datagram []byte) (p Packet, ok bool) {
	d := append([]byte(nil), datagram...)
	if p.SID, ok = unscrambleID(d); !ok {
		return p, false
	}
	pkt, err := k.open(d)
	if err != nil {
		return p, false
	}
	h, n := consumePacketHeader(pkt)
	if n == 0 {
		return p, false
	}
	p.Flags, p.Mode = pkt[0], h.mode
	for b := pkt[n:]; ; {
		typ, payload, rest, ok := nextChunk(b)
		if !ok || typ == chunkPaddingFF {
			return p, true
		}
		p.Chunks = append(p.Chunks, Chunk{typ, payload})
		b = rest
	}
}

// TakeApartStartup opens a packet under the default session key.
func TakeApartStartup(datagram []byte) (Packet, bool) {
	p, ok := takeApart(newDefaultRecvKey(), datagram)
	return p, ok && p.Mode == modeStartup
}

// TakeApart opens a packet that the session would receive, without taking note of it.
func (s *Session) TakeApart(datagram []byte) (Packet, bool) {
	if s.recv == nil {
		return Packet{}, false
	}
	k := &recvKey{directionKey: newDirectionKey(s.recv.aes[:], s.recv.hmac[:], int(s.recv.hmacLen), s.recv.sseq)}
	return takeApart(k, datagram)
}

// ForgeStartup makes a startup packet.
func ForgeStartup(now Time, sid uint32, chunks ...Chunk) []byte {
	k := newDefaultSendKey()
	b := appendPacketHeader(k.begin(nil), packetHeader{mode: modeStartup, hasTimestamp: true, timestamp: ticks(now)})
	for _, c := range chunks {
		b = appendChunk(b, c.Type, c.Payload)
	}
	return k.seal(b, 0, sid)
}

// Forge makes a packet as the session would send it, but with any mode and any chunks.
func (s *Session) Forge(now Time, mode uint8, chunks ...Chunk) []byte {
	b := appendPacketHeader(s.send.begin(nil), packetHeader{mode: mode, hasTimestamp: true, timestamp: ticks(now)})
	for _, c := range chunks {
		b = appendChunk(b, c.Type, c.Payload)
	}
	return s.send.seal(b, 0, s.farID)
}

// FarID returns the session id of the far end.
func (s *Session) FarID() uint32 { return s.farID }

// MakeIHello returns the payload of an initiator hello.
func MakeIHello(epd, tag []byte) Chunk {
	return Chunk{chunkIHello, appendIHello(nil, ihello{epd: epd, tag: tag})}
}

// MakeFIHello returns a forwarded hello.
func MakeFIHello(epd []byte, reply Address, tag []byte) Chunk {
	return Chunk{chunkFIHello, appendFIHello(nil, fihello{epd: epd, reply: reply, tag: tag})}
}

// MakeRHello returns a responder hello.
func MakeRHello(tag, cookie, certificate []byte) Chunk {
	return Chunk{chunkRHello, appendRHello(nil, rhello{tagEcho: tag, cookie: cookie, certificate: certificate})}
}

// MakeRIKeying returns a responder initial keying.
func MakeRIKeying(sid uint32, skrc []byte) Chunk {
	return Chunk{chunkRIKeying, appendRIKeying(nil, rikeying{responderSID: sid, skrc: skrc, signature: []byte{signatureNone}})}
}

// MakeCookieChange returns a cookie change.
func MakeCookieChange(old, new []byte) Chunk {
	return Chunk{chunkCookieChange, appendCookieChange(nil, cookieChange{oldCookie: old, newCookie: new})}
}

// IIKeying is a parsed IIKeying.
type IIKeying struct {
	SID                       uint32
	Cookie, Certificate, SKIC []byte
}

// ParseIIKeying reads an IIKeying.
func ParseIIKeying(p []byte) (IIKeying, bool) {
	c, ok := consumeIIKeying(p)
	return IIKeying{c.initiatorSID, c.cookie, c.certificate, c.skic}, ok
}

// Chunk returns the IIKeying as it is sent.
func (k IIKeying) Chunk() Chunk {
	return Chunk{chunkIIKeying, appendIIKeying(nil, iikeying{
		initiatorSID: k.SID, cookie: k.Cookie, certificate: k.Certificate, skic: k.SKIC, signature: []byte{signatureNone},
	})}
}

// ParseRHello reads a responder hello.
func ParseRHello(p []byte) (tag, cookie, certificate []byte, ok bool) {
	c, ok := consumeRHello(p)
	return c.tagEcho, c.cookie, c.certificate, ok
}

// ParseCookieChange reads a cookie change.
func ParseCookieChange(p []byte) (old, new []byte, ok bool) {
	c, ok := consumeCookieChange(p)
	return c.oldCookie, c.newCookie, ok
}

// ParseRIKeying reads a responder initial keying.
func ParseRIKeying(p []byte) (sid uint32, skrc []byte, ok bool) {
	c, ok := consumeRIKeying(p)
	return c.responderSID, c.skrc, ok
}

// MakeCookie returns a cookie as the jar would make it.
func (j *CookieJar) MakeCookie(now Time, addr Address) []byte { return j.make(nil, now, addr.AddrPort) }

// Tables are the sizes of what an endpoint remembers.
type Tables struct {
	Sessions, Open, Addresses, Tags, Openings, Awaiting, Keying, Timers, Out, Events int
	Claims, Sources, Peers                                                           int
}

// Tables returns the sizes of the endpoint's tables.
func (e *Endpoint) Tables() Tables {
	t := Tables{
		Sessions: len(e.sessions), Addresses: len(e.byAddr), Tags: len(e.tags), Openings: len(e.openings),
		Awaiting: len(e.awaiting), Keying: len(e.keying), Timers: len(e.timers), Out: len(e.out),
		Events: len(e.events) - e.eventHead,
	}
	for _, s := range e.sessions {
		if s.state == stateOpen {
			t.Open++
		}
	}
	d := e.cfg.Directory
	d.mu.Lock()
	defer d.mu.Unlock()
	t.Claims, t.Sources, t.Peers = len(d.addrs), len(d.sources), len(d.peers)
	return t
}

// HalfOpen returns how many claims of the source wait for a first packet.
func (d *Directory) HalfOpen(a Address) (all, halfOpen int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.sources[sourcePrefix(a.Addr())]
	return n.all, n.halfOpen
}

// Sources returns how many sources the limiter remembers.
func (l *Limiter) Sources() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.sources)
}

// CheckInvariants returns what is wrong with the endpoint's tables, "" if nothing.
func (e *Endpoint) CheckInvariants() string {
	for id, s := range e.sessions {
		switch {
		case s.nearID != id || ShardOf(id) != e.cfg.Shard:
			return "session under a wrong id"
		case s.state == stateClosed:
			return "closed session in the table"
		case s.timer < 0 && s.nextDeadline() != 0:
			return "session without the timer it needs"
		case s.state == stateOpen && e.byAddr[s.addr] != s:
			return "open session unknown by its address"
		case s.opening != nil && s.state == stateKeyingSent && e.awaiting[s.addr] != s:
			return "opening session unknown by its address"
		case (s.opening != nil) != (s.state <= stateKeyingSent):
			return "opening does not agree with the state"
		}
	}
	for a, s := range e.byAddr {
		if owner, ok := e.cfg.Directory.owner(a); !ok || owner != e.cfg.Shard {
			return "address without a claim"
		}
		if s.addr != a || e.sessions[s.nearID] != s {
			return "address of a session that does not exist"
		}
	}
	for a, s := range e.awaiting {
		if s.addr != a || s.state != stateKeyingSent {
			return "address of an opening that does not exist"
		}
	}
	for i, t := range e.timers {
		s := t.s
		if s.timer != i || e.sessions[s.nearID] != s {
			return "timer of a session that does not exist"
		}
	}
	return ""
}

// Protection tells what the packets of the session carry, in both directions.
func (s *Session) Protection() (sendHMAC, recvHMAC int, sendSSEQ, recvSSEQ bool) {
	return int(s.send.hmacLen), int(s.recv.hmacLen), s.send.sseq, s.recv.sseq
}

// CookieFor returns the cookie that the endpoint would give to an address.
func (e *Endpoint) CookieFor(now Time, addr netip.AddrPort) []byte {
	return e.cfg.Cookies.make(nil, now, addr)
}

// NumEarly returns how many packets wait for the session to open.
func (s *Session) NumEarly() int { return len(s.opening.early) }
