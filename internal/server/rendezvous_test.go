package server

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/monaserver/monaserver/internal/mesh"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// staticLink is another server as the applications see it, without any connection to it.
type staticLink struct{ addr netip.AddrPort }

func (l *staticLink) IsTarget() bool                        { return true }
func (l *staticLink) Addr() netip.AddrPort                  { return l.addr }
func (l *staticLink) Flush()                                {}
func (l *staticLink) Reject(string)                         {}
func (l *staticLink) Ready([]string)                        {}
func (l *staticLink) Send(string, []byte, mesh.Media) error { return nil }
func (l *staticLink) Params() map[string]string {
	return map[string]string{"RTMFP.publicAddress": l.addr.String()}
}

// knows fills mona.servers of the daemon.
func (d *testDaemon) knows(addrs ...netip.AddrPort) {
	for _, a := range addrs {
		d.rtmfp.engine.ServerConnected(&staticLink{a})
	}
}

// clients is how many the daemon has.
func (d *testDaemon) clients() int64 {
	n := d.connected()
	return n[0] + n[1]
}

// sampleDaemon is a daemon whose root application is a sample as MonaServer's documentation has it.
func sampleDaemon(t *testing.T, name string) *testDaemon {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "script", "testdata", "samples", name+".lua"))
	if err != nil {
		t.Fatal(err)
	}
	return startDaemonWith(t, map[string]string{"main.lua": string(text), "live/main.lua": ""}, "")
}

// visit is dialPeer for a client that leaves in order at the end, so that no server waits for it.
func visit(t *testing.T, addr netip.AddrPort) *peer {
	t.Helper()
	p := dialPeer(t, addr)
	t.Cleanup(func() {
		p.do(p.conn.Close)
		<-p.over
	})
	return p
}

// deadAddr is where no server is.
func deadAddr(t *testing.T) netip.AddrPort { return netip.AddrPortFrom(loopback, freeUDPPort(t)) }

// Sample: each client goes to the next server in turn, none stays.
func TestSampleServersInTurn(t *testing.T) {
	first, second, third := sampleDaemon(t, "S9"), startDaemon(t), startDaemon(t)
	first.knows(second.addr, third.addr)
	for range 4 {
		visit(t, first.addr)
	}
	if a, b, c := first.clients(), second.clients(), third.clients(); a != 0 || b != 2 || c != 2 {
		t.Errorf("%d, %d and %d clients, want 0, 2 and 2", a, b, c)
	}
	if n := first.rtmfp.intro.Counters().Redirected.Load(); n < 4 {
		t.Errorf("%d hellos redirected", n)
	}
	// Without other servers the samples accept.
	alone := sampleDaemon(t, "S9")
	visit(t, alone.addr)
	if n := alone.clients(); n != 1 {
		t.Errorf("%d clients of the lone server", n)
	}
}

// Sample: the client tries all servers at the same time, and one that is dead does not hold it up.
func TestSampleAllServers(t *testing.T) {
	first, second, third := sampleDaemon(t, "S10"), startDaemon(t), startDaemon(t)
	first.knows(deadAddr(t), second.addr, third.addr)
	for range 3 {
		visit(t, first.addr)
	}
	if a, b, c := first.clients(), second.clients(), third.clients(); a != 0 || b+c != 3 {
		t.Errorf("%d, %d and %d clients, want none on the first", a, b, c)
	}
}

// One redirection leads to another.
func TestRedirectionChain(t *testing.T) {
	first, second, third := sampleDaemon(t, "S9"), sampleDaemon(t, "S10"), startDaemon(t)
	first.knows(second.addr)
	second.knows(third.addr)
	visit(t, first.addr)
	if a, b, c := first.clients(), second.clients(), third.clients(); a != 0 || b != 0 || c != 1 {
		t.Errorf("%d, %d and %d clients, want all on the third", a, b, c)
	}
}

// Sample: a peer that is connected to another server is found there.
func TestSampleRendezvousUnknown(t *testing.T) {
	for _, servers := range []int{2, 3} {
		var all []*testDaemon
		for range servers {
			all = append(all, sampleDaemon(t, "S11"))
		}
		for _, d := range all {
			for _, other := range all {
				if other != d {
					d.knows(other.addr)
				}
			}
		}
		a, b := visit(t, all[0].addr), visit(t, all[servers-1].addr)
		s := make(chan *rtmfp.Session, 1)
		a.do(func(now rtmfp.Time) {
			session, err := a.transport.Shards()[0].Endpoint().Dial(now, rtmfp.DialConfig{
				EPD: rtmfp.EPDForPeer(b.id), Addrs: []netip.AddrPort{all[0].addr},
			})
			if err != nil {
				t.Error(err)
			}
			s <- session
		})
		session := <-s
		until(t, "session between the peers", func() bool {
			open := false
			a.do(func(rtmfp.Time) { open = session.IsOpen() })
			return open
		})
		if n := all[servers-1].rtmfp.intro.Counters().Introductions.Load(); n == 0 {
			t.Error("the server of the peer did not introduce it")
		}
		if n := all[0].rtmfp.intro.Counters().UnknownPeer.Load(); n == 0 {
			t.Error("the first server knew the peer")
		}
	}
}
