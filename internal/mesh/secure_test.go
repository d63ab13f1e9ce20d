package mesh

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// control cuts the kind off a control message as it came.
func control(t *testing.T, frame string, kind byte) []byte {
	t.Helper()
	if len(frame) < 3 || frame[:2] != "\x00\x00" || frame[2] != kind {
		t.Fatalf("%q is no control message of kind %d", frame, kind)
	}
	return []byte(frame[3:])
}

func (w *wire) write(b []byte) {
	w.t.Helper()
	if _, err := w.conn.Write(b); err != nil {
		w.t.Fatal(err)
	}
}

// plainHello is what MonaServer 1.x says.
func plainHello() []byte {
	return frameOf("", appendHello(nil, []pair{{"RTMFP.publicAddress", "203.0.113.9:1935"}, {"host", "0.0.0.0"}}))
}

// A server with a secret tells whoever dials nothing but why it is refused; it has no hello for MonaServer 1.x,
// which logs the text.
func TestSecretAgainstDialler(t *testing.T) {
	s := start(t, secret("x"))
	w := s.connect(t)
	w.write(plainHello())
	if reason := parseReject(control(t, w.receive(), kindReject)); reason != errOneSecret.Error() {
		t.Errorf("rejected with %q", reason)
	}
	if rest := w.receive(); rest != "" {
		t.Errorf("it goes on with %q", rest)
	}
	_ = w.conn.Close()
	s.waitLog(errOneSecret.Error())
	// One that claims to know the secret hears a number, and no proof.
	w = s.connect(t)
	w.write(frameOf("", appendHello(nil, []pair{{keyNodeID, "evil"}, {keyChallenge, encodeProof(make([]byte, challengeBytes))}})))
	m, err := parseHello(control(t, w.receive(), kindHello))
	if err != nil || len(m) != 2 || m[keyNodeID] != s.id || m[keyChallenge] == "" {
		t.Errorf("the answer to a challenge: %v, %v", m, err)
	}
	w.write(frameOf("", appendHello(nil, []pair{{keyProof, encodeProof(make([]byte, 32))}})))
	if reason := parseReject(control(t, w.receive(), kindReject)); reason != errSecret.Error() {
		t.Errorf("rejected with %q", reason)
	}
	if len(s.seen()) > 0 {
		t.Errorf("the applications saw %v", s.seen())
	}
	_ = w.conn.Close()
	s.waitLog(errSecret.Error())
}

// Nor does it tell a target anything but a number before that has answered; what MonaServer 1.x answers is
// refused.
func TestSecretAgainstTarget(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	at := l.Addr().(*net.TCPAddr).AddrPort()
	s := start(t, func(c *Config) {
		c.Secret = "x"
		c.Targets = []Target{{Host: "127.0.0.1", Port: at.Port(), Properties: []Property{{"type", "master"}}}}
	})
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	w := &wire{t, conn}
	m, err := parseHello(control(t, w.receive(), kindHello))
	if err != nil || len(m) != 2 || m[keyNodeID] == "" || m[keyChallenge] == "" {
		t.Errorf("the first hello: %v, %v", m, err)
	}
	w.write(plainHello())
	if reason := parseReject(control(t, w.receive(), kindReject)); reason != errOneSecret.Error() {
		t.Errorf("rejected with %q", reason)
	}
	if len(s.seen()) > 0 {
		t.Errorf("the applications saw %v", s.seen())
	}
}

// A connection from elsewhere than servers.allow is closed without a word, and counted.
func TestAllow(t *testing.T) {
	s := start(t, func(c *Config) { c.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")} })
	w := s.connect(t)
	if got := w.receive(); got != "" {
		t.Errorf("it says %q", got)
	}
	if n := s.counters.IncomingRefused.Load(); n != 1 {
		t.Errorf("%d counted", n)
	}
}

// A handshake of TLS costs more than a hello, so an address may not begin more of them than it may say hellos.
func TestManyHandshakes(t *testing.T) {
	const more = 100
	s := start(t, certified(newAuthority(t, "mesh").issue("a", nil, "127.0.0.1")))
	for range hellosBurst + more {
		s.connect(t)
	}
	for limit := time.Now().Add(patience); s.counters.Incoming.Load() < hellosBurst+more; {
		if time.Now().After(limit) {
			t.Fatal("connections are not accepted")
		}
		<-time.After(time.Millisecond)
	}
	if s.counters.IncomingRefused.Load() == 0 { // some come back with time
		t.Error("none is refused")
	}
}

// Servers of which only one has TLS say so, instead of wondering about huge messages.
func TestOnlyOneTLS(t *testing.T) {
	files := newAuthority(t, "mesh").issue("a", nil, "127.0.0.1")
	for _, c := range []struct{ dials, accepts func(*Config) }{
		{certified(files), secret("")}, {secret(""), certified(files)},
	} {
		b := start(t, c.accepts)
		a := start(t, func(cfg *Config) {
			cfg.Targets = []Target{b.target()}
			c.dials(cfg)
		})
		b.waitLog("servers.tls.*")
		a.stop()
	}
}

// waitLog waits until the node has logged a text.
func (s *server) waitLog(text string) {
	s.t.Helper()
	for limit := time.Now().Add(patience); !strings.Contains(s.logs.String(), text); {
		if time.Now().After(limit) {
			s.t.Fatalf("not logged: %s\n%s", text, s.logs)
		}
		<-time.After(time.Millisecond)
	}
}

// A server that stops reading, and of which no pings are due, is given up soon after its buffers are full;
// what waits for it is given back to its address.
func TestStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := onPipe(t, func(c net.Conn) {
			go func() { _, _ = c.Write(plainHello()) }()
			_ = (&wire{t, c}).receive() // the hello, and nothing more
			<-t.Context().Done()
		})
		s.wait("+target")
		l := s.linked()[0]
		if err := l.Send("f", make([]byte, 1<<20), Media{}); err != nil {
			t.Fatal(err)
		}
		s.wait("-" + errStalled.Error())
		if n := s.counters.QueueOverflows.Load(); n != 1 {
			t.Errorf("%d counted", n)
		}
		synctest.Wait()
		if n := l.tenant.out.left.Load(); n != int64(s.cfg.Queue) {
			t.Errorf("%d bytes are not given back", int64(s.cfg.Queue)-n)
		}
		s.stop()
	})
}
