package rtmfp

import "net/netip"

// EventKind says what an Event reports and which of its fields are set.
type EventKind uint8

// The events of an Endpoint. Fields not named are zero.
const (
	// EventSessionOpen: Session is open, near or far initiated.
	EventSessionOpen EventKind = iota + 1
	// EventSessionClosed: Session ended (or never opened: dialling failed), Err says why. All its flows
	// have ended; their own end events came before this one.
	EventSessionClosed
	// EventFlow: the far end opened Recv. It counts as accepted unless the handler calls Reject.
	EventFlow
	// EventMessage: a complete message arrived on Recv. The handler owns one reference to Message and
	// must Release it. Lost counts what the sender gave up since the message before; of a flow in
	// arrival order this says nothing about the place.
	EventMessage
	// EventFlowEnd: Recv ended. Err is nil when the sender finished it (FIN) and everything was delivered.
	EventFlowEnd
	// EventSendRejected: the far end rejected Send with the exception Code. The flow is closing.
	EventSendRejected
	// EventSendEnd: Send was closed and everything is acknowledged. Err is nil unless the far end rejected
	// the flow (a *RejectedError) or the session ended first.
	EventSendEnd
	// EventSendReady: the backlog of Send fell to the level asked for with NotifyBelow.
	EventSendReady
	// EventAddressChanged: the far end of Session moved; Addr is its old address.
	EventAddressChanged
	// EventTimer: the time asked for with Session.WakeAt came.
	EventTimer
	// EventKeyAgreement: Job must be run (any goroutine) and handed back with HandleKeyAgreement.
	EventKeyAgreement
	// EventHello: an initiator hello that the application decides on (Config.DecideHello or, for an
	// unknown fingerprint, Config.Rendezvous). Hello is a copy the handler may keep.
	EventHello
)

// Event is one thing the application should know. Events are values; Session, Recv and Send stay valid
// until their end event was handled.
type Event struct {
	Kind    EventKind
	Session *Session
	Recv    *RecvFlow
	Send    *SendFlow
	Message *Buffer
	Lost    int // messages at least that the sender gave up before this one
	Addr    netip.AddrPort
	Code    uint64
	Err     error
	Job     *KeyAgreement
	Hello   *Hello
}

// Hello is an initiator hello (RFC 7016 §2.3.2).
type Hello struct {
	EPD  []byte // endpoint discriminator, an option list (RFC 7425 §4.4)
	Tag  []byte
	From netip.AddrPort

	local Local
}
