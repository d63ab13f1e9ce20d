package script

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// A frame that comes alone is shown at once; of those that come close together some are shown at once, none of them
// much later than it came, and what else happens does not wait for them.
func TestFramesGather(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newBare(t, `
function set(p) p.onVideo = function(self, time) last = time end end`)
		var pub *publication
		e.wait(func() {
			pub = e.retainName("a")
			if _, err := e.call(e.root.own("set"), pub.obj.ud); err != nil {
				t.Error(err)
			}
		})
		p, err := e.cfg.Hub.Publish("", "a", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		body := rtmfp.CopyBuffer([]byte(keyFrame))
		push := func() { p.Push(1, media.Video, 1, body) }
		shown := func() uint64 {
			synctest.Wait()
			return e.counters.Events.Load()
		}
		before := shown()
		expect := func(when string, frames uint64) {
			t.Helper()
			if n := shown() - before; n != frames {
				t.Errorf("%s: %d frames shown, want %d", when, n, frames)
			}
		}
		for i := range uint64(3) {
			push()
			expect("far apart", i+1)
			<-time.After(gatherFrames)
		}
		push()
		expect("the first of many", 4)
		for range 2 {
			<-time.After(gatherFrames / 3)
			push()
		}
		expect("others", 4)
		<-time.After(gatherFrames / 3)
		expect("others, later", 6)
		push()
		expect("right after them", 6)
		e.wait(func() {})
		expect("when there is something else to do", 7)
	})
}
