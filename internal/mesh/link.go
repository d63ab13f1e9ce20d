package mesh

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// Link is a connection to another server. Its exported methods may be called by any goroutine and do not
// block: they leave messages to the writer.
type Link struct {
	node *Node
	conn net.Conn // as it came from the network; closing it never blocks
	pipe net.Conn // conn, or the TLS connection over it
	addr netip.AddrPort
	dial *dialer // nil when the other server dialled
	log  zerolog.Logger
	// noise is log for what the other side can cause as often as it likes: not all is logged.
	noise zerolog.Logger

	tenant *tenant
	guest  *guest // nil when this server dialled
	queue  *queue
	in     lineReader
	done   chan struct{} // closed when the link ends

	ready   atomic.Bool // the applications accepted the server
	welcome atomic.Bool // those of the other side accepted this one
	closed  atomic.Bool // a last word was said or heard: calls no longer count
	params  atomic.Pointer[map[string]string]
	pings   atomic.Bool // the other side wants pings

	// Written before the link is admitted.
	peer     string // node.id of the other side, "" = another implementation
	received map[string]string
	serves   uint16 // its servers.port, 0 = it does not listen

	ending sync.Once
	err    error // why the link ended, nil = the other side closed; after done

	settling // node.mu
}

// errors that end links. They go to applications and logs.
var (
	errSilent    = errors.New("no sign of life")
	errStalled   = errors.New("the other server does not read")
	errHelloTime = errors.New("no hello in time")
	errDuplicate = errors.New("there is another link to this server")
	errReplaced  = errors.New("the other server gave this link up and made a new one")
	errSelf      = errors.New("the server is connected to itself")
	errStopping  = errors.New("this server stops")
)

// stopping is what other servers are told at the end, in the words of MonaServer 1.x.
const stopping = "Server is stopping"

// rejection is what the other side gave as a reason to close.
type rejection struct{ reason string }

func (r *rejection) Error() string { return r.reason }

func (n *Node) newLink(conn, pipe net.Conn, d *dialer) *Link {
	l := &Link{node: n, conn: conn, pipe: pipe, addr: remote(conn), dial: d, queue: newQueue(n.cfg.Queue), done: make(chan struct{})}
	l.log = n.log.With().Stringer("server", l.addr).Logger()
	l.noise = l.log.Sample(n.noise)
	l.in.conn = pipe
	l.params.Store(&map[string]string{})
	return l
}

// remote is the address of the other end.
func remote(c net.Conn) netip.AddrPort {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		p := a.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap().WithZone(""), p.Port())
	}
	p, _ := netip.ParseAddrPort(c.RemoteAddr().String())
	return p
}

// IsTarget reports whether this server dialled.
func (l *Link) IsTarget() bool { return l.dial != nil }

// Addr is the address of the other end.
func (l *Link) Addr() netip.AddrPort { return l.addr }

// Params are what the other server told about itself and, above that, the properties of the target. They
// must not be changed.
func (l *Link) Params() map[string]string { return *l.params.Load() }

// Send calls a function of the other server, one way; payload are its arguments in AMF, which must
// not be changed any more. Media may be dropped, which is no error, and waits for Flush. Errors: net.ErrClosed, or why the link does not
// take the message.
func (l *Link) Send(handler string, payload []byte, m Media) error {
	if l.closed.Load() {
		return net.ErrClosed
	}
	if len(payload)+maxHandler+2 > l.node.cfg.MaxMessage {
		return errTooLong
	}
	return l.push(message{
		handler: handler, payload: payload,
		media: m.Kind != NoMedia, stream: m.Stream, kind: uint8(m.Kind), key: m.Key,
	})
}

// Flush sends the media that Send was given. One call for some messages costs much less than one for each.
func (l *Link) Flush() { l.queue.flush() }

var errTooLong = errors.New("the message is longer than servers.maxMessageSize")

// push queues a message. A queue without room ends the link: what cannot be dropped must not be lost while
// the link goes on.
func (l *Link) push(m message) error {
	err := l.queue.push(m)
	if errors.Is(err, errQueueFull) {
		l.node.counters.QueueOverflows.Add(1)
		l.queue.drop()
		l.end(err)
	}
	return err
}

// run is the life of a link. It returns why it ended, nil if the other side closed it.
func (l *Link) run(ctx context.Context) error {
	defer l.queue.release() // when the writer is gone
	err := l.secure(ctx)
	if err == nil {
		written := make(chan struct{})
		go func() {
			defer close(written)
			l.write()
		}()
		err = l.read()
		if said := l.closed.Load(); said || errors.As(err, new(*rejection)) {
			l.queue.close()
			wait(written, farewell)
			if said && err != nil {
				_, _ = io.Copy(io.Discard, &l.in) // until the other side closes
			}
		}
		defer func() { <-written }()
	}
	select {
	case <-l.done: // somebody else ended it
		err = l.err
	default:
	}
	l.closed.Store(true)
	err = l.node.leave(l, err)
	l.end(err)
	return err
}

// secure makes the TLS connection.
func (l *Link) secure(ctx context.Context) error {
	t, ok := l.pipe.(*tls.Conn)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	err := t.HandshakeContext(ctx)
	switch {
	case err == nil:
		return nil
	case errors.As(err, new(tls.RecordHeaderError)):
		return protocolError("the other server does not speak TLS: servers.tls.* must be set on both or on none")
	case errors.Is(err, io.EOF):
		err = errors.New("the other server closed")
	case timedOut(err), errors.Is(err, context.DeadlineExceeded):
		err = errHelloTime
		l.node.counters.HelloTimeouts.Add(1)
	}
	return fmt.Errorf("TLS: %w", err)
}

