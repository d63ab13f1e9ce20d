package script

import (
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// newBare starts an engine of its own, without a network.
func newBare(t testing.TB, main string) *Engine {
	t.Helper()
	r := &rig{t: t, www: t.TempDir()}
	r.write("main.lua", main)
	e, err := New(Config{
		WWW: r.www, Log: zerolog.Nop(), Hub: media.NewHub(media.Limits{TargetBytes: 64 << 10}),
		Post: func(int, any) {}, Now: func() rtmfp.Time { return 1 },
	})
	if err != nil {
		t.Fatal(err)
	}
	e.Start()
	t.Cleanup(e.Stop)
	return e
}

// wait runs f as an event of the root application and waits for it.
func (e *Engine) wait(f func()) {
	done := make(chan struct{})
	e.post("", 0, true, func() { defer close(done); f() })
	<-done
}

// Publishers on goroutines of their own, while the script sets and removes hooks, and publications come
// and go: for the race detector, and nothing may stay behind.
func TestHooksConcurrent(t *testing.T) {
	e := newBare(t, `
function onVideo() n = (n or 0) + 1 end
function set(p) p.onVideo = onVideo; p.onFlush = onVideo end
function clear(p) p.onVideo = nil; p.onFlush = nil end`)
	const publishers, rounds, frames = 4, 20, 200
	var wg sync.WaitGroup
	for i := range publishers {
		name := string(rune('a' + i))
		e.wait(func() { e.retainName(name) })
		wg.Go(func() {
			body := rtmfp.CopyBuffer([]byte(keyFrame))
			for range rounds {
				p, err := e.cfg.Hub.Publish("", name, nil)
				if err != nil {
					t.Error(err)
					return
				}
				for j := range frames {
					p.Push(1, media.Video, uint32(j), body)
				}
				p.Close()
			}
			body.Release()
		})
		wg.Go(func() {
			for j := range rounds {
				e.wait(func() {
					f := map[bool]string{true: "set", false: "clear"}[j%2 == 0]
					e.event(e.root, f, nil, e.pubs[name].obj.ud)
				})
			}
		})
	}
	wg.Wait()
	e.wait(func() {
		for _, p := range e.pubs {
			e.release(p)
		}
	})
	e.wait(func() {
		if len(e.pubs) != 0 {
			t.Error("publications left")
		}
	})
	e.wait(func() {}) // what the hooks had still to take
	if n := e.hooked.Load(); n != 0 {
		t.Errorf("%d bytes on the account", n)
	}
	if n := e.cfg.Hub.Stats().Names; n != 0 {
		t.Errorf("%d names in the hub", n)
	}
}

// BenchmarkFrame is what a frame costs its publisher without a hook, and with one including the script.
func BenchmarkFrame(b *testing.B) {
	for _, name := range []string{"no hook", "hook"} {
		b.Run(name, func(b *testing.B) {
			e := newBare(b, `function set(p) function p:onVideo(time, packet) n = #packet end end`)
			e.wait(func() {
				p := e.retainName("cam")
				if name == "hook" {
					e.event(e.root, "set", nil, p.obj.ud)
				}
			})
			p, err := e.cfg.Hub.Publish("", "cam", nil)
			if err != nil {
				b.Fatal(err)
			}
			body := rtmfp.CopyBuffer(append([]byte(keyFrame), make([]byte, 1200)...))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				p.Push(1, media.Video, uint32(i), body)
				if i%32 == 0 && name == "hook" {
					e.wait(func() {})
				}
			}
			p.Close()
		})
	}
}
