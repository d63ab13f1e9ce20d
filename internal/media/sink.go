package media

import "github.com/monaserver/monaserver/pkg/rtmfp"

// Sink is where the frames of one listener go: the player's stream. It is called on the goroutine of
// the listener's shard, also from within Subscribe, and may Close its own or other listeners meanwhile.
type Sink interface {
	// Published and Unpublished tell that the name got or lost its publisher.
	Published(now rtmfp.Time)
	Unpublished(now rtmfp.Time)

	// Write sends f.Body (never nil) as a message of f.Kind with the timestamp ts. It returns the
	// message's id on the flow of that kind: ids grow, across all roles; 0 means that nothing was
	// written.
	Write(now rtmfp.Time, f *Frame, ts uint32, o WriteOptions) (id uint64)

	// Backlog reports what Write took for this kind and the transport has not begun to send: bytes,
	// and when the oldest was written (0 = nothing waits).
	Backlog(kind Kind) (bytes int, oldest rtmfp.Time)

	// Expire shortens the deadlines of the messages from..to of this kind; a zero deadline changes
	// nothing.
	Expire(kind Kind, from, to uint64, startBy, finishBy rtmfp.Time)

	// Abandoned reports how many messages of this kind the transport gave up so far, and the highest
	// id among them.
	Abandoned(kind Kind) (count, last uint64)
}

// WriteOptions are the delivery rules of one message, as pkg/rtmfp understands them.
type WriteOptions struct {
	StartBy    rtmfp.Time // give up if nothing of it was sent by then; 0 = never
	FinishBy   rtmfp.Time // give up if it did not arrive by then; 0 = never
	Unreliable bool       // send once
	Chain      bool       // give up together with the message before it on the same flow
}

// Options of a listener.
type Options struct {
	Owner      any  // whatever the caller wants to find again with Listener.Owner
	Unbuffered bool // send audio and inter frames once: gaps instead of delay
	MuteAudio  bool // as SetAudio(false) before the first frame
	MuteVideo  bool
}
