package rtmfp

import (
	"crypto/rand"
	"io"
	"net/netip"
	"time"
)

// Config is what an Endpoint is made of. The zero value of a field means its default.
type Config struct {
	// Identity answers hellos and, unless DialConfig says otherwise, dials. Nil: hellos are ignored.
	Identity *Identity
	Security Security
	// Cookies and Directory are shared by the shards of one server; nil makes private ones.
	Cookies   *CookieJar
	Directory *Directory
	// Shard is the index of this endpoint; it is part of its session ids and tags.
	Shard int
	// Forward passes a datagram on to the shard it belongs to. The callee must copy it. Nil: dropped.
	Forward func(shard int, datagram []byte, from netip.AddrPort, local Local)
	// Limiter admits initiators, shared by shards; nil admits all.
	Limiter *Limiter
	// Bans drops datagrams by address; nil drops none.
	Bans *Bans
	// DecideHello makes every hello that selects Identity an EventHello instead of an answer.
	DecideHello bool
	// Rendezvous makes hellos for other peers EventHellos; otherwise they are ignored.
	Rendezvous bool
	// StrictMobility accepts an address change only after an echoed ping, also on sessions whose peers
	// answer pings with nothing in them.
	StrictMobility bool
	// TimeCriticalReverse tells senders on other sessions that real-time data is received
	// (RFC 7016 §3.5.2.1). Right for a client; a server's clients do not share its bottleneck.
	TimeCriticalReverse bool

	Keepalive       time.Duration // ping after that much silence
	RetransmitLimit time.Duration // without any answer, then the far end is gone
	IdleLimit       time.Duration // without flows
	RecvCapacity    int           // receive buffer of a flow, bytes
	MaxSessions     int           // all shards together
	// Per source (IPv4 address or IPv6 /64), never for loopback; 0 means no limit.
	MaxSessionsPerSource int
	MaxHalfOpenPerSource int // sessions of which nothing arrived yet
	MaxKeying            int // key agreements in progress
	MaxFlows             int // open flows of a session, each direction
	MaxQueued            int // bytes in the send queues of a session, with overhead
	MaxBuffered          int // bytes in the receive buffers of a session

	// Dump is shown every packet, between decryption and processing and between assembly and encryption. A
	// startup packet that is then forwarded is shown by both shards. Nil: none are.
	Dump DumpFunc
	// Rand is the source of randomness; nil means crypto/rand.
	Rand io.Reader
}

