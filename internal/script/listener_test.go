package script

import (
	"strings"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/internal/simnet"
	"github.com/monaserver/monaserver/pkg/amf"
)

const listenerApp = `
function onConnection(client)
	function client:onSubscribe(l) l.n = 5; listener = l end
	function client:onUnsubscribe(l) ended = l == listener and l.n == 5 and l.publication.name == "cam" end
end`

func TestListenerObject(t *testing.T) {
	r := newRig(t, files{"main.lua": listenerApp})
	c := r.dial("rtmfp://10.0.0.1/")
	s := c.play("cam?x=1&unbuffered=true&name=me&flag")
	r.expect("", `listener.client == mona.clients(listener.client.id), listener.publication.name, listener.publication.running`, "true,cam,false")
	r.expect("", `listener.parameters.x, listener.x, listener.unbuffered, listener.parameters.name, listener.flag, listener.none`, "1,1,true,me,,nil")
	r.expect("", `listener.bufferTime`, "nil")
	s.SetBufferTime(r.Now(), 3000)
	c.node.Wake()
	r.run(20 * time.Millisecond)
	r.expect("", `listener.bufferTime, listener.parameters.bufferTime`, "3000,3000")
	r.expect("", `tostring(listener) == "listener " .. listener.client.id .. " of cam"`, "true")
	for _, name := range []string{"client", "publication", "audioQOS", "videoQOS", "dataQOS", "parameters"} {
		r.lua("", "listener."+name+" = 1")
		r.logged("listener." + name + " is read-only, assignment ignored")
	}
	r.lua("", `listener.receiveAudio = 1`)
	r.logged("listener.receiveAudio: a boolean was expected")
	s.close()
	r.expect("", "ended", "true")
	r.forget()
	r.expect("", "listener.client", "nil")
	r.logged("listener object deleted")
}

func TestListenersCollection(t *testing.T) {
	r := newRig(t, files{"main.lua": `function onConnection(client, name) client.who = name end`})
	pub := r.dial("rtmfp://10.0.0.1/").publish("cam")
	c, b := r.dial("rtmfp://10.0.0.1/", amf.String("c")), r.dial("rtmfp://10.0.0.1/", amf.String("b"))
	first := c.play("cam")
	b.play("cam")
	r.lua("", `l = mona.publications.cam.listeners; for client in pairs(l) do who = client end`)
	for expression, want := range map[string]string{
		`#l, l.count`: "2,2",
		`l[1].client.who, l(2).client.who, l[3], l[1.5], l[0]`: "c,b,nil,nil,nil",
		`l[who] == l(who), l[who].client == who, who.who`:      "true,true,b",
		`l == mona.publications.cam.listeners, l.none`:         "true,nil",
	} {
		r.expect("", expression, want)
	}
	for form, want := range map[string]string{
		"pairs(l)": "k.who .. v.client.who", "l:pairs()": "k.who .. v.client.who", "next, l": "k.who .. v.client.who",
		"ipairs(l)": "k .. v.client.who", "l:ipairs()": "k .. v.client.who",
	} {
		got := r.lua("", `local s = ""; for k, v in `+form+` do s = s .. `+want+` .. " " end; return s`)[0].String()
		want = map[bool]string{true: "1c 2b ", false: "cc bb "}[strings.HasPrefix(want, "k ")]
		if got != want {
			t.Errorf("%s: %q, want %q", form, got, want)
		}
	}
	first.close()
	r.expect("", `#l, l[1].client.who`, "1,b")
	b.leave()
	r.expect("", `#l`, "0")
	r.lua("", `l.x = 1`)
	r.logged("listeners is read-only")
	pub.close()
	r.forget()
	r.expect("", `l[1]`, "nil")
	r.logged("listeners object deleted")
}

// receiveAudio and receiveVideo mute, whoever sets them; headers pass.
func TestListenerReceive(t *testing.T) {
	r := newRig(t, files{"main.lua": listenerApp})
	pub := r.dial("rtmfp://10.0.0.1/").publish("cam")
	c := r.dial("rtmfp://10.0.0.1/")
	s := c.play("cam")
	r.expect("", `listener.receiveAudio, listener.receiveVideo`, "true,true")
	pub.video(0, keyFrame)
	pub.audio(10, sound)
	s.got()

	r.lua("", `listener.receiveVideo = false`)
	r.expect("", `listener.receiveAudio, listener.receiveVideo`, "true,false")
	pub.video(40, interFrame)
	pub.audio(50, sound)
	pub.video(60, avcHeader)
	pub.audio(70, sound)
	if got := s.got(); got != "audio 50 af01cc, video 60 170000000001, audio 70 af01cc" {
		t.Error(got)
	}
	r.lua("", `listener.receiveVideo = true; listener.receiveAudio = false`)
	r.run(0)
	pub.video(80, interFrame) // needs a key frame
	pub.audio(90, sound)
	pub.video(120, keyFrame)
	if got := s.got(); got != "video 120 1701000000aa" {
		t.Error(got)
	}

	// The client's own commands show.
	s.ReceiveAudio(r.Now(), true)
	s.ReceiveVideo(r.Now(), false)
	c.node.Wake()
	r.run(20 * time.Millisecond)
	r.expect("", `listener.receiveAudio, listener.receiveVideo`, "true,false")

	// Set in onSubscribe it is so from the first frame, and the next play begins with both.
	r.lua("", `for _, client in pairs(mona.clients) do
		function client:onSubscribe(l) listener = l; both = l.receiveAudio and l.receiveVideo; l.receiveAudio = false end end`)
	s.Play(r.Now(), "cam")
	s.answered("play")
	r.run(20 * time.Millisecond)
	s.got()
	pub.video(200, keyFrame)
	pub.audio(210, sound)
	if got := s.got(); !strings.Contains(got, "video 0 1701000000aa") || strings.Contains(got, "audio") {
		t.Error(got)
	}
	r.expect("", `both, listener.receiveAudio`, "true,false")
}

