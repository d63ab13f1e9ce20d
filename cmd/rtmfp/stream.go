package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/flv"
)

// env is everything a command touches outside of its arguments.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	clock          clock
	dial           dialer
	terminal       func(stream any) bool // whether it is one
}

// dialer connects to t and waits until the application accepted (nil) or refused (*refusedError).
type dialer func(ctx context.Context, t target, o dialOptions) (conn, error)

// dialOptions are common to all commands.
type dialOptions struct {
	Encoding uint8                           // objectEncoding, 0 or 3
	Args     []amf.Value                     // of connect, after the command object
	Log      func(format string, arg ...any) // what happens, one line each; nil = not wanted
}

// conn is a NetConnection. Its methods may be called by any goroutine.
type conn interface {
	// Call calls a function of the application and waits for the answer.
	Call(ctx context.Context, name string, args []amf.Value) ([]amf.Value, error)
	// Publish waits until the server accepted. kind is "live", "record" or "append".
	Publish(ctx context.Context, name, kind string) (stream, error)
	// Play waits until the server accepted; there need not be a publisher yet. With follow the stream
	// outlives its publishers, else it ends when one stops.
	Play(ctx context.Context, name string, follow bool) (stream, error)
	Info() connInfo
	Stats() stats
	// Done is closed when the connection is over, for the reason Err.
	Done() <-chan struct{}
	Err() error
	// Close closes in order and waits until that is done or ctx is.
	Close(ctx context.Context) error
}

// stream is a NetStream that carries FLV tags one way.
type stream interface {
	// Write sends a tag of audio, video or script (as metadata if its handler is onMetaData). It copies
	// the body and waits while too much is queued.
	Write(ctx context.Context, t flv.Tag) error
	// Read waits for a tag, the caller may keep it. io.EOF = the stream ended in order.
	Read(ctx context.Context) (flv.Tag, error)
	// Finish waits until everything written has arrived, then ends the stream.
	Finish(ctx context.Context) error
}

// connInfo says who is connected.
type connInfo struct {
	Address        string // of the server
	NearID, FarID  string // peer ids
	ObjectEncoding uint8
	Fields         []amf.Member // of the answer to connect
}

// stats are the counters of a connection since it began.
type stats struct {
	RTT  time.Duration // 0 = unknown
	Sent uint64        // messages for a publisher, packets expected for a player
	Lost uint64        // of them
}

// refusedError is a refusal by the server, not a failure of the network.
type refusedError struct{ Code, Description string }

func (e *refusedError) Error() string {
	if e.Description == "" {
		return "refused by the server: " + e.Code
	}
	return fmt.Sprintf("refused by the server: %s (%s)", e.Description, e.Code)
}
