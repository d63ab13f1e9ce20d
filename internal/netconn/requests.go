package netconn

import (
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// answer is the part all requests share: each is answered once, and by the clock if the application
// forgets it.
type answer struct {
	conn    *Conn
	done    bool
	expires rtmfp.Time
}

// take reports whether the request still waits for its answer, and ends the wait.
func (a *answer) take() bool {
	if a.done || a.conn == nil || a.conn.state >= stateClosing {
		return false
	}
	a.done = true
	return true
}

// Conn is the client that asks.
func (a *answer) Conn() *Conn { return a.conn }

// Handle is where to post a Task with the answer.
func (a *answer) Handle() Handle { return a.conn.handle }

// Pending reports whether the request was not answered yet.
func (a *answer) Pending() bool { return !a.done && a.conn.state < stateClosing }

// ConnectRequest asks whether a client may connect. The fields are constant.
type ConnectRequest struct {
	answer
	Args   []amf.Value // arguments of connect after the command object
	Object *amf.Object // the command object, never nil

	transaction float64
}

// Accept lets the client in. The fields are added to the info object of the answer; one named like a
// standard field replaces it.
//
// Accept of any request reports whether it took effect: the client may be gone, or not want it any more.
func (r *ConnectRequest) Accept(now rtmfp.Time, fields ...amf.Member) bool {
	if !r.take() {
		return false
	}
	r.conn.accept(now, r, fields)
	return true
}

// Reject refuses the client with one of the CodeConnect constants.
func (r *ConnectRequest) Reject(now rtmfp.Time, code, description string) {
	if r.take() {
		r.conn.refuse(now, r.transaction, code, description)
	}
}

// CallRequest is a command for the application. The fields are constant.
type CallRequest struct {
	answer
	Name string
	Args []amf.Value

	transaction float64
	size        int // of the message
}

// WantsAnswer reports whether the client waits for a result. If it does not, answering is harmless.
func (r *CallRequest) WantsAnswer() bool { return r.transaction != 0 }

// Result answers with any number of values; with none, the client gets no answer at all.
func (r *CallRequest) Result(now rtmfp.Time, values ...amf.Value) {
	if r.end() && len(values) > 0 && r.WantsAnswer() {
		r.conn.writeCommand(now, r.conn.codec().command("_result", r.transaction, r.conn.encoding, values...))
	}
}

// Error answers that the call failed.
func (r *CallRequest) Error(now rtmfp.Time, description string) {
	if r.end() {
		r.conn.callError(now, r.transaction, description)
	}
}

// NotFound answers that there is no such function.
func (r *CallRequest) NotFound(now rtmfp.Time) {
	if r.end() {
		r.conn.callNotFound(now, r)
	}
}

func (r *CallRequest) end() bool {
	if !r.take() {
		return false
	}
	r.conn.callEnded(r)
	return true
}

// PublishRequest asks whether a client may publish. The fields are constant.
type PublishRequest struct {
	answer
	Stream *Stream
	Name   string // without query
	Query  string
	Type   string // "live", "record", …; everything is published live
}

// Accept starts the publication, unless its name was taken meanwhile.
func (r *PublishRequest) Accept(now rtmfp.Time) bool {
	return r.take() && r.Stream.acceptPublish(now, r)
}

// Reject refuses; an empty description says that it is not allowed.
func (r *PublishRequest) Reject(now rtmfp.Time, description string) {
	if r.take() {
		r.Stream.rejectPublish(now, r, description)
	}
}

// PlayRequest asks whether a client may play a stream. The fields are constant.
type PlayRequest struct {
	answer
	Stream *Stream
	Name   string // without query
	Query  string
	Start  float64 // as asked for; -2 (live or recorded) when it was not
}

// Accept starts the subscription.
func (r *PlayRequest) Accept(now rtmfp.Time) bool {
	if !r.take() {
		return false
	}
	r.Stream.acceptPlay(now, r)
	return true
}

// Reject refuses; an empty description says that it is not allowed.
func (r *PlayRequest) Reject(now rtmfp.Time, description string) {
	if r.take() {
		r.Stream.rejectPlay(now, r, description)
	}
}
