package script

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// hookApp notes what the hooks of every publication get.
const hookApp = `
function hex(s) return (s:gsub(".", function(c) return string.format("%02x", c:byte()) end)) end
list = {}
function note(...) table.insert(list, table.concat({...}, " ")) end
function events() local s = table.concat(list, ", "); list = {}; return s end
function hooks(p)
	function p:onAudio(time, packet) note("audio", time, hex(packet), tostring(self == p)) end
	function p:onVideo(time, packet) note("video", time, hex(packet), tostring(p.running)) end
	function p:onFlush() note("flush") end
	function p:onProperties(t) note("properties", t and tostring(t.width) or tostring(t)) end
end
function onConnection(client)
	function client:onPublish(p) pub = p; hooks(p) end
	function client:onUnpublish(p) note("end") end
end
`

func TestHooks(t *testing.T) {
	r := newRig(t, files{"main.lua": hookApp})
	c, d := r.dial("rtmfp://10.0.0.1/"), r.dial("rtmfp://10.0.0.1/")
	player := d.play("cam")
	s := c.publish("cam")
	s.video(5, avcHeader)
	s.video(5, keyFrame)
	s.audio(10, sound)
	r.expect("", "events()", "video 5 170000000001 true, flush, video 5 1701000000aa true, flush, audio 10 af01cc true, flush")
	if got := player.got(); !strings.Contains(got, "video 0 1701000000aa, audio 5 af01cc") {
		t.Error(got)
	}

	// A batch ends in one flush, and everything comes before the end of the publication.
	for i := range 5 {
		s.WriteFrame(r.Now(), media.Audio, uint32(20+i), rtmfp.CopyBuffer([]byte(sound)), media.WriteOptions{})
	}
	c.node.Wake()
	r.RunUntil(func() bool { return false }, 100*time.Millisecond)
	s.CloseStream(r.Now())
	c.node.Wake()
	r.RunUntil(func() bool { return false }, 100*time.Millisecond)
	r.run(0)
	r.expect("", "events()", "audio 20 af01cc true, audio 21 af01cc true, audio 22 af01cc true, audio 23 af01cc true, audio 24 af01cc true, flush, end")
}

// onData has two forms, told apart by what the function declares.
func TestHookData(t *testing.T) {
	cue := []amf.Value{amf.Number(2), amf.Bool(false), amf.Null{}}
	for _, tc := range []struct{ function, cue, empty, meta string }{
		{
			`function(self, name, packet) note(name, hex(packet)) end`,
			"cue " + hexMessage("cue", cue...), "x " + hexMessage("x"),
			"onMetaData " + hexMessage("onMetaData", amf.NewObject()),
		},
		{`function(self, name, a, b) note(name, tostring(a), tostring(b)) end`, "cue 2 false", "x nil nil", ""},
		{`function(self, ...) note((...), select("#", ...)) end`, "cue 4", "x 1", ""},
		{`function(self, name, ...) note(name, select("#", ...)) end`, "cue 3", "x 0", ""},
		{`function(self, name) note(name) end`, "cue", "x", ""},
		{`function() note("called") end`, "called", "called", ""},
	} {
		t.Run(tc.function, func(t *testing.T) {
			r := newRig(t, files{"main.lua": hookApp})
			r.lua("", `function hooks(p) p.onData = `+tc.function+` end`)
			c := r.dial("rtmfp://10.0.0.1/")
			s := c.publish("cam")
			s.data("cue", cue...)
			r.expect("", "events()", tc.cue)
			s.data("x")
			r.expect("", "events()", tc.empty)
			s.SetMetadata(r.Now(), rtmfp.CopyBuffer([]byte(amfMessage("onMetaData", amf.NewObject()))))
			c.node.Wake()
			r.run(20 * time.Millisecond)
			r.expect("", "events()", tc.meta)
		})
	}
}

func amfMessage(name string, values ...amf.Value) string {
	b := amf.AppendString(nil, name)
	for _, v := range values {
		b, _ = amf.AppendAMF0(b, v)
	}
	return string(b)
}

func hexMessage(name string, values ...amf.Value) string {
	return fmt.Sprintf("%x", amfMessage(name, values...))
}

// Data of clients with objectEncoding 3 comes with a format byte that scripts do not see.
func TestHookDataAMF3(t *testing.T) {
	r := newRig(t, files{"main.lua": hookApp})
	r.lua("", `function hooks(p) function p:onData(name, packet) note(name, hex(packet)) end end`)
	s := r.dial("rtmfp://10.0.0.1/").publish("cam")
	s.write(media.DataAMF3, 0, "\x00"+amfMessage("cue", amf.Number(1)))
	r.expect("", "events()", "cue "+hexMessage("cue", amf.Number(1)))
	r.lua("", `function pub:onData(name, a, b) note(name, a, b) end`)
	s.write(media.DataAMF3, 0, "\x00"+amfMessage("cue", amf.Number(1))+"\x11\x06\x03b")
	r.expect("", "events()", "cue 1 b")
	// What can be read of a broken message arrives.
	s.write(media.Data, 0, amfMessage("cut", amf.Number(1))+"\x02\x00\x09x")
	r.expect("", "events()", "cut 1")
	r.logged(`"in":"onData","message":"amf: offset 18`)
}

