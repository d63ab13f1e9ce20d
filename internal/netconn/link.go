package netconn

import (
	"net/netip"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// link is what a NetConnection needs of its session. Tests put a recorder or a pair of pipes behind it.
type link interface {
	PeerID() rtmfp.PeerID
	Addr() netip.AddrPort
	RTT() time.Duration
	lastReceived() rtmfp.Time
	// open opens a sending flow associated in return with assoc (nil: none); its events carry user.
	open(now rtmfp.Time, metadata []byte, assoc recvFlow, priority rtmfp.Priority, critical bool, user *outFlow) (sendFlow, error)
	Close(now rtmfp.Time)
	Abort(now rtmfp.Time, err error)
	WakeAt(t rtmfp.Time)
	SetKeepalive(d time.Duration)
}

// sendFlow is the part of rtmfp.SendFlow used here.
type sendFlow interface {
	Write(now rtmfp.Time, m rtmfp.Message) (rtmfp.MessageID, error)
	Expire(from, to rtmfp.MessageID, startBy, finishBy rtmfp.Time)
	Backlog() (bytes int, oldest rtmfp.Time)
	Abandoned() uint64
	LastAbandoned() rtmfp.MessageID
	Queued() int
	NotifyBelow(n int)
	Close(now rtmfp.Time)
}

// recvFlow is the part of rtmfp.RecvFlow used here.
type recvFlow interface {
	Metadata() []byte
	Reject(now rtmfp.Time, code uint64)
	SetArrivalOrder(bool)
	SetCapacity(bytes int)
}

// sessionLink makes a session a link.
type sessionLink struct{ *rtmfp.Session }

func (l sessionLink) lastReceived() rtmfp.Time { return l.Stats().LastReceived }

func (l sessionLink) open(now rtmfp.Time, metadata []byte, assoc recvFlow, priority rtmfp.Priority, critical bool, user *outFlow) (sendFlow, error) {
	o := rtmfp.FlowOptions{Priority: priority, TimeCritical: critical}
	if f, ok := assoc.(*rtmfp.RecvFlow); ok {
		o.Assoc = f
	}
	f, err := l.Session.Open(now, metadata, o)
	if err != nil {
		return nil, err
	}
	f.User = user
	return f, nil
}
