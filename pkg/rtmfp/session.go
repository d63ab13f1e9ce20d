package rtmfp

import (
	"net/netip"
	"time"
)

type sessionState uint8

const (
	stateHelloSent sessionState = iota // S_IHELLO_SENT
	stateKeyingSent
	stateOpen
	stateNearClose
	stateFarClose
	stateClosed
)

// Session is the relation with one far end (RFC 7016 §3.5). It belongs to the goroutine of its endpoint.
type Session struct {
	// User is the application's; the core does not touch it.
	User any

	e         *Endpoint
	state     sessionState
	farClosed bool // the far end asked to close
	initiator bool
	local     Local  // where packets leave from
	nearID    uint32 // receive session id: what the far end puts on packets to us
	farID     uint32
	addr      netip.AddrPort // DESTADDR
	opening   *opening       // while dialling
	replay    *keyingReply   // responder: to answer repeated IIKeyings
	since     Time           // an IIKeying whose cookie is not newer is a stale copy
	near      *Identity
	peer      PeerID
	nearNonce [32]byte
	farNonce  [32]byte
	send      *sendKey
	recv      *recvKey
	integrity bool // HMAC and sequence numbers both ways

	rtt  rttState
	cong congestion

	sendFlows  map[uint64]*SendFlow
	ackedFlow  *SendFlow // the one acknowledged last
	recvFlows  map[uint64]*RecvFlow
	nextFlow   uint64
	openRecv   int // receiving flows in RF_OPEN
	readyFlows [numPriorities]flowList
	queued     int // bytes in all send queues
	messages   int // in all send queues
	buffered   int // bytes in all receive buffers

	inFlight, inFlightTail *fragment // by transmission
	outstanding            int       // S_OUTSTANDING_BYTES
	nextTSN, maxTSNAck     uint64
	cutTSN                 uint64 // nextTSN when the congestion window was cut last
	burst                  int    // DATA_PACKET_COUNT
	paceAt                 Time

	ackFlows  []*RecvFlow // SHOULD_ACK set
	ackNow    bool
	rxPackets int // RX_DATA_PACKETS
	control   controlQueue
	probing   bool // a flow has a closed window

	tcSentAt, tcrRecvAt Time
	lastRecv            Time
	waitSince           Time // first unanswered ping, 0 = none
	ackProgress         Time // last time outstanding data was acknowledged or began

	// Deadlines; 0 = unset.
	delackAt, timeoutAt, keepaliveAt, closeAt, closeEnd, wakeAt, idleSince, lingerAt Time
	keepalive                                                                        time.Duration

	mob *mobility // nil until packets come from another address

	isWarm   bool   // see rest
	restMark uint64 // packets when it was looked at last

	timer       int  // position in the endpoint's heap, -1 = not in it
	queuedReady bool // in the endpoint's ready list
	readyNext   *Session

	stats SessionStats
}

// SessionStats counts what a session did; sizes are bytes, times nanoseconds.
type SessionStats struct {
	PacketsSent, PacketsReceived uint64
	BytesSent, BytesReceived     uint64
	FragmentsSent, FragmentsLost uint64
	// FragmentsReceived arrived; FragmentsSkipped were given up by the sender before they did.
	FragmentsReceived, FragmentsSkipped uint64
	BytesOutstanding, CongestionWindow  int
	Opened                              Time
	LastReceived                        Time
}

// flowList is a FIFO of flows linked through readyNxt.
type flowList struct{ head, tail *SendFlow }

func (l *flowList) push(f *SendFlow) {
	f.readyNxt = nil
	if l.tail != nil {
		l.tail.readyNxt = f
	} else {
		l.head = f
	}
	l.tail = f
}

func (l *flowList) pop() *SendFlow {
	f := l.head
	l.head = f.readyNxt
	if l.head == nil {
		l.tail = nil
	}
	f.readyNxt = nil
	return f
}

// ID returns the near (receive) session id.
func (s *Session) ID() uint32 { return s.nearID }

// PeerID returns the fingerprint of the far end's certificate.
func (s *Session) PeerID() PeerID { return s.peer }

// NearID returns the fingerprint of our certificate in this session.
func (s *Session) NearID() PeerID { return s.near.PeerID() }

// Addr returns the address of the far end.
func (s *Session) Addr() netip.AddrPort { return s.addr }

// Initiator reports whether we dialled.
func (s *Session) Initiator() bool { return s.initiator }

// Secured reports whether packets carry HMACs and sequence numbers in both directions.
func (s *Session) Secured() bool { return s.integrity }

// Nonces returns the near and far nonce of the session keys, for proofs of the application.
func (s *Session) Nonces() (near, far [32]byte) { return s.nearNonce, s.farNonce }

// RTT returns the smoothed round trip time; 0 means not measured.
func (s *Session) RTT() time.Duration { return s.rtt.srtt }

// IsOpen reports whether the session is open.
func (s *Session) IsOpen() bool { return s.state == stateOpen }

// Stats returns a copy of the counters.
func (s *Session) Stats() SessionStats {
	st := s.stats
	st.BytesOutstanding, st.CongestionWindow = s.outstanding, s.cong.cwnd
	st.LastReceived = s.lastRecv
	return st
}

// WakeAt asks for one EventTimer at t; 0 cancels. A later call replaces an earlier one.
func (s *Session) WakeAt(t Time) {
	s.wakeAt = t
	s.reschedule()
}

