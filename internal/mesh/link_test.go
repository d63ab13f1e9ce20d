package mesh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// hello is the hello of a server of another implementation.
const helloHex = "00000014 0000 01 04 686f7374 05 622e636f6d 01 78 03 796573"

// meetWire connects another implementation, up to the list of applications.
func meetWire(t *testing.T, s *server) *wire {
	t.Helper()
	w := s.connect(t)
	w.send(helloHex)
	if got := w.receive(); !strings.HasPrefix(got, "\x00\x00\x01") {
		t.Fatalf("the answer is %q", got)
	}
	s.wait("+initiator")
	if got := w.receive(); got != "\x01.\x00\x05/live" {
		t.Fatalf("after the hello came %q", got)
	}
	return w
}

func TestOtherImplementation(t *testing.T) {
	s := start(t, nil)
	w := s.connect(t)
	w.send("00000005 03 666f6f 05") // before the hello: ignored, but it has number 1
	w.send(helloHex)
	if got := w.receive(); !strings.Contains(got, "RTMFP.publicAddress") {
		t.Fatalf("the answer is %q", got)
	}
	s.wait("+initiator")
	if got := w.receive(); got != "\x01.\x00\x05/live" {
		t.Fatalf("after the hello came %q", got)
	}
	l := s.linked()[0]
	if p := l.Params(); p["host"] != "b.com" || p["x"] != "yes" || l.IsTarget() {
		t.Error(p)
	}
	w.send("00000008 03 626172 11 06 03 61")
	s.wait("bar(a)")
	w.send("00000003 00 01 05")
	s.wait("foo({})")
	w.send("00000003 00 09 05 00000003 00 02 05") // an unknown number takes nothing with it
	s.wait("bar({})")
	w.send("00000007 01 2e 04 2f616263 0000000b 00 03 04 2f2e2e2f 03 2f6162")
	s.wait("open /abc")
	s.wait("open /ab")
	w.send("00000007 0000 01 01 78 01 32") // a second hello: no answer, no event
	s.wait("changed")
	if p := l.Params(); p["x"] != "2" || p["host"] != "" {
		t.Error(p)
	}
	if err := l.Send("f", []byte{0x05}, Media{}); err != nil {
		t.Error(err)
	}
	_ = l.Send("f", nil, Media{})
	if a, b := w.receive(), w.receive(); a != "\x01f\x05" || b != "\x00\x02" {
		t.Errorf("%q, %q", a, b)
	}
	_ = w.conn.Close()
	s.wait("-")
	if err := l.Send("f", nil, Media{}); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	for _, want := range []string{"a message before the hello", "not named before", "/../", "already connected"} {
		if !strings.Contains(s.logs.String(), want) {
			t.Errorf("%q is not logged", want)
		}
	}
}

// A rejected server gets the reason and the end of what we send; what it still sends is dropped.
func TestReject(t *testing.T) {
	s := start(t, nil)
	s.apps.mu.Lock()
	s.apps.accept = func(*Link) string { return "not you" }
	s.apps.mu.Unlock()
	w := s.connect(t)
	w.send(helloHex)
	w.receive()
	if got := w.receive(); got != "\x00\x00\x00\x07not you" {
		t.Errorf("%q", got)
	}
	w.send("00000005 03 666f6f 05")
	if got := w.receive(); got != "" {
		t.Errorf("after the rejection came %q", got)
	}
	_ = w.conn.Close()
	s.wait("-")
	if n := s.count("foo({})"); n != 0 {
		t.Error("a rejected server is heard")
	}
}

// What the other side says as its last word.
func TestRejected(t *testing.T) {
	for text, reason := range map[string]string{"00000006 0000 00 02 6e6f": "no", "00000000": unknownError, "00000001 00": unknownError, "00000002 0000": unknownError} {
		s := start(t, nil)
		w := meetWire(t, s)
		w.send(text)
		if got := w.receive(); got != "" {
			t.Errorf("%s: %q", text, got)
		}
		s.wait("-")
		if !strings.Contains(s.logs.String(), "server, "+reason) || s.counters.MalformedFrames.Load() > 0 {
			t.Errorf("%s: %s", text, s.logs)
		}
	}
}

