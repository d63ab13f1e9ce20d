package server

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// tap passes datagrams between a client and the server and keeps copies of them.
type tap struct {
	near   *net.UDPConn // towards the client
	far    *net.UDPConn // towards the server
	server netip.AddrPort

	mu     sync.Mutex
	client netip.AddrPort
	seen   [][]byte
}

func newTap(t *testing.T, server netip.AddrPort) *tap {
	t.Helper()
	x := &tap{server: server}
	for _, c := range []**net.UDPConn{&x.near, &x.far} {
		u, err := net.ListenUDP("udp4", &net.UDPAddr{IP: loopback.AsSlice()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = u.Close() })
		*c = u
	}
	go x.pass(x.near, func(b []byte, from netip.AddrPort) {
		x.mu.Lock()
		x.client = from
		x.mu.Unlock()
		_, _ = x.far.WriteToUDPAddrPort(b, x.server) // as if it got lost
	})
	go x.pass(x.far, func(b []byte, _ netip.AddrPort) {
		x.mu.Lock()
		to := x.client
		x.mu.Unlock()
		_, _ = x.near.WriteToUDPAddrPort(b, to) // as if it got lost
	})
	return x
}

func (x *tap) pass(c *net.UDPConn, on func(b []byte, from netip.AddrPort)) {
	buf := make([]byte, 2048)
	for {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			return // closed
		}
		x.keep(buf[:n])
		on(buf[:n], from)
	}
}

// keep keeps the first datagrams, which are the handshake, and the newest ones.
func (x *tap) keep(b []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.seen) > 256 {
		x.seen = slices.Delete(x.seen, 32, 33)
	}
	x.seen = append(x.seen, slices.Clone(b))
}

// pick returns a copy of one of them.
func (x *tap) pick(rng *rand.Rand) []byte {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.seen[rng.IntN(len(x.seen))])
}

func (x *tap) addr() netip.AddrPort { return x.near.LocalAddr().(*net.UDPAddr).AddrPort() }

// storm sends the server what no client sends.
type storm struct {
	rng    *rand.Rand
	taps   []*tap
	others []*net.UDPConn
}

// blow sends one datagram, from the address of a session or another one.
func (s *storm) blow(t *testing.T) {
	x := s.taps[s.rng.IntN(len(s.taps))]
	b := x.pick(s.rng)
	switch s.rng.IntN(5) {
	case 0: // nonsense
		b = make([]byte, s.rng.IntN(1500))
		for i := range b {
			b[i] = byte(s.rng.Uint32())
		}
	case 1: // cut short
		b = b[:s.rng.IntN(len(b)+1)]
	case 2: // bits flipped, the session id left alone
		for range 1 + s.rng.IntN(8) {
			if len(b) > 12 {
				b[12+s.rng.IntN(len(b)-12)] ^= 1 << s.rng.IntN(8)
			}
		}
	case 3: // bits flipped anywhere
		if len(b) > 0 {
			b[s.rng.IntN(len(b))] ^= 1 << s.rng.IntN(8)
		}
	default: // a copy
	}
	from := x.far
	if i := s.rng.IntN(len(s.others) + 1); i < len(s.others) {
		from = s.others[i]
	}
	if _, err := from.WriteToUDPAddrPort(b, x.server); err != nil && len(b) > 0 {
		t.Error(err)
	}
}

func heapInUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Malformed, truncated, damaged and repeated datagrams, from anywhere and also to the ids of live sessions, change
// nothing: what is published meanwhile arrives whole, no session comes or goes, memory stays flat, and a new client
// connects afterwards.
func TestStorm(t *testing.T) {
	const datagrams, perFrame, window = 20_000, 40, 2
	d := startDaemon(t)
	s := &storm{rng: rand.New(rand.NewPCG(1, 2)), taps: []*tap{newTap(t, d.addr), newTap(t, d.addr)}}
	for range 8 {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: loopback.AsSlice()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		s.others = append(s.others, c)
	}
	publisher, player := dialPeer(t, s.taps[0].addr()), dialPeer(t, s.taps[1].addr())
	player.play("cam")
	publisher.publish("cam")

	opened := func(c *rtmfp.Counters) uint64 { return c.SessionsOpened.Load() }
	closed := func(c *rtmfp.Counters) uint64 { return c.SessionsClosed.Load() }
	received := func(c *rtmfp.Counters) uint64 { return c.DatagramsReceived.Load() }
	refused := func(c *rtmfp.Counters) uint64 {
		return c.BadPackets.Load() + c.BadIntegrity.Load() + c.Replayed.Load() + c.UnknownSession.Load() + c.BadCookies.Load() +
			c.HellosUnselected.Load() + c.KeyingsRepeated.Load() + c.KeyingsFailed.Load() + c.KeyingsDropped.Load()
	}
	var want []peerFrame
	publish := func() {
		i := len(want)
		f := peerFrame{media.Video, uint32(i * 20), fmt.Sprintf("\x27\x01\x00\x00\x00%d ", i) + strings.Repeat("x", i*7%2500)}
		if i%25 == 0 {
			f.body = "\x17" + f.body[1:]
		}
		want = append(want, f)
		publisher.do(func(now rtmfp.Time) {
			if err := publisher.stream.WriteFrame(now, f.kind, f.ts, rtmfp.CopyBuffer([]byte(f.body)), media.WriteOptions{}); err != nil {
				t.Error(err)
			}
		})
		// Neither the kernel's buffers nor the deadlines of frames are what this is about.
		until(t, "frame", func() bool { return len(player.received()) > len(want)-window })
	}

	blow := func(n int) {
		for range n / perFrame {
			for range perFrame {
				s.blow(t)
			}
			publish()
		}
	}
	blow(datagrams / 4) // until everything has grown to its size
	heap := heapInUse()
	blow(datagrams * 3 / 4)
	until(t, "end of the storm", func() bool { return len(player.received()) >= len(want) })
	if now := heapInUse(); now > heap+(4<<20) {
		t.Errorf("memory in use grew from %d to %d bytes", heap, now)
	}

	if got := player.received(); !slices.Equal(got, want) {
		t.Errorf("%d frames of %d arrived, or others", len(got), len(want))
	}
	if n, c := d.sum(opened), d.sum(closed); n != 2 || c != 0 {
		t.Errorf("%d sessions opened and %d closed, want the 2 that are open", n, c)
	}
	if n := d.sum(refused); n < datagrams/2 {
		t.Errorf("%d datagrams counted as refused", n)
	}
	if st := d.rtmfp.hub.Stats(); st.Publications != 1 || st.Listeners != 1 {
		t.Errorf("hub: %+v", st)
	}
	t.Logf("%d of %d datagrams were refused", d.sum(refused), d.sum(received))
	fresh := dialPeer(t, d.addr)
	fresh.play("cam")
	for _, p := range []*peer{fresh, publisher, player} {
		p.close()
	}
}
