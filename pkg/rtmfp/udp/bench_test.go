package udp

import (
	"testing"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// BenchmarkConnWrite sends batches of full datagrams to one address, over loopback.
func BenchmarkConnWrite(b *testing.B) {
	for _, gso := range []bool{false, true} {
		name := "plain"
		if gso {
			name = "GSO"
		}
		b.Run(name, func(b *testing.B) {
			c, err := listen(loopback(0), false, 0)
			if err != nil {
				b.Fatal(err)
			}
			defer c.close()
			to, err := listen(loopback(0), false, 0)
			if err != nil {
				b.Fatal(err)
			}
			defer to.close()
			if gso {
				c.enableGSO()
			}
			var list []rtmfp.Datagram
			for range 8 { // about what the burst limit lets a session send
				list = append(list, rtmfp.Datagram{To: to.addr, Data: make([]byte, 1188)})
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

// BenchmarkConnRead reads what was sent in batches.
func BenchmarkConnRead(b *testing.B) {
	c, err := listen(loopback(0), false, 1<<20)
	if err != nil {
		b.Fatal(err)
	}
	defer c.close()
	var list []rtmfp.Datagram
	for range readBatch {
		list = append(list, rtmfp.Datagram{To: c.addr, Data: make([]byte, 1188)})
	}
	var counters Counters
	var spent time.Duration
	got := 0
	b.ReportAllocs()
	for b.Loop() {
		c.write(list, &counters)
		t := time.Now()
		c.read(false)
		for i := range c.received(&counters) {
			c.datagram(i)
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
