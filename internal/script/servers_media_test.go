package script

import (
	"testing"

	"github.com/monaserver/monaserver/pkg/amf"
)

// What a hook sends with its own packet is a message of the stream, which a link may drop; headers of codecs
// and everything else are calls.
func TestServerMedia(t *testing.T) {
	r := newRig(t, files{"main.lua": `
		function onConnection(client)
			function client:onPublish(p)
				pub = p
				function p:onVideo(time, packet)
					kept = packet
					mona.servers(1):send("video", p.name, time, packet)
					mona.servers:broadcast("seen", time)
				end
				function p:onAudio(time, packet) mona.servers:broadcast("audio", packet, time) end
				function p:onData(name, packet) mona.servers:broadcast("data", name, packet) end
			end
		end`})
	l := r.link(true, "192.0.2.1:1")
	l.told()
	c := r.dial("rtmfp://10.0.0.1/")
	s := c.publish("cam")
	s.video(0, avcHeader)
	r.same("header", l.told(), `video("cam" 0 "\x17\x00\x00\x00\x00\x01"), seen(0)`)
	s.video(0, keyFrame)
	r.same("key frame", l.told(), `video("cam" 0 "\x17\x01\x00\x00\x00\xaa"){cam 9 true}, seen(0)`)
	s.video(40, interFrame)
	r.same("frame", l.told(), `video("cam" 40 "'\x01\x00\x00\x00\xbb"){cam 9 false}, seen(40)`)
	s.audio(50, sound)
	r.same("sound", l.told(), `audio("\xaf\x01\xcc" 50){cam 8 false}`)
	s.data("cue", amf.Number(1))
	r.same("data", l.told(), `data("cue" "\x02\x00\x03cue\x00?\xf0\x00\x00\x00\x00\x00\x00"){cam 18 false}`)
	r.lua("", `mona.servers:broadcast("video", kept)`) // later it is a call like any other
	r.same("call", l.told(), `video("'\x01\x00\x00\x00\xbb")`)
}
