package udp

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

func open(t *testing.T, addr string, buffer int) *conn {
	t.Helper()
	c, err := listen(netip.MustParseAddrPort(addr), false, buffer)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.close() })
	return c
}

// take reads until n datagrams are there or nothing comes for a while.
func take(t *testing.T, c *conn, n int, counters *Counters) (data [][]byte, from []netip.AddrPort) {
	t.Helper()
	for len(data) < n {
		c.setReadDeadline(time.Now().Add(5 * time.Second))
		if !c.read(true) {
			t.Fatal("socket closed")
		}
		k := c.received(counters)
		if k == 0 {
			break
		}
		for i := range k {
			b, a := c.datagram(i)
			data = append(data, bytes.Clone(b))
			from = append(from, a)
		}
	}
	if len(data) != n {
		t.Fatalf("%d datagrams, want %d", len(data), n)
	}
	return data, from
}

func datagrams(to netip.AddrPort, sizes ...int) (list []rtmfp.Datagram) {
	for i, n := range sizes {
		list = append(list, rtmfp.Datagram{To: to, Data: bytes.Repeat([]byte{byte(i + 1)}, n)})
	}
	return list
}

// What is written in batches arrives as it was, with the right address, over IPv4 and IPv6.
func TestConnBatches(t *testing.T) {
	for _, tt := range []struct{ what, a, b, to string }{
		{"IPv4", "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1"},
		{"IPv6", "[::1]:0", "[::1]:0", "::1"},
		{"IPv4 on a socket for both", "[::]:0", "127.0.0.1:0", "127.0.0.1"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			a, b := open(t, tt.a, 0), open(t, tt.b, 0)
			to := netip.AddrPortFrom(netip.MustParseAddr(tt.to), b.addr.Port())
			var counters Counters
			for round := range 3 {
				var sizes []int
				for i := range writeBatch {
					sizes = append(sizes, 1+round*100+i*7)
				}
				list := datagrams(to, sizes...)
				a.write(list, &counters)
				got, from := take(t, b, len(list), &counters)
				for i := range list {
					if !bytes.Equal(got[i], list[i].Data) || from[i].Port() != a.addr.Port() || from[i].Addr().String() != tt.to {
						t.Fatalf("datagram %d: %d bytes from %v", i, len(got[i]), from[i])
					}
				}
			}
			if counters.SendErrors.Load() != 0 || counters.ReadErrors.Load() != 0 || counters.Writes.Load() != 3 {
				t.Errorf("%d errors, %d writes", counters.SendErrors.Load(), counters.Writes.Load())
			}
		})
	}
}

// A datagram that cannot be sent does not keep the others from going.
func TestConnSendErrors(t *testing.T) {
	a, b := open(t, "127.0.0.1:0", 0), open(t, "127.0.0.1:0", 0)
	list := datagrams(b.addr, 10, 20, 30, 40, 50)
	list[0].To = netip.MustParseAddrPort("[2001:db8::1]:5") // not from this socket
	list[2].To = loopback(0)
	list[4].To = loopback(0)
	var counters Counters
	a.write(list, &counters)
	got, _ := take(t, b, 2, &counters)
	if len(got[0]) != 20 || len(got[1]) != 40 || counters.SendErrors.Load() != 3 {
		t.Errorf("got %d and %d bytes, %d errors", len(got[0]), len(got[1]), counters.SendErrors.Load())
	}
}

// A socket from which nothing leaves, since its device is stuck, does not hold up the shard: what was to be sent is
// lost, and counted.
func TestConnStuck(t *testing.T) {
	a, b := open(t, "127.0.0.1:0", 0), open(t, "127.0.0.1:0", 0)
	send := a.send
	a.send = func() {
		a.toSend = 2
		send() // it is full after two
		a.err = errStuck
	}
	var counters Counters
	a.write(datagrams(b.addr, 10, 20, 30, 40, 50), &counters)
	if n := counters.SendErrors.Load(); n != 3 {
		t.Errorf("%d datagrams counted", n)
	}
	a.send = send
	a.write(datagrams(b.addr, 60), &counters)
	got, _ := take(t, b, 3, &counters)
	if len(got[1]) != 20 || len(got[2]) != 60 {
		t.Errorf("datagrams of %d and %d bytes", len(got[1]), len(got[2]))
	}

	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])
	w := &waiter{fd: pipe[1]}
	if !w.writable() {
		t.Error("no room in an empty pipe")
	}
	for {
		if _, err := unix.Write(pipe[1], make([]byte, 4096)); err != nil {
			break
		}
	}
	if w.writable() {
		t.Error("room in a full pipe")
	}
}

// A deadline in the past must not hide what has arrived: timers that follow each other closely would
// starve the reader.
func TestConnReadsAfterDeadline(t *testing.T) {
	a, b := open(t, "127.0.0.1:0", 0), open(t, "127.0.0.1:0", 0)
	var counters Counters
	for range 3 {
		a.write(datagrams(b.addr, 100), &counters)
		b.wake()
		if !b.read(true) || b.received(&counters) != 1 {
			t.Fatalf("%d datagrams", b.received(&counters))
		}
		if !b.read(true) || b.received(&counters) != 0 || !b.woken {
			t.Error("not noticed that the deadline passed")
		}
		a.write(datagrams(b.addr, 100), &counters)
		if !b.read(false) || b.received(&counters) != 1 {
			t.Fatalf("without waiting: %d datagrams", b.received(&counters))
		}
	}
	if !b.read(false) || b.received(&counters) != 0 {
		t.Error("read something that was not sent")
	}
	b.close()
	if b.read(false) || b.read(true) {
		t.Error("read from a closed socket")
	}
}

