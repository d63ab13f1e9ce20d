package netconn

import (
	"net/netip"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// party is one end of a NetConnection: what a session's User is.
type party interface {
	// opened: the session is open.
	opened(now rtmfp.Time)
	// flow decides on a flow of the far end, which answers assoc, if not nil; nil rejects it.
	flow(now rtmfp.Time, recv recvFlow, assoc sendFlow) *inFlow
	// incoming takes over a reference to a message.
	incoming(now rtmfp.Time, in *inFlow, m *rtmfp.Buffer)
	// missed: the far end gave up n messages at least before the one that begins with typ.
	missed(in *inFlow, typ uint8, n int)
	flowEnded(now rtmfp.Time, in *inFlow, err error)
	// sendRejected: the far end does not want a flow of ours.
	sendRejected(now rtmfp.Time, o *outFlow, f sendFlow)
	// sendEnded: everything on a flow that we closed is acknowledged, or the session is over.
	sendEnded(now rtmfp.Time, o *outFlow, f sendFlow)
	// sendReady: the backlog of a flow fell to what was asked for.
	sendReady(now rtmfp.Time, o *outFlow)
	// moved: the far end has a new address.
	moved(now rtmfp.Time, old netip.AddrPort)
	// expire: the time asked for came.
	expire(now rtmfp.Time)
	// over: the session is over.
	over(now rtmfp.Time, err error)
}

// dispatch passes an event of a session to its party. Flows that end because their session did end in no
// particular order: over, which follows, ends everything in the order applications expect.
func dispatch(now rtmfp.Time, p party, ev *rtmfp.Event) {
	if (ev.Kind == rtmfp.EventFlowEnd || ev.Kind == rtmfp.EventSendEnd) && ev.Err != nil && !ev.Session.IsOpen() {
		return
	}
	switch ev.Kind {
	case rtmfp.EventMessage:
		if in, _ := ev.Recv.User.(*inFlow); in != nil {
			if ev.Lost > 0 && ev.Message.Len() > 0 {
				p.missed(in, ev.Message.Bytes()[0], ev.Lost)
			}
			p.incoming(now, in, ev.Message)
		} else {
			ev.Message.Release()
		}
	case rtmfp.EventFlow:
		if in := p.flow(now, ev.Recv, assocOf(ev.Recv)); in != nil {
			ev.Recv.User = in
		}
	case rtmfp.EventFlowEnd:
		if in, _ := ev.Recv.User.(*inFlow); in != nil {
			p.flowEnded(now, in, ev.Err)
		}
	case rtmfp.EventSendRejected:
		if o, _ := ev.Send.User.(*outFlow); o != nil {
			p.sendRejected(now, o, ev.Send)
		}
	case rtmfp.EventSendEnd:
		if o, _ := ev.Send.User.(*outFlow); o != nil {
			p.sendEnded(now, o, ev.Send)
		}
	case rtmfp.EventSendReady:
		if o, _ := ev.Send.User.(*outFlow); o != nil {
			p.sendReady(now, o)
		}
	case rtmfp.EventSessionOpen:
		p.opened(now)
	case rtmfp.EventSessionClosed:
		p.over(now, ev.Err)
	case rtmfp.EventAddressChanged:
		p.moved(now, ev.Addr)
	case rtmfp.EventTimer:
		p.expire(now)
	}
}

// assocOf returns the flow of ours that an incoming one answers, nil if none.
func assocOf(f *rtmfp.RecvFlow) sendFlow {
	if a := f.Assoc(); a != nil {
		return a
	}
	return nil
}
