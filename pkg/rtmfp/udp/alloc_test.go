//go:build !race

package udp

// The race detector makes pools forget at random, so allocations are not counted under it.

import (
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

type relay struct {
	listeners [2][]*rtmfp.SendFlow // by shard; each belongs to its shard
}

// From a publisher's socket through the server's to a listener's, nothing is allocated per packet. The
// clients run on the same code, so that all sides together are counted.
func TestAllocsSocketToSocket(t *testing.T) {
	for _, tt := range []struct {
		what   string
		shards int
		size   int
		secure bool
		gso    bool
	}{
		{"one shard", 1, 1000, false, false},
		{"one shard, HMAC, frames of 5 packets", 1, 5000, true, false},
		{"two shards", 2, 1000, false, false},
		{"two shards, GSO", 2, 9000, true, true},
	} {
		t.Run(tt.what, func(t *testing.T) {
			security := rtmfp.Security{RequestHMAC: tt.secure, RequestSSEQ: tt.secure}
			var r relay
			send := func(h *handler, now rtmfp.Time, b *rtmfp.Buffer) {
				for _, f := range r.listeners[h.Index()] {
					f.Write(now, rtmfp.Message{HeadLen: 5, Body: b.Retain()})
				}
				b.Release()
			}
			server := newParty(t)
			ready := make(chan struct{}, 16)
			server.onEvent = func(h *handler, now rtmfp.Time, ev *rtmfp.Event) {
				switch {
				case ev.Kind == rtmfp.EventFlow && string(ev.Recv.Metadata()) == "listen":
					f, err := ev.Session.Open(now, []byte("media"), rtmfp.FlowOptions{Assoc: ev.Recv, TimeCritical: true})
					if err != nil {
						t.Error(err)
					}
					r.listeners[h.Index()] = append(r.listeners[h.Index()], f)
				case ev.Kind == rtmfp.EventMessage && string(ev.Recv.Metadata()) == "listen":
					ev.Message.Release()
					ev.Message = nil
					ready <- struct{}{}
				case ev.Kind == rtmfp.EventMessage:
					for i, other := range h.Transport().Shards() {
						if i != h.Index() {
							other.Post(ev.Message.Retain())
						}
					}
					send(h, now, ev.Message)
					ev.Message = nil
				}
			}
			server.onPost = func(h *handler, now rtmfp.Time, msg any) { send(h, now, msg.(*rtmfp.Buffer)) }
			id, _ := identities()
			server.listen(Config{
				Shards: tt.shards, GSO: tt.gso, Buffer: 4 << 20, RTMFP: rtmfp.Config{Identity: id, Security: security},
			})

			const listeners, window = 3, 16
			count := int64(2000 + 6_000_000/tt.size)
			warm := count
			var got atomic.Int64 // messages of all listeners
			half, full := make(chan struct{}), make(chan struct{})
			publisher := newParty(t)
			cfg := Config{Shards: 1, Buffer: 4 << 20, RTMFP: rtmfp.Config{Security: security}}
			publisher.listen(cfg)
			open := func(p *party, metadata string) (f *rtmfp.SendFlow) {
				p.start(server.Addr())
				s := wait(t, "session", p.opened)
				p.do(0, func(now rtmfp.Time) {
					var err error
					if f, err = s.Open(now, []byte(metadata), rtmfp.FlowOptions{}); err != nil {
						t.Error(err)
					}
				})
				return f
			}
			for range listeners {
				p := newParty(t)
				p.onEvent = func(_ *handler, _ rtmfp.Time, ev *rtmfp.Event) {
					if ev.Kind != rtmfp.EventMessage {
						return
					}
					ev.Message.Release()
					ev.Message = nil
					n := got.Add(1)
					if n%listeners == 0 { // what the listeners took, the publisher sends again
						publisher.handlers[0].Post(publisher)
					}
					switch n {
					case warm * listeners:
						close(half)
					case (warm + count) * listeners:
						close(full)
					}
				}
				p.listen(cfg)
				p.write(open(p, "listen"), "please")
				wait(t, "listener", ready)
			}
			body := rtmfp.CopyBuffer(make([]byte, tt.size))
			var up *rtmfp.SendFlow
			publisher.onPost = func(_ *handler, now rtmfp.Time, _ any) {
				up.Write(now, rtmfp.Message{Body: body.Retain()})
			}
			up = open(publisher, "publish")

			defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection empties the pools
			packets := func() uint64 {
				return server.sum(func(h *handler) uint64 {
					c := h.Endpoint().Counters()
					return c.DatagramsReceived.Load() + c.DatagramsSent.Load()
				})
			}
			for range window {
				publisher.handlers[0].Post(publisher)
			}
			wait(t, "warm-up", half)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			p0 := packets()
			wait(t, "messages", full)
			p1 := packets()
			runtime.ReadMemStats(&after)
			mallocs, n := after.Mallocs-before.Mallocs, p1-p0
			t.Logf("%d allocations for %d packets of the server", mallocs, n)
			if n < uint64(count) || float64(mallocs) > 0.01*float64(n) {
				t.Errorf("%.4f allocations per packet", float64(mallocs)/float64(n))
			}
		})
	}
}