func (c *Config) setDefaults() {
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	defD := func(p *time.Duration, v time.Duration) {
		if *p == 0 {
			*p = v
		}
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Cookies == nil {
		c.Cookies, _ = NewRandomCookieJar(c.Rand)
	}
	if c.Directory == nil {
		c.Directory = NewDirectory()
	}
	defD(&c.Keepalive, DefaultKeepalive)
	defD(&c.RetransmitLimit, DefaultRetransmitLimit)
	defD(&c.IdleLimit, DefaultIdleLimit)
	def(&c.RecvCapacity, DefaultRecvCapacity)
	def(&c.MaxSessions, 1<<20)
	def(&c.MaxKeying, 4096)
	def(&c.MaxFlows, 1024)
	def(&c.MaxQueued, 64<<20)
	def(&c.MaxBuffered, 32<<20)
}

func (c *Config) claims() claimLimits {
	return claimLimits{c.MaxSessions, c.MaxSessionsPerSource, c.MaxHalfOpenPerSource}
}

// maxStartupQueue bounds the startup datagrams that wait for Poll.
const maxStartupQueue = 1024

// maxSpareStartup is for how many of them room is kept.
const maxSpareStartup = 64

// Endpoint is one shard's half of the protocol: it is given datagrams and the time, and gives back
// datagrams, deadlines and events. It does no I/O, reads no clock and is not safe for concurrent use.
type Endpoint struct {
	cfg      Config
	counters *Counters
	now      Time

	sessions  map[uint32]*Session
	farClosed int                         // of them, those with farClosed set
	byAddr    map[netip.AddrPort]*Session // open and closing sessions
	tags      map[[tagLen]byte]*Session   // dialling, before the responder hello
	openings  map[*Session]struct{}       // dialling
	awaiting  map[netip.AddrPort]*Session // those of them in S_KEYING_SENT
	keying    map[netip.AddrPort]*KeyAgreement
	timers    timerHeap
	keysAt    Time       // when a key pair of Identity gets too old; 0 = there is none
	warm      []*Session // those that have something that rest frees
	restAt    Time

	readyHead, readyTail *Session
	out                  []outDatagram
	spare                [][]byte // room for more of them
	events               []Event
	eventHead            int

	defSend *sendKey
	defRecv *recvKey
	slab    slab
	ud      userData // decoded in place, so that nothing is allocated per chunk
	ackIn   ack
	scratch []byte // a sealed startup packet
	plain   []byte // the same before
	opened  []byte // a startup packet that was received
	answer  []byte // the payload of a responder hello
	cookie  []byte
	sealer  sealer

	partials   reassembly
	nextPacket uint64 // number of the newest packet sent in fragments
	inFragment bool   // a reassembled packet is being processed

	from  netip.AddrPort // of the datagram that is being handled
	local Local

	tcSentAt   Time // last time critical packet sent on any session
	tcRecvAt   Time
	tcRecvFrom *Session
}

type outDatagram struct {
	to    netip.AddrPort
	local Local
	data  []byte
}

// NewEndpoint returns an endpoint.
func NewEndpoint(cfg Config) *Endpoint {
	cfg.setDefaults()
	return &Endpoint{
		cfg:      cfg,
		counters: new(Counters),
		sessions: make(map[uint32]*Session),
		byAddr:   make(map[netip.AddrPort]*Session),
		tags:     make(map[[tagLen]byte]*Session),
		openings: make(map[*Session]struct{}),
		awaiting: make(map[netip.AddrPort]*Session),
		keying:   make(map[netip.AddrPort]*KeyAgreement),
		defSend:  newDefaultSendKey(),
		defRecv:  newDefaultRecvKey(),
		scratch:  make([]byte, 0, maxStartupDatagram+64),
	}
}

// Counters returns the endpoint's counters; they may be read by any goroutine.
func (e *Endpoint) Counters() *Counters { return e.counters }

// Directory returns the directory shared with the other shards.
func (e *Endpoint) Directory() *Directory { return e.cfg.Directory }

// PeerID returns the fingerprint of the endpoint's own certificate, zero if it has none.
func (e *Endpoint) PeerID() PeerID {
	if e.cfg.Identity == nil {
		return PeerID{}
	}
	return e.cfg.Identity.PeerID()
}

// Session returns the session with the near id, or nil.
func (e *Endpoint) Session(id uint32) *Session {
	if s := e.sessions[id]; s != nil && s.state == stateOpen {
		return s
	}
	return nil
}

// Sessions calls f for each open session until it returns false.
func (e *Endpoint) Sessions(f func(*Session) bool) {
	for _, s := range e.sessions {
		if s.state == stateOpen && !f(s) {
			return
		}
	}
}

// NumSessions returns the number of sessions, closing ones included. Those that the far end closed are not
// counted: they stay for a while, but only to answer it again.
func (e *Endpoint) NumSessions() int { return len(e.sessions) - e.farClosed }

// ShardOf returns the shard that owns a session id.
func ShardOf(id uint32) int { return int(id & 0xff) }

// HandleDatagram processes a received datagram. b is overwritten.
func (e *Endpoint) HandleDatagram(now Time, b []byte, from netip.AddrPort) {
	e.HandleDatagramTo(now, b, from, 0)
}

func (e *Endpoint) handleDatagram(now Time, b []byte, from netip.AddrPort) {
	e.now = now
	e.counters.DatagramsReceived.Add(1)
	if e.cfg.Bans.banned(from.Addr()) {
		e.counters.Banned.Add(1)
		return
	}
	sid, ok := unscrambleID(b)
	if !ok {
		e.counters.BadPackets.Add(1)
		return
	}
	if sid == 0 {
		e.handleStartup(now, b, from)
		return
	}
	if shard := ShardOf(sid); shard != e.cfg.Shard {
		e.forward(shard, b, from)
		return
	}
	s := e.sessions[sid]
	if s == nil {
		e.counters.UnknownSession.Add(1)
		return
	}
	s.handle(now, b, from)
}

func (e *Endpoint) forward(shard int, b []byte, from netip.AddrPort) {
	e.counters.Forwarded.Add(1)
	if e.cfg.Forward != nil {
		e.cfg.Forward(shard, b, from, e.localFor(from))
	}
}

// HandleTimeout does what is due.
func (e *Endpoint) HandleTimeout(now Time) {
	e.now = now
	if due(e.keysAt, now) {
		e.expireKeys(now)
	}
	if due(e.restAt, now) {
		e.rest(now)
	}
	for len(e.timers) > 0 && e.timers[0].at <= now {
		s := e.timers[0].s
		t := s.nextDeadline()
		if due(t, now) {
			s.onTimer(now)
			t = s.nextDeadline()
		}
		switch {
		case s.state == stateClosed: // it took itself out
		case t == 0:
			e.timers.remove(s)
		default: // always later, so that no session can hold up the others
			e.timers.delay(s, max(t, now+1))
		}
	}
}

// NextTimeout returns when HandleTimeout should be called; 0 means never.
func (e *Endpoint) NextTimeout() Time {
	t := sooner(e.keysAt, e.restAt)
	if len(e.timers) > 0 {
		t = sooner(t, e.timers[0].at)
	}
	return t
}

// expireKeys destroys key pairs that were used for long enough.
func (e *Endpoint) expireKeys(now Time) { e.keysAt = e.cfg.Identity.ephemeral.expire(now) }

// enqueue puts s on the list of sessions that Poll visits.
func (e *Endpoint) enqueue(s *Session) {
	if s.queuedReady || s.state == stateClosed {
		return
	}
	s.queuedReady, s.readyNext = true, nil
	if e.readyTail != nil {
		e.readyTail.readyNext = s
	} else {
		e.readyHead = s
	}
	e.readyTail = s
}

func (e *Endpoint) dequeue() *Session {
	s := e.readyHead
	if s == nil {
		return nil
	}
	if e.readyHead = s.readyNext; e.readyHead == nil {
		e.readyTail = nil
	}
	s.queuedReady, s.readyNext = false, nil
	return s
}

// pollQuantum bounds the datagrams one session adds to a batch before others have their turn.
const pollQuantum = 16

// Poll appends the datagrams to send now to b until it is full, and reports whether it added any.
func (e *Endpoint) Poll(now Time, b *Batch) bool {
	e.now = now
	added := 0
	n := 0
	for n < len(e.out) && !b.Full() {
		d := e.out[n]
		b.commit(d.to, d.local, append(b.next(), d.data...))
		if len(e.spare) < maxSpareStartup {
			e.spare = append(e.spare, d.data[:0])
		}
		n++
	}
	if n > 0 {
		added += n
		left := copy(e.out, e.out[n:])
		clear(e.out[left:])
		e.out = e.out[:left]
	}
	first := b.n
	for !b.Full() {
		s := e.dequeue()
		if s == nil {
			break
		}
		more := true
		for i := 0; i < pollQuantum && !b.Full(); i++ {
			pkt, to, local, ok := s.nextPacket(now, b.next())
			if !ok {
				more = false
				break
			}
			e.sealer.add(s.send, s.farID, pkt)
			b.commit(to, local, pkt)
			added++
		}
		if more {
			e.enqueue(s)
		}
		s.reschedule()
	}
	e.sealer.seal(b.packets[first:b.n])
	e.counters.DatagramsSent.Add(uint64(added))
	return added > 0
}

// queueDatagram queues a copy of b for Poll.
func (e *Endpoint) queueDatagram(to netip.AddrPort, local Local, b []byte) {
	if len(e.out) >= maxStartupQueue {
		e.counters.StartupQueueFull.Add(1)
		return
	}
	var room []byte
	if n := len(e.spare); n > 0 {
		room, e.spare = e.spare[n-1], e.spare[:n-1]
	}
	e.out = append(e.out, outDatagram{to, local, append(room, b...)})
}

func (e *Endpoint) emit(ev Event) { e.events = append(e.events, ev) }

// NextEvent returns the next thing the application should know.
func (e *Endpoint) NextEvent() (Event, bool) {
	for e.eventHead < len(e.events) {
		ev := e.events[e.eventHead]
		e.events[e.eventHead] = Event{}
		e.eventHead++
		if ev.Recv != nil && ev.Recv.silent {
			if ev.Message != nil {
				ev.Message.Release()
			}
			continue
		}
		return ev, true
	}
	e.events, e.eventHead = e.events[:0], 0
	return Event{}, false
}

// forget removes a closed session from all tables.
func (e *Endpoint) forget(s *Session) {
	e.timers.remove(s)
	delete(e.openings, s)
	if e.sessions[s.nearID] == s {
		delete(e.sessions, s.nearID)
		if s.farClosed {
			e.farClosed--
		}
	}
	if e.byAddr[s.addr] == s {
		delete(e.byAddr, s.addr)
	}
	if e.awaiting[s.addr] == s {
		delete(e.awaiting, s.addr)
	}
	e.unclaim(s.addr)
	if s.opening != nil && e.tags[s.opening.tag] == s {
		delete(e.tags, s.opening.tag)
	}
	if s.send != nil {
		e.cfg.Directory.dropPeer(s.peer, s.nearID)
		e.counters.SessionsClosed.Add(1)
	}
	if e.tcRecvFrom == s {
		e.tcRecvFrom = nil
	}
}

// unclaim gives addr back to all shards unless something here still needs it: when one session replaces
// another, no other shard may come in between.
func (e *Endpoint) unclaim(addr netip.AddrPort) {
	if e.byAddr[addr] == nil && e.awaiting[addr] == nil && e.keying[addr] == nil {
		e.cfg.Directory.release(addr, e.cfg.Shard)
	}
}

// tcReceived notes a time critical packet (RFC 7016 §3.5.2.1).
func (e *Endpoint) tcReceived(now Time, s *Session) { e.tcRecvAt, e.tcRecvFrom = now, s }

// tcElsewhere reports whether time critical data arrives on another session than s.
func (e *Endpoint) tcElsewhere(now Time, s *Session) bool {
	return e.cfg.TimeCriticalReverse && e.tcRecvFrom != nil && e.tcRecvFrom != s && recent(now, e.tcRecvAt, tcMemory)
}

func (e *Endpoint) countOpenError(err error) {
	switch err {
	case errReplay:
		e.counters.Replayed.Add(1)
	case errMAC, errChecksum:
		e.counters.BadIntegrity.Add(1)
	default:
		e.counters.BadPackets.Add(1)
	}
}
