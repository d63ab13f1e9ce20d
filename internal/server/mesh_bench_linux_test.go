package server

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// BenchmarkForward is an audio message of 1000 bytes that the root application of one server sends to another,
// which makes a stream of it again: onAudio, server:send, the link, pushAudio, one player. All of it is in this
// process; cpu-µs/op is what it takes together, with the publisher and the player.
func BenchmarkForward(b *testing.B) {
	root := `
		function onServerConnection(server)
			function server:open(name) self.copy = mona:publish(name) end
			function server:audio(name, time, packet) self.copy:pushAudio(time, packet) end
		end
		function onConnection(client)
			function client:onPublish(publication)
				local server = mona.servers(1)
				if not server then return end
				server:send("open", publication.name)
				function publication:onAudio(time, packet) server:send("audio", publication.name, time, packet) end
			end
			function client:servers() return mona.servers.count end
		end`
	for _, forward := range []bool{true, false} {
		b.Run(map[bool]string{true: "two servers", false: "one server"}[forward], func(b *testing.B) {
			port := freeTCPPort(b, loopback).Port()
			far := startDaemonWith(b, map[string]string{"main.lua": root}, fmt.Sprintf("[servers]\nhost = 127.0.0.1\nport = %d\n", port))
			near := far
			if forward {
				near = startDaemonWith(b, map[string]string{"main.lua": root}, fmt.Sprintf("[servers]\ntargets = 127.0.0.1:%d\n", port))
			}
			publisher, player := dialPeerTo(b, near.addr, ""), dialPeerTo(b, far.addr, "")
			until(b, "link", func() bool {
				r, _ := publisher.call("servers")
				return fmt.Sprint(r.Value()) == "1" || !forward
			})
			player.play("sound")
			publisher.publish("sound")
			player.expect("NetStream.Play.PublishNotify")
			body := append([]byte{0x2f}, make([]byte, 999)...)
			before := cpu()
			b.ResetTimer()
			const window = 64
			for i := 0; i < b.N; i += window {
				n := min(window, b.N-i)
				publisher.do(func(now rtmfp.Time) {
					for j := range n {
						_ = publisher.stream.WriteFrame(now, media.Audio, uint32(i+j), rtmfp.CopyBuffer(body), media.WriteOptions{})
					}
				})
				until(b, "sound", func() bool { return len(player.received()) >= i+n })
			}
			b.StopTimer()
			b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-µs/op")
			publisher.close()
			player.close()
		})
	}
}

// cpu is the processor time of this process.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
