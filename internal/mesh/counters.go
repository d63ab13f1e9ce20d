package mesh

import "sync/atomic"

// Counters count what the links do. Any goroutine may read them.
type Counters struct {
	Links            atomic.Int64  `help:"Servers connected now."`
	Connections      atomic.Uint64 `help:"Connections to servers that applications saw."`
	Attempts         atomic.Uint64 `help:"Attempts to reach a target."`
	Failures         atomic.Uint64 `help:"Attempts to reach a target that failed before its hello."`
	Incoming         atomic.Uint64 `help:"Connections accepted from other servers."`
	IncomingRefused  atomic.Uint64 `help:"Incoming connections closed at once: not in servers.allow, or too many from the address."`
	HelloTimeouts    atomic.Uint64 `help:"Connections closed because no hello came in time."`
	Duplicates       atomic.Uint64 `help:"Second links to the same server that were closed."`
	RejectsSent      atomic.Uint64 `help:"Servers rejected."`
	RejectsReceived  atomic.Uint64 `help:"Rejections by other servers."`
	Waiting          atomic.Int64  `help:"Incoming connections that have not said hello."`
	TooMuch          atomic.Uint64 `help:"Connections closed because of what one address may have, hold or do."`
	Ignored          atomic.Uint64 `help:"Messages ignored: before the hello, for unknown functions or applications, or damaged."`
	Silent           atomic.Uint64 `help:"Links closed because the other server did not give a sign of life."`
	QueueOverflows   atomic.Uint64 `help:"Links closed because the other server did not read fast enough."`
	MalformedFrames  atomic.Uint64 `help:"Links closed because of what came over them."`
	MessagesSent     atomic.Uint64 `help:"Messages sent."`
	BytesSent        atomic.Uint64 `help:"Bytes sent."`
	MessagesReceived atomic.Uint64 `help:"Messages received."`
	BytesReceived    atomic.Uint64 `help:"Bytes received."`
	MediaDropped     atomic.Uint64 `help:"Media messages not sent because the other server does not keep up."`
}
