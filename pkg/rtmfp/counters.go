package rtmfp

import "sync/atomic"

// Counters count what an endpoint did and dropped. Any goroutine may read them.
type Counters struct {
	DatagramsReceived, DatagramsSent atomic.Uint64
	BadPackets                       atomic.Uint64 // malformed
	BadIntegrity                     atomic.Uint64 // wrong checksum or MAC
	Banned                           atomic.Uint64 // from addresses on the blacklist
	Replayed                         atomic.Uint64
	UnknownSession                   atomic.Uint64
	Forwarded                        atomic.Uint64 // passed on to another shard
	StartupQueueFull                 atomic.Uint64

	Hellos           atomic.Uint64
	HellosLimited    atomic.Uint64 // over the rate of their address
	HellosUnselected atomic.Uint64 // for somebody else
	BadCookies       atomic.Uint64
	CookieChanges    atomic.Uint64
	KeyingsDropped   atomic.Uint64 // too many at once, session limit, or the address has another session
	KeyingsFailed    atomic.Uint64 // unacceptable keys or parameters
	KeyingsRepeated  atomic.Uint64
	SessionsOpened   atomic.Uint64
	SessionsClosed   atomic.Uint64
	AddressChanges   atomic.Uint64

	FlowsRefused       atomic.Uint64
	MessagesReceived   atomic.Uint64
	MessagesAbandoned  atomic.Uint64
	MessagesTooLong    atomic.Uint64
	DuplicateFragments atomic.Uint64
	ReceiveBufferFull  atomic.Uint64
	QueueFull          atomic.Uint64
	FragmentsLost      atomic.Uint64
	Timeouts           atomic.Uint64
}