// Waits that deadlines end are how posts wake a shard: they must cost no garbage.
func TestConnWakeAllocates(t *testing.T) {
	c := open(t, "127.0.0.1:0", 0)
	tr := &Transport{start: time.Now()}
	if n := testing.AllocsPerRun(100, func() {
		c.setDeadline(tr, tr.Now().Add(time.Hour))
		c.wake()
		c.read(true)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// What the kernel had no room for is counted.
func TestConnKernelDrops(t *testing.T) {
	a, b := open(t, "127.0.0.1:0", 0), open(t, "127.0.0.1:0", 1)
	var counters Counters
	const n = 200
	for range n {
		a.write(datagrams(b.addr, 1000), &counters)
	}
	got := 0
	for b.read(false) && b.received(&counters) > 0 {
		got += b.received(&counters)
	}
	if got == 0 || got == n {
		t.Fatalf("%d of %d arrived", got, n)
	}
	a.write(datagrams(b.addr, 10), &counters)
	take(t, b, 1, &counters)
	if d := counters.KernelDrops.Load(); d != uint64(n-got) {
		t.Errorf("%d counted, %d dropped", d, n-got)
	}
}

func TestSegments(t *testing.T) {
	x, y := loopback(1), loopback(2)
	equal := func(to netip.AddrPort, n, size int) []rtmfp.Datagram {
		sizes := make([]int, n)
		for i := range sizes {
			sizes[i] = size
		}
		return datagrams(to, sizes...)
	}
	for _, tt := range []struct {
		what string
		list []rtmfp.Datagram
		want int
	}{
		{"one", datagrams(x, 5), 1},
		{"equal", datagrams(x, 5, 5, 5), 3},
		{"a shorter one ends it", datagrams(x, 5, 5, 3, 3), 3},
		{"shorter at once", datagrams(x, 5, 3, 3), 2},
		{"a longer one is not part of it", datagrams(x, 5, 5, 6), 2},
		{"another address", append(datagrams(x, 5, 5), datagrams(y, 5)...), 2},
		{"not too many", equal(x, 100, 5), maxSegments},
		{"not too long", equal(x, 60, 1192), maxSegmentBytes / 1192},
	} {
		if got := segments(tt.list); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.what, got, tt.want)
		}
	}
}

// With GSO the receiver sees the same datagrams.
func TestConnGSO(t *testing.T) {
	a, b := open(t, "127.0.0.1:0", 0), open(t, "127.0.0.1:0", 1<<20)
	other := open(t, "127.0.0.1:0", 0)
	a.enableGSO()
	list := datagrams(b.addr, 1192, 1192, 1192, 1192, 700, 1192, 1192, 100, 100, 1192)
	list = slices.Insert(list, 3, rtmfp.Datagram{To: other.addr, Data: []byte("between")})
	var counters Counters
	a.write(list, &counters)
	got, from := take(t, b, len(list)-1, &counters)
	take(t, other, 1, &counters)
	k := 0
	for _, d := range list {
		if d.To != b.addr {
			continue
		}
		if !bytes.Equal(got[k], d.Data) || from[k] != a.addr {
			t.Errorf("datagram %d: %d bytes, want %d", k, len(got[k]), len(d.Data))
		}
		k++
	}
	if n := counters.GSOBatches.Load(); a.gso && n != 3 || !a.gso && n != 0 {
		t.Errorf("%d batches", n)
	}
}

// Datagrams that are refused together are tried one by one; only if the device is at fault (EIO) it is
// not asked again.
func TestConnGSORefused(t *testing.T) {
	for _, device := range []bool{false, true} {
		t.Run(fmt.Sprintf("device %v", device), func(t *testing.T) {
			a, b := open(t, "127.0.0.1:0", 0), open(t, "127.0.0.1:0", 0)
			if a.enableGSO(); !a.gso {
				t.Log("this kernel has no UDP_SEGMENT")
				return
			}
			list := datagrams(b.addr, 100, 100, 100, 50, 200, 200)
			wantErrors := 0
			if device {
				breakOnce(a)
			} else {
				list = append(datagrams(loopback(0), 70, 70, 70), list...)
				wantErrors = 3
			}
			var counters Counters
			a.write(list, &counters)
			got, _ := take(t, b, 6, &counters)
			for i, n := range []int{100, 100, 100, 50, 200, 200} {
				if len(got[i]) != n {
					t.Errorf("datagram %d has %d bytes", i, len(got[i]))
				}
			}
			if a.gso == device || (counters.GSOFailed.Load() == 1) != device || counters.SendErrors.Load() != uint64(wantErrors) {
				t.Errorf("on: %v, failed %d times, %d errors", a.gso, counters.GSOFailed.Load(), counters.SendErrors.Load())
			}
		})
	}
}

// breakOnce makes the next write fail as a device does that cannot cut large sends.
func breakOnce(c *conn) {
	send := c.send
	c.send = func() {
		c.send = send
		c.err = unix.EIO
	}
}
