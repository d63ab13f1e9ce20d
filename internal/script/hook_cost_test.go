package script

import (
	"testing"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// Without a hook nothing of a stream reaches the scripts: no event, no frame kept, no memory. With a hook for sound, nothing
// of its pictures does.
func TestNoHookCostsNothing(t *testing.T) {
	r := newRig(t, files{"main.lua": `
		function onConnection(client)
			function client:onPublish(publication)
				publication.note = "a field that is no hook"
				self.publication = publication
			end
			function client:listen(what) self.publication[what] = function() heard = (heard or 0) + 1 end return true end
			function client:deafen(what) self.publication[what] = nil return true end
		end`})
	c := r.dial("rtmfp://10.0.0.1/")
	s := c.publish("cam")
	s.video(0, keyFrame)
	m := r.hub.Lookup("cam")
	picture := rtmfp.CopyBuffer([]byte(interFrame))
	defer picture.Release()
	ts := uint32(0)
	push := func() {
		for range 32 {
			ts += 33
			m.Push(r.Now(), media.Video, ts, picture)
		}
	}
	e := r.engine
	silent := func(when string) {
		t.Helper()
		push()
		e.drain()
		events := e.counters.Events.Load()
		allocs := testing.AllocsPerRun(20, push)
		if len(e.order) > 0 || e.hooked.Load() != 0 {
			t.Errorf("%s: an event waits, with frames of %d bytes", when, e.hooked.Load())
		}
		e.drain()
		if n := e.counters.Events.Load() - events; n != 0 {
			t.Errorf("%s: %d events", when, n)
		}
		if allocs != 0 && !raceEnabled { // with the race detector pools forget
			t.Errorf("%s: %v allocations for 32 pictures", when, allocs)
		}
	}
	do := func(function, hook string) {
		t.Helper()
		if _, err := c.call(function, amf.String(hook)); err != nil {
			t.Fatal(err)
		}
	}
	silent("without a hook")
	do("listen", "onAudio")
	silent("with a hook for sound")
	do("listen", "onVideo")
	push()
	e.drain()
	r.expect("", "heard", "32")
	do("deafen", "onVideo")
	do("deafen", "onAudio")
	silent("after the hook")
	r.expect("", "heard", "32")
}
