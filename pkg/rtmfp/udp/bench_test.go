package udp

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// BenchmarkConnWrite sends batches of full datagrams to one address, over loopback.
func BenchmarkConnWrite(b *testing.B) {
	for _, tt := range []struct {
		name string
		addr netip.AddrPort
		gso  bool
	}{{"plain", loopback(0), false}, {"bound to all addresses", everywhere, false}, {"GSO", loopback(0), true}} {
		b.Run(tt.name, func(b *testing.B) {
			c, err := listen(tt.addr, false, 0)
			if err != nil {
				b.Fatal(err)
			}
			defer c.close()
			to, err := listen(loopback(0), false, 0)
			if err != nil {
				b.Fatal(err)
			}
			defer to.close()
			if tt.gso {
				c.enableGSO()
			}
			var list []rtmfp.Datagram
			for range 8 { // about what the burst limit lets a session send
				d := rtmfp.Datagram{To: to.addr, Data: make([]byte, 1188)}
				if c.locals != nil {
					d.Local = c.locals.number(to.addr.Addr())
				}
				list = append(list, d)
			}
			var counters Counters
			b.ReportAllocs()
			b.SetBytes(8 * 1188)
			for b.Loop() {
				c.write(list, &counters)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(8*b.N), "ns/datagram")
		})
	}
}

var everywhere = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)

// BenchmarkConnRead reads what was sent in batches.
func BenchmarkConnRead(b *testing.B) {
	for _, addr := range []netip.AddrPort{loopback(0), everywhere} {
		b.Run("bound to "+addr.Addr().String(), func(b *testing.B) { connRead(b, addr) })
	}
}

func connRead(b *testing.B, addr netip.AddrPort) {
	c, err := listen(addr, false, 1<<20)
	if err != nil {
		b.Fatal(err)
	}
	defer c.close()
	var list []rtmfp.Datagram
	for range readBatch {
		list = append(list, rtmfp.Datagram{To: loopback(c.addr.Port()), Data: make([]byte, 1188)})
	}
	var counters Counters
	var spent time.Duration
	got := 0
	b.ReportAllocs()
	for b.Loop() {
		for part := range slices.Chunk(list, writeBatch) {
			c.write(part, &counters)
		}
		t := time.Now()
		c.read(false)
		for i := range c.received(&counters) {
			c.datagram(i)
			c.local(i)
			got++
		}
		spent += time.Since(t)
	}
	b.ReportMetric(float64(spent.Nanoseconds())/float64(max(got, 1)), "ns/datagram-read")
}

// BenchmarkPostWakes hands a message to a shard that sleeps, and back.
func BenchmarkPostWakes(b *testing.B) {
	back := make(chan struct{})
	tr, err := Listen(Config{Addr: loopback(0), Shards: 1, Handler: func(*Shard) Handler { return answer{back} }})
	if err != nil {
		b.Fatal(err)
	}
	defer tr.Close()
	msg := new(int)
	b.ReportAllocs()
	for b.Loop() {
		tr.Shards()[0].Post(msg)
		<-back
	}
}

type answer struct{ back chan<- struct{} }

func (a answer) HandleEvent(rtmfp.Time, *rtmfp.Event) {}
func (a answer) HandlePost(rtmfp.Time, any)           { a.back <- struct{}{} }
