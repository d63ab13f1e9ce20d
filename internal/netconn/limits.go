package netconn

import "time"

// Limits bound what one session may make the server hold. The zero value of a field means its default.
type Limits struct {
	Streams       int           // NetStreams per session
	Flows         int           // incoming flows per session
	Groups        int           // NetGroups per session
	Calls         int           // calls of the client that wait for their answer
	CallBytes     int           // size of their messages
	PeerAddresses int           // addresses remembered from setPeerInfo
	CommandSize   int           // bytes of a command message
	DataSize      int           // bytes of a data message (metadata, NetStream.send)
	HeldBytes     int           // bytes of messages held back for the application or a flow sync
	StreamWindow  int           // receive window of a stream's flow, bytes
	Answer        time.Duration // how long the application may think about a request
	Linger        time.Duration // how long a closing connection waits for its last words to be acknowledged
	SyncHold      time.Duration // how long a flow waits for the others of its flow sync
}

// withDefaults fills in what is not set.
func (l Limits) withDefaults() Limits {
	setDefault(&l.Streams, 256)
	setDefault(&l.Flows, 1024)
	setDefault(&l.Groups, 64)
	setDefault(&l.Calls, 64)
	setDefault(&l.CallBytes, 1<<20)
	setDefault(&l.PeerAddresses, 8)
	setDefault(&l.CommandSize, 256<<10)
	setDefault(&l.DataSize, 1<<20)
	setDefault(&l.HeldBytes, 2<<20)
	setDefault(&l.StreamWindow, 4<<20)
	setDefault(&l.Answer, 15*time.Second)
	setDefault(&l.Linger, 2*time.Second)
	setDefault(&l.SyncHold, 2*time.Second)
	return l
}

func setDefault[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}
