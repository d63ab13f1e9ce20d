package mesh

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"time"
)

// tcpPair returns the ends of a connection over loopback, closed at the end of the test.
func tcpPair(t *testing.T) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = net.Dial("tcp4", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.Close()
		b.Close()
	})
	return direct(a), direct(b)
}

// Everything arrives, both ways at once and more than the buffers of the system take, and the end after it.
func TestDirect(t *testing.T) {
	a, b := tcpPair(t)
	data := make([]byte, 8<<20)
	random := rand.NewChaCha8([32]byte{})
	_, _ = random.Read(data)
	for _, c := range []net.Conn{a, b} {
		go func() {
			if n, err := c.Write(data); n != len(data) || err != nil {
				t.Errorf("%d bytes written: %v", n, err)
			}
			if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
				t.Error(err)
			}
		}()
	}
	got := make(chan []byte)
	for _, c := range []net.Conn{a, b} {
		go func() {
			all, err := io.ReadAll(c)
			if err != nil {
				t.Error(err)
			}
			got <- all
		}()
	}
	for range 2 {
		if all := <-got; !bytes.Equal(all, data) {
			t.Errorf("%d bytes arrived, or other ones", len(all))
		}
	}
}

// Deadlines end reading and writing, and so does closing.
func TestDirectEnds(t *testing.T) {
	a, b := tcpPair(t)
	one := make([]byte, 1)
	_ = a.SetReadDeadline(time.Now().Add(time.Millisecond))
	if _, err := a.Read(one); !errors.Is(err, os.ErrDeadlineExceeded) || !timedOut(err) {
		t.Errorf("read after the deadline: %v", err)
	}
	_ = a.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
	written, err := 0, error(nil)
	for n := 0; err == nil; written += n {
		n, err = a.Write(make([]byte, 1<<20))
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("nobody reads: %v", err)
	}
	_ = a.Close()
	if _, err := a.Read(one); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read after closing: %v", err)
	}
	if n, err := io.Copy(io.Discard, b); n != int64(written) || err != nil {
		t.Errorf("%d of %d bytes that were written arrived: %v", n, written, err)
	}
	c, d := tcpPair(t)
	_ = d.(*directConn).SetLinger(0)
	_ = d.Close()
	if _, err := c.Read(one); err == nil || err == io.EOF {
		t.Errorf("read after a reset: %v", err)
	}
}
