package rtmfp_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// Who is banned gets no answer, and a session that was open falls silent; both come back with Unban.
func TestBans(t *testing.T) {
	bans := new(rtmfp.Bans)
	w := newWorld(t, worldConfig{server: rtmfp.Config{Bans: bans}})
	cs, _ := w.open()
	f := w.flow(cs, rtmfp.FlowOptions{})
	block := netip.PrefixFrom(w.client.Addr().Addr(), 24).Masked()
	bans.Ban(block)
	w.write(f, rtmfp.Message{}, "unheard")
	w.net.Run(2 * time.Second)
	if len(w.srv.all) != 0 {
		t.Fatalf("received %q from a banned address", w.srv.all)
	}
	if n := w.server.Endpoint().Counters().Banned.Load(); n == 0 {
		t.Error("nothing was counted")
	}
	bans.Unban(block)
	if !w.net.RunUntil(func() bool { return len(w.srv.all) == 1 }, time.Minute) {
		t.Fatal("nothing received after the ban was lifted")
	}
}
