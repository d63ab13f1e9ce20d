package script

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// tcpConn is one connection of a tcpClient, with a goroutine that connects and reads and one that writes.
type tcpConn struct {
	client *tcpClient // only its events are used here
	epoch  int        // of the client
	peer   netip.AddrPort
	next   chan struct{} // the script took what was read; the reader waits for it after each piece
	quit   chan struct{} // closed by abort
	last   atomic.Int64  // Unix time of the last traffic, ns

	mu    sync.Mutex
	nc    net.Conn // nil until connected
	out   []byte
	wake  chan struct{} // something in out, or done
	done  bool          // no more is sent
	cause error         // of abort
	over  bool
}

func newTCPConn(c *tcpClient, peer netip.AddrPort, nc net.Conn) *tcpConn {
	t := &tcpConn{
		client: c, epoch: c.epoch, peer: peer, nc: nc,
		next: make(chan struct{}, 1), quit: make(chan struct{}), wake: make(chan struct{}, 1),
	}
	t.last.Store(time.Now().UnixNano())
	return t
}

// taken lets the reader go on. It never waits: the reader may be gone.
func (t *tcpConn) taken() {
	select {
	case t.next <- struct{}{}:
	default:
	}
}

func (t *tcpConn) touch() { t.last.Store(time.Now().UnixNano()) }

// run connects, unless it is an accepted connection, and reads.
func (t *tcpConn) run() {
	err := t.connect()
	if err == nil {
		written := make(chan struct{})
		go func() {
			defer close(written)
			t.write()
		}()
		if err = t.read(); errors.Is(err, io.EOF) {
			t.finish() // the peer may have closed its side only, and wait for an answer
		} else {
			t.abort(nil)
		}
		<-written
	}
	t.mu.Lock()
	if t.cause != nil {
		err = t.cause
	} else if t.done {
		err = nil
	}
	t.mu.Unlock()
	t.client.post(64, true, func() { t.client.ended(t, err) })
}

func (t *tcpConn) connect() error {
	t.mu.Lock()
	connected := t.nc != nil
	t.mu.Unlock()
	if connected {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), tcpConnectTimeout)
	defer cancel()
	go func() {
		select {
		case <-t.quit:
			cancel()
		case <-ctx.Done():
		}
	}()
	var d net.Dialer
	nc, err := d.DialContext(ctx, network("tcp", t.peer), t.peer.String())
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		nc.Close()
		return net.ErrClosed
	}
	t.nc = nc
	t.touch()
	return nil
}

// read posts what arrives, one piece at a time: the script sets the pace.
func (t *tcpConn) read() error {
	buf := make([]byte, readSize)
	for {
		n, err := t.nc.Read(buf)
		if n > 0 {
			t.touch()
			data := string(buf[:n])
			t.client.post(n, true, func() { t.client.received(t, data) })
			select {
			case <-t.next:
			case <-t.quit:
				return net.ErrClosed
			}
		}
		if err != nil {
			return err
		}
	}
}

// write sends what is queued until done or aborted.
func (t *tcpConn) write() {
	for {
		t.mu.Lock()
		out, done := t.out, t.done
		t.out = nil
		t.mu.Unlock()
		if len(out) > 0 {
			if _, err := t.nc.Write(out); err != nil {
				t.abort(err)
				return
			}
			t.touch()
			continue
		}
		if done {
			t.abort(nil)
			return
		}
		select {
		case <-t.wake:
		case <-t.quit:
			return
		}
	}
}

func (t *tcpConn) local() netip.AddrPort {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.nc == nil {
		return netip.AddrPort{}
	}
	return addrPort(t.nc.LocalAddr())
}

// send queues data.
func (t *tcpConn) send(data string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.done || t.over:
		return errNotConnected
	case len(t.out)+len(data) > maxUnsent:
		return errSendBuffer
	}
	t.out = append(t.out, data...)
	t.signal()
	return nil
}

func (t *tcpConn) signal() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// finish closes the connection after what is queued, for which there is a moment.
func (t *tcpConn) finish() {
	t.mu.Lock()
	t.done = true
	waiting := t.nc == nil && len(t.out) == 0
	t.mu.Unlock()
	t.signal()
	if waiting { // for the connection, with nothing to say
		t.abort(nil)
	} else {
		time.AfterFunc(tcpFarewell, func() { t.abort(nil) })
	}
}

// abort closes the connection now; the first reason counts.
func (t *tcpConn) abort(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return
	}
	t.over = true
	if !t.done {
		t.cause = err
	}
	close(t.quit)
	if t.nc != nil {
		t.nc.Close()
	}
}