func TestHookProperties(t *testing.T) {
	r := newRig(t, files{"main.lua": hookApp})
	c := r.dial("rtmfp://10.0.0.1/")
	s := c.publish("cam")
	meta := rtmfp.CopyBuffer([]byte(amfMessage("onMetaData", amf.NewObject().Add("width", amf.Number(640)))))
	s.SetMetadata(r.Now(), meta)
	s.data("@clearDataFrame", amf.String("onMetaData"))
	r.expect("", "events()", "properties 640, properties nil, flush")
}

// The stream costs nothing while there is no hook, and nothing again after the last is gone.
func TestHookDetach(t *testing.T) {
	r := newRig(t, files{"main.lua": `function onConnection(c) function c:onPublish(p) pub = p end end; n = 0`})
	s := r.dial("rtmfp://10.0.0.1/").publish("cam")
	p := r.engine.pubs["cam"]
	if len(p.taps) != 0 {
		t.Error("a tap without a hook")
	}
	r.lua("", `function pub:onVideo() n = n + 1 end; pub.onOther = print`)
	tap := p.taps[""]
	if tap == nil || tap.at[0] != nil || tap.at[1] == nil || tap.at[2] != nil {
		t.Fatalf("%+v", p.taps)
	}
	s.video(0, keyFrame)
	s.audio(0, sound)
	r.expect("", "n", "1")
	r.lua("", `function pub:onAudio() n = n + 10 end; pub.onVideo = nil`)
	s.video(40, keyFrame)
	s.audio(40, sound)
	r.expect("", "n", "11")
	if p.taps[""] != tap || tap.at[1] != nil || tap.at[0] == nil {
		t.Errorf("%+v", tap.at)
	}
	r.lua("", `pub.onAudio = 12`) // no function, no hook
	s.audio(80, sound)
	r.expect("", "n", "11")
	if len(p.taps) != 0 || !tap.closed {
		t.Error("the tap is still there")
	}
	// With the publication, its hooks end.
	r.lua("", `function pub:onVideo() n = n + 1 end`)
	tap = p.taps[""]
	s.close()
	if !tap.closed || r.hub.Stats().Names != 0 {
		t.Errorf("closed: %v, %+v", tap.closed, r.hub.Stats())
	}
}

// A hook is an event of the application that set it.
func TestHookApplication(t *testing.T) {
	r := newRig(t, files{
		"main.lua": `function watch(p) function p:onVideo() error("root") end; function p:onAudio() error("root") end end`,
		"a/main.lua": `
function onConnection(c)
	function c:onPublish(p) pub = p; super.watch(p) end
end`,
		"b/main.lua": `function take(p) function p:onAudio() error("b") end end`,
	})
	r.dial("rtmfp://10.0.0.1/b")
	s := r.dial("rtmfp://10.0.0.1/a").publish("cam")
	r.forget()
	s.video(0, keyFrame)
	r.logged(`"application":"/a","in":"onVideo"`)
	// Another application takes one of them over; the other goes on.
	r.lua("/b", `take(mona.publications.cam)`)
	r.forget()
	s.audio(0, sound)
	r.logged(`"application":"/b","in":"onAudio"`)
	s.video(40, keyFrame)
	r.logged(`"application":"/a","in":"onVideo"`)
	if n := len(r.engine.pubs["cam"].taps); n != 2 {
		t.Error(n, "taps")
	}
}

// A hook that runs for ever is stopped again and again; nothing else notices.
func TestHookOverrun(t *testing.T) {
	r := newRig(t, files{"main.lua": `
n = 0
function onConnection(c)
	function c:onPublish(p) function p:onVideo() n = n + 1; while true do end end end
	function c:hello() return 1 end
end`}, func(c *Config) { c.Budget = 200 * time.Millisecond }) // the set-up also has to do with it, on a busy machine
	c := r.dial("rtmfp://10.0.0.1/")
	player := r.dial("rtmfp://10.0.0.1/").play("cam")
	s := c.publish("cam")
	for i := range 5 {
		s.video(uint32(i*40), keyFrame)
	}
	if got := strings.Count(player.got(), "video"); got != 5 {
		t.Errorf("%d pictures", got)
	}
	if _, err := c.call("hello"); err != nil {
		t.Error(err)
	}
	r.expect("", "n", "5")
	r.logged("budget")
	if n := r.engine.Counters().Overruns.Load(); n != 5 {
		t.Errorf("%d overruns", n)
	}
}