// SetKeepalive sets after how long without a packet from the far end it is pinged; 0 turns it off.
func (s *Session) SetKeepalive(d time.Duration) {
	s.keepalive = d
	s.keepaliveAt = 0
	if d == 0 {
		s.waitSince = 0 // nobody would repeat a ping that was lost
	}
	if d > 0 && s.state == stateOpen {
		s.keepaliveAt = s.lastRecv.Add(d)
	}
	s.reschedule()
}

// Open opens a sending flow with metadata. Nothing is sent before the first message.
func (s *Session) Open(now Time, metadata []byte, o FlowOptions) (*SendFlow, error) {
	switch {
	case s.state != stateOpen:
		return nil, ErrClosed
	case len(metadata) > maxMetadata:
		return nil, ErrMetadataSize
	case len(s.sendFlows) >= s.e.cfg.MaxFlows:
		return nil, ErrTooManyFlows
	}
	if o.Priority >= numPriorities {
		o.Priority = numPriorities - 1
	}
	f := &SendFlow{
		s: s, id: s.nextFlow, priority: o.Priority, timeCritical: o.TimeCritical,
		nextSeq: 1, window: initialWindow, notifyAt: -1,
	}
	s.nextFlow++
	// Old parsers expect exactly this order: metadata, association, marker.
	f.startup = appendOption(nil, optionMetadata, metadata)
	if o.Assoc != nil {
		var v [10]byte
		f.startup = appendOption(f.startup, optionAssociation, appendVLU(v[:0], o.Assoc.id))
	}
	if s.sendFlows == nil {
		s.sendFlows = make(map[uint64]*SendFlow, 4)
	}
	s.sendFlows[f.id] = f
	s.idleSince = 0
	return f, nil
}

// wake makes the endpoint look whether the session has something to send.
func (s *Session) wake() { s.e.enqueue(s) }

// activate links f into the ready list of its priority if it may send.
func (s *Session) activate(f *SendFlow) {
	if f.state == sendEnded {
		return
	}
	if f.complete() {
		s.finishSend(f)
		return
	}
	if !f.inReady && f.ready() {
		f.inReady = true
		s.readyFlows[f.priority].push(f)
	}
	if f.inReady {
		s.wake()
	}
}

func (s *Session) finishSend(f *SendFlow) {
	delete(s.sendFlows, f.id)
	if s.ackedFlow == f {
		s.ackedFlow = nil
	}
	f.end(f.rejected)
	s.checkIdle()
}

// wantAck notes that f should acknowledge, at once if now is set (RFC 7016 §3.6.3.2).
func (s *Session) wantAck(f *RecvFlow, now bool) {
	if !f.shouldAck {
		f.shouldAck = true
		s.ackFlows = append(s.ackFlows, f)
	}
	if now {
		s.ackNow = true
	}
}

func (s *Session) checkIdle() {
	if len(s.sendFlows) == 0 && s.openRecv == 0 {
		if s.idleSince == 0 {
			s.idleSince = s.e.now
		}
	} else {
		s.idleSince = 0
	}
}

// Close closes the session in an orderly way (RFC 7016 §3.5.5). Its flows end at once: close the flows
// first and wait for EventSendEnd where the last messages matter.
func (s *Session) Close(now Time) {
	switch s.state {
	case stateHelloSent, stateKeyingSent:
		s.finish(ErrClosed)
	case stateOpen:
		s.beginClose(now, ErrClosed)
		s.reschedule()
	}
}

// beginClose moves from S_OPEN to S_NEARCLOSE.
func (s *Session) beginClose(now Time, err error) {
	s.state = stateNearClose
	s.endFlows(err)
	s.closeEnd = now.Add(nearCloseLimit)
	s.requestClose(now)
}

// requestClose sends a Close Request and says when to repeat it (RFC 7016 §3.5.5).
func (s *Session) requestClose(now Time) {
	s.control.close = true
	s.closeAt = now.Add(closeRepeat)
	s.wake()
}

// Abort ends the session at once and tells the far end with one Close Acknowledgement.
func (s *Session) Abort(now Time, err error) {
	if s.state == stateOpen || s.state == stateNearClose || s.state == stateFarClose {
		s.control.closeAck = true
		s.sendLast(now)
	}
	s.finish(err)
}

// endFlows aborts all flows and reports the end; the session object lingers only in the protocol.
func (s *Session) endFlows(err error) {
	for _, f := range s.sendFlows {
		f.end(err)
	}
	for _, f := range s.recvFlows {
		f.s.dropRecv(f, err)
	}
	clear(s.sendFlows)
	s.ackedFlow = nil
	clear(s.recvFlows)
	s.readyFlows = [numPriorities]flowList{}
	s.ackFlows = nil
	s.ackNow, s.probing = false, false
	s.delackAt, s.timeoutAt, s.keepaliveAt, s.wakeAt, s.idleSince, s.paceAt = 0, 0, 0, 0, 0, 0
	s.e.emit(Event{Kind: EventSessionClosed, Session: s, Err: err})
}

func (s *Session) dropRecv(f *RecvFlow, err error) {
	open := f.state == recvOpen
	f.discard()
	f.state = recvEnded
	if open && !f.silent {
		s.e.emit(Event{Kind: EventFlowEnd, Session: s, Recv: f, Err: err})
	}
}

// finish moves to S_CLOSED and forgets the session.
func (s *Session) finish(err error) {
	if s.state == stateClosed {
		return
	}
	reported := s.state == stateNearClose || s.state == stateFarClose
	s.state = stateClosed
	s.control = controlQueue{closeAck: s.control.closeAck} // an answer that is still owed may go out
	if !reported {
		s.endFlows(err)
	}
	if o := s.opening; o != nil {
		o.wipe()
	}
	s.e.forget(s)
}