// binding is what ties a proof to the TLS connection, nil without one.
func binding(c net.Conn) ([]byte, error) {
	if t, ok := c.(*tls.Conn); ok {
		return channelBinding(t.ConnectionState())
	}
	return nil, nil
}

func wait(c <-chan struct{}, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-c:
	case <-t.C:
	}
}

// control queues a control message.
func (l *Link) control(payload []byte) { _ = l.push(message{payload: payload}) }

// Ready tells the other server which applications run here: the own ones accepted it.
func (l *Link) Ready(running []string) {
	l.ready.Store(true)
	_ = l.push(message{handler: services, payload: appendServices(nil, running...)})
}

// farewell bounds what still happens on a link after its last word.
const farewell = 5 * time.Second

// Reject tells the other side why it is not wanted, and closes.
func (l *Link) Reject(reason string) {
	if l.closed.Swap(true) {
		return
	}
	l.node.counters.RejectsSent.Add(1)
	l.lastWord(appendReject(nil, reason))
}

// lastWord says a last thing and half-closes; the link ends when the other side closes too.
func (l *Link) lastWord(control []byte) {
	l.closed.Store(true)
	l.control(control)
	l.in.limit(farewell)
	_ = l.conn.SetWriteDeadline(time.Now().Add(farewell))
	l.queue.close()
}

// end ends the link at once; err is why, nil if the other side closed.
func (l *Link) end(err error) {
	l.ending.Do(func() {
		l.err = err
		l.closed.Store(true)
		close(l.done)
		l.queue.close()
		_ = l.conn.Close()
	})
}

// merge makes the parameters: what the other server told on this link, what it told on a second link that
// was given up, and the properties of the targets that lead to it.
func (l *Link) merge(elsewhere map[string]string, targets ...[]Property) {
	m := make(map[string]string, len(l.received)+len(elsewhere))
	maps.Copy(m, elsewhere)
	maps.Copy(m, l.received)
	for _, t := range targets {
		for _, p := range t {
			// Scripts find a name however it is written: no other spelling takes the place of ours.
			maps.DeleteFunc(m, func(key, _ string) bool { return strings.EqualFold(key, p.Name) })
			m[p.Name] = p.Value
		}
	}
	l.params.Store(&m)
}

// write is the writer's goroutine. It ends with the queue, and half-closes.
func (l *Link) write() {
	var (
		w     frameWriter
		batch []message
		out   = outgoing{dump: l.dump(true)}
	)
	for more := true; more; {
		if batch, more = l.queue.pop(batch); !more {
			break
		}
		out.reset()
		for i := range batch {
			if err := out.add(&w, &batch[i]); err != nil {
				l.end(err) // a call must not be lost while the link goes on
				return
			}
		}
		n, err := out.writeTo(l.pipe, l.hurry)
		if timedOut(err) {
			err = errStalled
			l.node.counters.QueueOverflows.Add(1)
		}
		c := &l.node.counters
		c.MessagesSent.Add(uint64(len(batch)))
		c.BytesSent.Add(uint64(n))
		if err != nil {
			l.end(err)
			return
		}
	}
	if h, ok := l.pipe.(interface{ CloseWrite() error }); ok {
		_ = h.CloseWrite()
	} else {
		l.end(nil) // a connection that cannot be half-closed
	}
}

// stallTimeout is how long the other side may take to make room for one write.
const stallTimeout = 15 * time.Second

// hurry gives the next write its time. After the last word there is another limit.
func (l *Link) hurry() {
	if !l.closed.Load() {
		_ = l.conn.SetWriteDeadline(time.Now().Add(stallTimeout))
	}
}

// copied is up to which length payloads are copied behind their header: cheaper than one more buffer.
const copied = 4 << 10

// outgoing collects messages for one system call.
type outgoing struct {
	bufs  net.Buffers
	kept  net.Buffers // of bufs, which is consumed by writing
	bytes []byte
	from  int // of bytes, not in bufs yet
	dump  dumpFunc
}

func (o *outgoing) reset() {
	clear(o.kept)
	o.kept, o.bytes, o.from = o.kept[:0], o.bytes[:0], 0
	if cap(o.bytes) > 2*batchBytes {
		o.bytes = nil
	}
}

func (o *outgoing) add(w *frameWriter, m *message) (err error) {
	start := len(o.bytes)
	if o.bytes, err = w.appendHeader(o.bytes, m.handler, len(m.payload)); err != nil {
		return err
	}
	if o.dump != nil {
		o.dump(o.bytes[start+4:], m.payload)
	}
	if len(m.payload) <= copied {
		o.bytes = append(o.bytes, m.payload...)
		return nil
	}
	o.cut()
	for piece := range slices.Chunk(m.payload, batchBytes) {
		o.kept = append(o.kept, piece)
	}
	return nil
}

func (o *outgoing) cut() {
	if b := o.bytes[o.from:]; len(b) > 0 {
		o.kept = append(o.kept, b)
		o.from = len(o.bytes)
	}
}

// writeTo writes what was collected, at most about batchBytes at a time; before is called before each.
func (o *outgoing) writeTo(c net.Conn, before func()) (written int64, err error) {
	o.cut()
	for rest := o.kept; len(rest) > 0 && err == nil; {
		end, size := 1, len(rest[0])
		for end < len(rest) && size+len(rest[end]) <= batchBytes {
			size += len(rest[end])
			end++
		}
		o.bufs = rest[:end]
		rest = rest[end:]
		before()
		if len(o.bufs) == 1 { // most often, and a directConn is faster
			var n int
			n, err = c.Write(o.bufs[0])
			written += int64(n)
			continue
		}
		var n int64
		n, err = o.bufs.WriteTo(c)
		written += n
	}
	return written, err
}