// What ends a link at once.
func TestMalformed(t *testing.T) {
	for name, text := range map[string]string{
		"huge":           "ffffffff 00",
		"header":         "00000002 0561",
		"version":        "00000003 0000 07",
		"early version":  "00000003 0000 02",
		"hello":          "00000004 0000 01 05",
		"no hello":       strings.Repeat("00000005 03 666f6f 05", maxEarly+1),
		"too much hello": "00200000 0000 01",
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, nil)
			w := &wire{t: t}
			switch name {
			case "huge", "header", "version", "hello":
				w = meetWire(t, s)
			default:
				w = s.connect(t)
			}
			w.send(text)
			_ = w.conn.SetReadDeadline(time.Now().Add(patience))
			if b, err := io.ReadAll(w.conn); len(b) > 0 || errors.Is(err, errSilent) {
				t.Errorf("%q, %v", b, err)
			}
			for limit := time.Now().Add(patience); s.counters.MalformedFrames.Load() == 0; {
				if time.Now().After(limit) {
					t.Fatal("not counted")
				}
				<-time.After(time.Millisecond)
			}
		})
	}
}

// A neighbour that reads nothing ends its link when calls no longer fit; media is left out before that.
func TestQueueFull(t *testing.T) {
	s := start(t, func(c *Config) { c.Queue = 1 << 20 })
	meetWire(t, s)
	l := s.linked()[0]
	frame := make([]byte, 64<<10)
	for range 1000 { // more than the queue and the buffers of the system take
		if err := l.Send("video", frame, Media{Stream: "live", Kind: Video}); err != nil {
			t.Fatal(err)
		}
	}
	if n := l.queue.stats().dropped; n == 0 {
		t.Error("no media is left out")
	}
	var err error
	for i := 0; err == nil && i < 1000; i++ {
		err = l.Send("call", frame, Media{})
	}
	if !errors.Is(err, errQueueFull) {
		t.Error(err)
	}
	s.wait("-" + errQueueFull.Error())
	if n := s.counters.QueueOverflows.Load(); n != 1 {
		t.Error(n)
	}
}

// Calls are not lost while a link goes on: when no more names can be numbered a new link begins to number anew.
func TestTooManyNames(t *testing.T) {
	b := start(t, nil)
	a := start(t, func(c *Config) { c.Targets = []Target{b.target()} })
	a.wait("open /live")
	l := a.linked()[0]
	for i := range maxNames + 1 {
		if err := l.Send(fmt.Sprint("f", i), nil, Media{}); err != nil {
			break // it has ended
		}
	}
	a.wait("-" + errSentNames.Error())
	a.wait("+target")
	if err := a.linked()[0].Send("f", nil, Media{}); err != nil {
		t.Error(err)
	}
	b.wait("f()")
}

// Applications that are behind hold the other side up and lose nothing.
func TestBackPressure(t *testing.T) {
	s := start(t, nil)
	w := meetWire(t, s)
	s.apps.mu.Lock()
	s.keep = true
	s.apps.mu.Unlock()
	const calls = 3 * maxCalls
	go func() {
		text := []byte("\x00\x00\x00\x03\x01f\x05" + strings.Repeat("\x00\x00\x00\x03\x00\x01\x05", calls-1))
		_, _ = w.conn.Write(text)
	}()
	done := 0
	for limit := time.Now().Add(patience); done < calls; {
		s.apps.mu.Lock()
		kept := s.kept
		s.kept = nil
		s.apps.mu.Unlock()
		if len(kept) > maxCalls {
			t.Fatalf("%d calls at once", len(kept))
		}
		for _, f := range kept {
			f()
		}
		if done += len(kept); time.Now().After(limit) {
			t.Fatal(done)
		}
	}
	s.apps.mu.Lock()
	s.keep, s.busy = false, true
	s.apps.mu.Unlock()
	w.send("00000003 00 01 06")
	<-time.After(20 * time.Millisecond)
	s.apps.mu.Lock()
	s.busy = false
	s.apps.log = nil
	s.apps.mu.Unlock()
	s.wait("f({})")
}

