//go:build !race

package rtmfp_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// idleSessions gives a server n sessions that each sent a message both ways, and removes their clients once they have
// been silent for some time. It returns what the server keeps for each of them, in bytes.
func idleSessions(tb testing.TB, n int, sec rtmfp.Security, silent time.Duration) (each float64) {
	tb.Helper()
	w := newWireRig()
	server := w.add("192.0.2.1:1935", rtmfp.Config{Identity: testServer, Security: sec, Keepalive: time.Hour})
	got := 0
	before := heapInUse()
	for i := range n {
		c := w.add(netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)}), 5000).String(), rtmfp.Config{Identity: testClient, Security: sec})
		c.on = func(_ rtmfp.Time, ev *rtmfp.Event) {
			if ev.Message != nil {
				got++
				ev.Message.Release()
			}
		}
		near, far := w.connect(tb, c, server)
		up, _ := near.Open(w.now, []byte("control"), rtmfp.FlowOptions{})
		down, _ := far.Open(w.now, []byte("control"), rtmfp.FlowOptions{})
		up.Write(w.now, rtmfp.Message{Body: rtmfp.CopyBuffer(pattern(300))})
		down.Write(w.now, rtmfp.Message{Body: rtmfp.CopyBuffer(pattern(100))})
		w.pass(time.Millisecond)
	}
	w.pass(250 * time.Millisecond) // delayed acknowledgements
	w.hosts, w.order = nil, []*host{server}
	for range 10 {
		w.pass(silent / 10)
	}
	if got != n {
		tb.Fatalf("%d messages of %d", got, n)
	}
	each = float64(int64(heapInUse()-before)) / float64(n)
	if server.ep.NumSessions() != n { // also keeps them for the measurement
		tb.Fatal("sessions ended")
	}
	return each
}

// maxIdleSession is how many bytes a silent session with a flow each way may take.
const maxIdleSession = 3000

// What a session needs only while it talks goes when it falls silent.
func TestIdleSessionMemory(t *testing.T) {
	sec := rtmfp.Security{RequestHMAC: true, RequestSSEQ: true}
	warm := idleSessions(t, 400, sec, 0)
	idle := idleSessions(t, 400, sec, 10*time.Second)
	t.Logf("%.0f bytes of a session just used, %.0f of a silent one", warm, idle)
	if idle > maxIdleSession {
		t.Errorf("a silent session takes %.0f bytes, want %d", idle, maxIdleSession)
	}
	if warm < idle+500 {
		t.Errorf("a session just used takes %.0f bytes, a silent one %.0f: nothing was freed", warm, idle)
	}
}

// Silent sessions give the endpoint nothing to do between two keepalives, and one that speaks again goes on.
func TestIdleSessionTimers(t *testing.T) {
	w := newWireRig()
	server := w.add("192.0.2.1:1935", rtmfp.Config{Identity: testServer, Keepalive: time.Minute})
	client := w.add("198.51.100.1:5000", rtmfp.Config{Identity: testClient, Keepalive: time.Minute})
	near, _ := w.connect(t, client, server)
	steps := 0
	for end := w.now.Add(50 * time.Second); ; steps++ {
		next := server.ep.NextTimeout()
		if next == 0 || next > end {
			break
		}
		w.pass(next.Sub(w.now))
	}
	if steps > 3 {
		t.Errorf("%d timeouts in 50 s", steps)
	}
	got := 0
	server.on = func(_ rtmfp.Time, ev *rtmfp.Event) {
		if ev.Message != nil {
			got++
			ev.Message.Release()
		}
	}
	f, err := near.Open(w.now, nil, rtmfp.FlowOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		f.Write(w.now, rtmfp.Message{Body: rtmfp.CopyBuffer(pattern(10))})
		w.pass(5 * time.Second)
	}
	if got != 3 {
		t.Errorf("%d messages of 3 after a pause", got)
	}
}

// BenchmarkIdleSession reports the memory of a silent session.
func BenchmarkIdleSession(b *testing.B) {
	for _, sec := range benchSecurities {
		b.Run(sec.name, func(b *testing.B) {
			var each float64
			for b.Loop() {
				each = idleSessions(b, 200, sec.Security, 10*time.Second)
			}
			b.ReportMetric(each, "bytes/session")
		})
	}
}
