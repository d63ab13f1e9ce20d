package script

import (
	"fmt"
	"testing"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// BenchmarkRPCEngine is a call of a function of an application without the network: from the request to the answer that
// is on its way to the shard.
func BenchmarkRPCEngine(b *testing.B) {
	r := newRig(b, files{"main.lua": `
		function onConnection(client)
			function client:add(a, b) return a + b end
			function client:fan() for i = 1, 100 do client.writer:writeInvocation("f", i) end end
		end`})
	c := r.dial("rtmfp://10.0.0.1/")
	for _, name := range []string{"add", "fan"} {
		c.Call(r.Now(), name, nil, amf.Number(1), amf.Number(2))
		c.node.Wake()
		r.RunUntil(func() bool { return r.engine.queues[""].len() > 0 }, manageInterval)
		request := r.engine.queues[""].tasks[0].call
		r.engine.drain()
		b.Run(name, func(b *testing.B) {
			posts := 0
			defer func(post func(int, any)) { r.engine.cfg.Post = post }(r.engine.cfg.Post)
			r.engine.cfg.Post = func(_ int, msg any) {
				posts++
				if tasks, ok := msg.(netconn.Tasks); ok && len(tasks) == 100 {
					r.engine.objects.byConn[request.Handle()].unsent.Store(0)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				r.engine.postTask("", false, task{call: request, size: 512})
				r.engine.drain()
			}
			b.ReportMetric(float64(posts)/float64(b.N), "posts/op")
		})
	}
}

// BenchmarkHook is what a picture of a publication costs with an onVideo, and without.
func BenchmarkHook(b *testing.B) {
	for _, hook := range []string{"", "function p:onVideo(time, packet) end"} {
		for _, size := range []int{200, 4000} {
			b.Run(fmt.Sprintf("hook=%t/bytes=%d", hook != "", size), func(b *testing.B) {
				r := newRig(b, files{"main.lua": `p = mona:publish("cam") ` + hook})
				m := r.engine.pubs["cam"].feed.media
				body := rtmfp.CopyBuffer(append([]byte(interFrame), make([]byte, size-len(interFrame))...))
				ts := uint32(0)
				m.Push(r.Now(), media.Video, ts, rtmfp.CopyBuffer([]byte(keyFrame)))
				r.engine.drain()
				events := r.engine.counters.Events.Load()
				b.ReportAllocs()
				for b.Loop() {
					ts++
					m.Push(r.Now(), media.Video, ts, body)
					r.engine.drain()
				}
				b.ReportMetric(float64(r.engine.counters.Events.Load()-events)/float64(b.N), "calls/op")
			})
		}
	}
}
