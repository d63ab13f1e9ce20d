package udp

import (
	"bytes"
	"net"
	"net/netip"
	"testing"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// A socket that is bound to all addresses answers from the one that was asked, whatever the system would choose: the
// system has 127.0.0.1 for all of loopback.
func TestConnAnswersFromWhereItWasAsked(t *testing.T) {
	for _, tt := range []struct {
		what, bind, client string
		asked              []string
	}{
		{"IPv4", "0.0.0.0:0", "127.0.0.1:0", []string{"127.0.0.1", "127.0.0.2", "127.0.0.3"}},
		{"IPv4 on a socket for both", "[::]:0", "127.0.0.1:0", []string{"127.0.0.1", "127.0.0.2"}},
		{"IPv6", "[::]:0", "[::1]:0", []string{"::1"}},
	} {
		for _, gso := range []bool{false, true} {
			a, b := open(t, tt.bind, 0), open(t, tt.client, 0)
			if gso {
				a.enableGSO()
			}
			var counters Counters
			var answers []rtmfp.Datagram
			for _, asked := range tt.asked {
				b.write(datagrams(netip.AddrPortFrom(netip.MustParseAddr(asked), a.addr.Port()), 10), &counters)
				take(t, a, 1, &counters)
				for _, d := range datagrams(b.addr, 100, 100, 50) {
					d.Local = a.local(0)
					answers = append(answers, d)
				}
			}
			a.write(answers, &counters)
			got, from := take(t, b, len(answers), &counters)
			for i := range got {
				if from[i].Addr().String() != tt.asked[i/3] || !bytes.Equal(got[i], answers[i].Data) {
					t.Errorf("%s, GSO %v: answer of %d bytes from %v", tt.what, a.gso, len(got[i]), from[i])
				}
			}
			if counters.SendErrors.Load() != 0 {
				t.Errorf("%s: %d errors", tt.what, counters.SendErrors.Load())
			}
		}
	}
}

// What the kernel dropped is counted although datagrams tell more than that.
func TestConnKernelDropsAtAllAddresses(t *testing.T) {
	a, b := open(t, "127.0.0.1:0", 0), open(t, "0.0.0.0:0", 1)
	to := loopback(b.addr.Port())
	var counters Counters
	for range 200 {
		a.write(datagrams(to, 1000), &counters)
	}
	got := 0
	for b.read(false) && b.received(&counters) > 0 {
		got += b.received(&counters)
	}
	a.write(datagrams(to, 10), &counters)
	take(t, b, 1, &counters)
	if d := counters.KernelDrops.Load(); got == 200 || d != uint64(200-got) {
		t.Errorf("%d counted, %d dropped", d, 200-got)
	}
}

// Sessions speak with the address that was dialled, whichever shard has them: here through a translator as homes
// have them, which lets nothing in from others.
func TestTransportAtAllAddresses(t *testing.T) {
	server := newParty(t)
	server.onEvent = echo
	id, _ := identities()
	server.listen(Config{Addr: netip.MustParseAddrPort("0.0.0.0:0"), Shards: 2, RTMFP: rtmfp.Config{Identity: id}})
	at := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), server.Addr().Port())
	for range 4 { // some on each shard
		client := newClient(t)
		s, f := client.dial(translator(t, at))
		client.write(f, "hello")
		if m := wait(t, "answer", client.messages); m != "hello" {
			t.Errorf("answer %q", m)
		}
		client.do(0, func(now rtmfp.Time) { s.Close(now) })
		wait(t, "end", client.closed)
	}
}

// translator passes on what comes to its address to another, and back what that one answers, and nothing else.
func translator(t *testing.T, to netip.AddrPort) netip.AddrPort {
	t.Helper()
	inside, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(loopback(0)))
	if err != nil {
		t.Fatal(err)
	}
	outside, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(to)) // connected: the system lets in nobody else
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		inside.Close()
		outside.Close()
	})
	client := make(chan netip.AddrPort, 1)
	go func() {
		b := make([]byte, readSize)
		known := false
		for {
			n, from, err := inside.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			if !known {
				client <- from
				known = true
			}
			outside.Write(b[:n])
		}
	}()
	go func() {
		b := make([]byte, readSize)
		var back netip.AddrPort
		for {
			n, err := outside.Read(b)
			if err != nil {
				return
			}
			if !back.IsValid() {
				back = <-client
			}
			inside.WriteToUDPAddrPort(b[:n], back)
		}
	}()
	return addrPort(inside)
}

// There is a limit to the addresses that are told apart, and some are not worth it.
func TestLocals(t *testing.T) {
	l := newLocals()
	for _, a := range []string{"0.0.0.0", "::", "224.0.0.1", "ff02::1", "fe80::1"} {
		if n := l.number(netip.MustParseAddr(a)); n != 0 {
			t.Errorf("%s has number %d", a, n)
		}
	}
	addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }
	for round := range 2 {
		for i := range maxLocals + 10 {
			switch n := l.number(addr(i)); {
			case i >= maxLocals && n != 0:
				t.Fatalf("round %d: address %d has number %d", round, i, n)
			case i < maxLocals && (n == 0 || l.addr(n) != addr(i)):
				t.Fatalf("round %d: address %d has number %d", round, i, n)
			}
		}
	}
}