func TestLongMessage(t *testing.T) {
	s := start(t, func(c *Config) { c.MaxMessage = 2 << 20 })
	w := meetWire(t, s)
	go func() {
		_, _ = w.conn.Write(append(unhex(t, "00100008 01 66 11 06 80c08001"), make([]byte, 1<<20)...))
	}()
	s.wait("f(1048576 bytes)")
	if err := s.linked()[0].Send("f", make([]byte, 2<<20), Media{}); err != errTooLong {
		t.Error(err)
	}
}

type pipeConn struct {
	net.Conn
	addr netip.AddrPort
}

func (c pipeConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.addr) }

// onPipe runs a node whose only target is the other end of a pipe.
func onPipe(t *testing.T, far func(net.Conn)) *server {
	return start(t, func(c *Config) {
		c.Listen = netip.AddrPort{}
		c.Retry = 16 * time.Second
		c.Targets = []Target{{Host: "192.0.2.1", Port: 1936}}
		c.Dial = func(_ context.Context, addr netip.AddrPort) (net.Conn, error) {
			a, b := net.Pipe()
			go far(b)
			return pipeConn{a, addr}, nil
		}
	})
}

// A server that said it sends pings and does not is gone, one of another implementation is not.
func TestSilence(t *testing.T) {
	for _, pings := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			pairs := []pair{{"host", "b.com"}}
			if pings {
				pairs = append(pairs, pair{keyPing, "4"}, pair{keyNodeID, "\xff"})
			}
			s := onPipe(t, func(c net.Conn) {
				w := &wire{t, c}
				go func() { _, _ = io.Copy(io.Discard, c) }()
				payload := appendHello(nil, pairs)
				head, _ := new(frameWriter).appendHeader(nil, "", len(payload))
				_, _ = w.conn.Write(append(head, payload...))
				if pings {
					_, _ = w.conn.Write(append([]byte{0, 0, 0, 5, 0, 0}, appendOffer(nil, offer{number: 1})...))
				}
			})
			s.Node.mu.Lock()
			s.id = "\x01" // decides
			s.Node.mu.Unlock()
			s.wait("+target")
			began := time.Now()
			<-time.After(14900 * time.Millisecond)
			synctest.Wait()
			if got, want := s.counters.Silent.Load(), map[bool]uint64{true: 1}[pings]; got != want {
				t.Errorf("after %v: %d links ended for silence, want %d", time.Since(began), got, want)
			}
			s.stop()
		})
	}
}

// A target that accepts and says nothing is given up and tried again, with growing pauses.
func TestHelloTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := onPipe(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
		<-time.After(9 * time.Second)
		if a, n := s.counters.Attempts.Load(), s.counters.HelloTimeouts.Load(); a != 1 || n != 0 {
			t.Errorf("%d attempts, %d timeouts after 9 s", a, n)
		}
		<-time.After(2100 * time.Millisecond)
		if a, n := s.counters.Attempts.Load(), s.counters.HelloTimeouts.Load(); a != 2 || n != 1 {
			t.Errorf("%d attempts, %d timeouts after 11 s", a, n)
		}
		<-time.After(10 * time.Minute)
		if a := s.counters.Attempts.Load(); a < 20 || a > 35 {
			t.Errorf("%d attempts in 10 minutes, at most every 16 s after 10 s each", a)
		}
		if len(s.seen()) > 0 {
			t.Error(s.seen())
		}
		s.stop()
	})
}