// unbuffered=true: frames that get lost are not sent again.
func TestListenerUnbuffered(t *testing.T) {
	count := func(query string) int {
		r := newRig(t, files{"main.lua": ``})
		pub := r.dial("rtmfp://10.0.0.1/").publish("cam")
		c := r.dial("rtmfp://10.0.0.1/")
		s := c.play("cam" + query)
		pub.video(0, keyFrame)
		r.SetLink(r.server, c.node, simnet.Link{Delay: time.Millisecond, Loss: 0.3})
		for i := range 100 {
			pub.audio(uint32(i*20), sound)
		}
		r.run(5 * time.Second)
		return strings.Count(s.got(), "audio")
	}
	if n := count(""); n != 100 {
		t.Errorf("%d of 100 frames", n)
	}
	if n := count("?unbuffered=true"); n < 40 || n > 90 {
		t.Errorf("unbuffered: %d of 100 frames", n)
	}
}

// onAudio and onVideo in the query turn frames into calls of these handlers.
func TestListenerHandlers(t *testing.T) {
	for _, encoding := range []uint8{0, 3} {
		r := newRig(t, files{"main.lua": ``})
		pub := r.dial("rtmfp://10.0.0.1/").publish("cam")
		c := r.connect(netconn.ClientConfig{URL: "rtmfp://10.0.0.1/", ObjectEncoding: encoding})
		s := c.play("cam?onVideo=picture&onAudio=tone")
		pub.video(5, keyFrame)
		pub.audio(15, sound)
		if got := s.got(); got != `data "picture" 0 <1701000000aa>, data "tone" 10 <af01cc>` {
			t.Errorf("encoding %d: %s", encoding, got)
		}
		s.close()
		s.Play(r.Now(), "cam?onVideo=picture")
		s.answered("play")
		pub.video(50, keyFrame)
		pub.audio(60, sound)
		if got := s.got(); got != `data "picture" 0 <1701000000aa>, audio 10 af01cc` {
			t.Errorf("encoding %d: %s", encoding, got)
		}
	}
}

func TestQoS(t *testing.T) {
	r := newRig(t, files{"main.lua": listenerApp})
	r.SetDefaultLink(simnet.Link{Delay: 10 * time.Millisecond})
	c := r.dial("rtmfp://10.0.0.1/")
	pub := c.publish("cam")
	pc := r.dial("rtmfp://10.0.0.1/")
	pc.play("cam")
	r.lua("", `pub = mona.publications.cam; q = pub.videoQOS`)
	r.expect("", `q == pub.videoQOS, q.lostRate, q.byteRate, q.lastSendingTime, q.droppedFrames, q.congestionRate`, "true,0,0,0,0,0")
	r.expect("", `listener.audioQOS == listener.audioQOS, listener.videoQOS.byteRate, listener.videoQOS.lastSendingTime`, "true,0,0")
	for i := range 200 {
		pub.video(uint32(i*20), keyFrame+strings.Repeat("x", 994))
	}
	// 1000 bytes 50 times a second.
	for _, q := range []string{"pub.videoQOS", "listener.videoQOS"} {
		r.expect("", q+`.byteRate > 40000 and `+q+`.byteRate < 60000`, "true")
		r.expect("", `math.abs(`+q+`.lastSendingTime - os.time() * 1000) < 5000`, "true")
		r.expect("", q+`.latency > 5 and `+q+`.latency < 50`, "true")
		r.expect("", q+`.lostRate, `+q+`.congestionRate`, "0,0")
	}
	r.expect("", "pub.audioQOS.byteRate, pub.dataQOS.byteRate, listener.audioQOS.byteRate", "0,0,0")
	r.lua("", `w = listener.client.writer.qos`)
	r.expect("", `w.byteRate > 40000 and w.byteRate < 80000, w.latency > 0, w.lastSendingTime > 0, w.lostRate`, "true,true,true,0")
	r.run(10 * time.Second)
	r.expect("", "pub.videoQOS.byteRate, listener.videoQOS.byteRate, w.byteRate < 1000", "0,0,true")

	// A quarter lost on the way in.
	for range 30 {
		pub.audio(0, sound)
	}
	r.hub.Lookup("cam").Lost(media.Audio, 10)
	r.expect("", "pub.audioQOS.lostRate", "0.25")
	r.run(5 * time.Second)
	r.expect("", "pub.audioQOS.lostRate", "0")
	r.lua("", `q.lostRate = 1`)
	r.logged("QoS.lostRate is read-only")
}

// A listener whose network does not keep up.
func TestQoSCongestion(t *testing.T) {
	r := newRig(t, files{"main.lua": listenerApp})
	pub := r.dial("rtmfp://10.0.0.1/").publish("cam")
	c := r.dial("rtmfp://10.0.0.1/")
	c.play("cam")
	r.SetLink(r.server, c.node, simnet.Link{Delay: 5 * time.Millisecond, Rate: 4000})
	for i := range 1500 {
		pub.video(uint32(i*20), map[bool]string{true: keyFrame, false: interFrame}[i%50 == 0]+strings.Repeat("x", 994))
	}
	r.expect("", `listener.videoQOS.congestionRate > 0.5, listener.videoQOS.lostRate > 0.5`, "true,true")
	r.expect("", `listener.videoQOS.droppedFrames > 0`, "true")
	r.expect("", `mona.publications.cam.videoQOS.lostRate, mona.publications.cam.droppedFrames`, "0,0")
}
