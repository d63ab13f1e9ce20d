package rtmfp_test

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/simnet"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// A hello too large for one datagram travels in fragments, whichever of them gets lost, and no datagram
// is larger than old clients accept (RFC 7016 §3.4).
func TestLargeStartupPacket(t *testing.T) {
	for lose := range 6 {
		w := newWorld(t, worldConfig{server: rtmfp.Config{DecideHello: true}})
		n := 0
		w.net.Filter = func(_, _ netip.AddrPort, data []byte) bool {
			if len(data) > 1192 {
				t.Errorf("datagram of %d bytes", len(data))
			}
			n++
			return n-1 != lose
		}
		uri := "rtmfp://server/" + string(bytes.Repeat([]byte("long"), 600))
		w.srv.onHello = func(now rtmfp.Time, h *rtmfp.Hello) { w.server.Endpoint().AnswerHello(now, h) }
		s, err := w.client.Endpoint().Dial(w.net.Now(), rtmfp.DialConfig{
			EPD: rtmfp.EPDForURI(uri), Addrs: []netip.AddrPort{simnet.Addr("192.0.2.1:1935")},
		})
		if err != nil {
			t.Fatal(err)
		}
		w.client.Wake()
		if !w.net.RunUntil(s.IsOpen, 30*time.Second) {
			t.Fatalf("datagram %d lost: the session did not open", lose)
		}
		if got := w.srv.hellos[0].EPD; !bytes.Equal(got, rtmfp.EPDForURI(uri)) {
			t.Errorf("the hello arrived with %d bytes of discriminator", len(got))
		}
	}
}
