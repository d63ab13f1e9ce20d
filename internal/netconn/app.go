package netconn

import (
	"net/netip"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// App decides what clients may do. Its methods are called on the goroutine of the client's shard and must
// not block. A request may be answered at once or later; later means from a Task posted to the shard.
//
// What a request's fields and those of Conn say is constant may be read from any goroutine meanwhile.
type App interface {
	// Connect is asked for every new NetConnection. Messages of the client wait until it is answered.
	Connect(now rtmfp.Time, r *ConnectRequest)
	// Call is asked for every command that netconn does not handle itself.
	Call(now rtmfp.Time, r *CallRequest)
	// Publish is asked before a name that is free is published.
	Publish(now rtmfp.Time, r *PublishRequest)
	// Play is asked before a stream is played, whether its publisher is there or not.
	Play(now rtmfp.Time, r *PlayRequest)

	// Unpublished tells that a publication accepted before ends. It is still there.
	Unpublished(now rtmfp.Time, s *Stream)
	// Stopped tells that a subscription accepted before ends. It is still there.
	Stopped(now rtmfp.Time, s *Stream)
	// AddressChanged tells that a connected client moved from the address old.
	AddressChanged(now rtmfp.Time, c *Conn, old netip.AddrPort)
	// Closed tells that an accepted client is gone, after everything it did has ended. err is nil when
	// the client closed the connection.
	Closed(now rtmfp.Time, c *Conn, err error)
}

// Groups takes the group memberships of clients. Without one, group flows are rejected.
type Groups interface {
	// Join tells of a new member. The membership is also the way to tell it of others.
	Join(now rtmfp.Time, m *Membership)
	// Leave tells that a membership ended.
	Leave(now rtmfp.Time, m *Membership)
}

// Handle names a Conn without keeping it alive or giving access to it. Handles are never used twice.
type Handle struct {
	Shard int
	ID    uint64
}

// Task is a message for a shard: Do runs on the shard's goroutine if the Conn still exists, and is
// dropped otherwise.
type Task struct {
	To Handle
	Do func(now rtmfp.Time, c *Conn)
	// Gone, if set, runs in place of Do when the Conn does not exist any more.
	Gone func(now rtmfp.Time)
}

// Tasks is several of them in order, in one message.
type Tasks []Task
