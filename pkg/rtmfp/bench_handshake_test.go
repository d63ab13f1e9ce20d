package rtmfp_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// BenchmarkHandshake opens sessions with clients of group 2 and reports what the server takes for each, key agreement
// included, and for a hello that nobody follows up.
func BenchmarkHandshake(b *testing.B) {
	for _, c := range []struct {
		name string
		id   *rtmfp.Identity
	}{{"fresh keys", testServer}, {"reused keys", testServer.ReuseKeys(time.Minute, 1000)}} {
		b.Run(c.name, func(b *testing.B) {
			w := newWireRig()
			server := w.add("192.0.2.1:1935", rtmfp.Config{Identity: c.id})
			server.clock = true
			n := 0
			for b.Loop() {
				addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 5000)
				client := w.add(addr.String(), rtmfp.Config{Identity: testClient})
				near, _ := w.connect(b, client, server)
				near.Abort(w.now, nil)
				w.settle()
				delete(w.hosts, client.addr)
				w.order = w.order[:1]
				n++
			}
			b.ReportMetric(float64(server.spent.Nanoseconds())/float64(n), "server-ns/handshake")
		})
	}
	b.Run("hello", func(b *testing.B) {
		e := rtmfp.NewEndpoint(rtmfp.Config{Identity: testServer})
		batch := rtmfp.NewBatch(8)
		var hellos [][]byte
		now := rtmfp.Time(time.Hour)
		for i := range 64 {
			hellos = append(hellos, rtmfp.ForgeStartup(now, 0, rtmfp.MakeIHello(rtmfp.EPDForURI("rtmfp://host/app"), fmt.Appendf(nil, "tag %d", i))))
		}
		buf := make([]byte, 1500)
		from := netip.MustParseAddrPort("198.51.100.1:5000")
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			e.HandleDatagram(now, buf[:copy(buf, hellos[n%len(hellos)])], from)
			e.Poll(now, batch)
			batch.Reset()
			n++
		}
	})
}