// A script that is behind misses frames, and is told with which key frame it goes on; listeners miss none.
func TestHookBehind(t *testing.T) {
	r := newRig(t, files{"main.lua": hookApp}, func(c *Config) {
		c.Hub = media.NewHub(media.Limits{TargetBytes: 4000})
	})
	r.hub = r.engine.cfg.Hub
	c := r.dial("rtmfp://10.0.0.1/")
	player := r.dial("rtmfp://10.0.0.1/").play("cam")
	s := c.publish("cam")
	frame := func(ts int, body string) {
		s.WriteFrame(r.Now(), media.Video, uint32(ts), rtmfp.CopyBuffer([]byte(body)), media.WriteOptions{})
		c.node.Wake()
		r.RunUntil(func() bool { return false }, 10*time.Millisecond) // the engine is busy elsewhere
	}
	frame(0, keyFrame)
	for i := 1; i < 100; i++ {
		frame(i, interFrame)
	}
	r.run(0)
	n := strings.Count(r.eval("", "events()"), "video")
	dropped := r.engine.Counters().FramesDropped.Load()
	if n < 10 || n > 40 || int(dropped) != 100-n {
		t.Errorf("%d shown, %d dropped", n, dropped)
	}
	if got := strings.Count(player.got(), "video"); got != 100 {
		t.Errorf("%d of 100 frames", got)
	}
	s.video(100, interFrame)
	s.video(101, keyFrame)
	s.video(102, interFrame)
	r.expect("", "events()", "video 101 1701000000aa true, flush, video 102 2701000000bb true, flush")
	if r.engine.hooked.Load() != 0 {
		t.Errorf("%d bytes on the account", r.engine.hooked.Load())
	}
}

// All hooks together hold no more than a limit; what nobody can do without still passes.
func TestHookMemory(t *testing.T) {
	r := newRig(t, files{"main.lua": hookApp})
	s := r.dial("rtmfp://10.0.0.1/").publish("cam")
	r.engine.hooked.Add(maxHooked + 1)
	s.video(0, avcHeader)
	s.video(0, keyFrame)
	s.audio(0, sound)
	r.expect("", "events()", "video 0 170000000001 true, flush")
	r.engine.hooked.Add(-maxHooked - 1)
	s.video(40, interFrame)
	s.audio(40, sound)
	s.video(80, keyFrame)
	r.expect("", "events()", "audio 40 af01cc true, flush, video 80 1701000000aa true, flush")
	if n := r.engine.Counters().FramesDropped.Load(); n != 3 {
		t.Errorf("%d dropped", n)
	}
}

// Frames of one publication do not keep other events waiting for long.
func TestHookTurns(t *testing.T) {
	r := newRig(t, files{"main.lua": hookApp})
	c := r.dial("rtmfp://10.0.0.1/")
	s := c.publish("cam")
	for i := range 3 * framesPerTurn {
		s.WriteFrame(r.Now(), media.Audio, uint32(i), rtmfp.CopyBuffer([]byte(sound)), media.WriteOptions{})
	}
	c.node.Wake()
	r.RunUntil(func() bool { return false }, time.Second)
	r.engine.post("", 0, true, func() { r.engine.event(r.engine.root, "note", nil) })
	r.run(0)
	text := r.eval("", "events()")
	if n := strings.Count(text, "audio"); n < 3*framesPerTurn {
		t.Errorf("%d frames", n)
	}
	if i := strings.Index(text, ", ,"); i < 0 || strings.Count(text[:i], "audio") > framesPerTurn {
		t.Errorf("the other event came after %d frames", strings.Count(text[:max(i, 0)], "audio"))
	}
}

// An error in a hook ends neither the hook nor the batch.
func TestHookError(t *testing.T) {
	r := newRig(t, files{"main.lua": `n = 0
function onConnection(c) function c:onPublish(p) function p:onVideo() n = n + 1; error("no") end; function p:onFlush() f = n end end end`})
	s := r.dial("rtmfp://10.0.0.1/").publish("cam")
	s.video(0, keyFrame)
	s.video(40, keyFrame)
	r.expect("", "n, f", "2,2")
	r.logged(`"in":"onVideo","message":"www/main.lua:2: no"`)
}

// A reload leaves hooks in place: they see the new variables.
func TestHookReload(t *testing.T) {
	r := newRig(t, files{"main.lua": hookApp + `v = "old"`})
	r.lua("", `function hooks(p) function p:onVideo() note(v) end end`)
	s := r.dial("rtmfp://10.0.0.1/").publish("cam")
	s.video(0, keyFrame)
	r.expect("", "events()", "old")
	r.write("main.lua", hookApp+`v = "new"`)
	if err := r.reload(""); err != nil {
		t.Fatal(err)
	}
	s.video(40, keyFrame)
	r.expect("", "events()", "new")
}
