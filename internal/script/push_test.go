package script

import (
	"strings"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/media"
)

const pushApp = hookApp + `
function start(name, mode) pub = mona:publish(name or "cam", mode); if pub then hooks(pub) end; return pub end
`

func TestPublish(t *testing.T) {
	r := newRig(t, files{"main.lua": pushApp, "a/main.lua": ``})
	c := r.dial("rtmfp://10.0.0.1/")
	player := c.play("cam")
	r.expect("", `start() == mona.publications.cam, pub.name, pub.running, #pub.listeners`, "true,cam,true,1")
	r.run(20 * time.Millisecond)
	if player.last() != "NetStream.Play.PublishNotify" {
		t.Error(player.codes())
	}
	// The name is taken for all.
	r.expect("", `mona:publish("cam")`, "nil")
	r.lua("", `children("a")`)
	r.expect("/a", `mona:publish("cam", "live")`, "nil")
	if s := c.publish("cam"); s.text() != "cam is already publishing" {
		t.Error(s.text())
	}
	r.expect("", `events()`, "") // no onPublish, onUnpublish

	// Closing frees the name; the object is still there for its listener.
	r.expect("", `pub:close()`, "")
	r.expect("", `pub.running, mona.publications.cam, #pub.listeners`, "false,nil,1")
	r.run(20 * time.Millisecond)
	if player.last() != "NetStream.Play.UnpublishNotify" {
		t.Error(player.codes())
	}
	s := c.publish("cam")
	if s.last() != "NetStream.Publish.Start" {
		t.Error(s.text())
	}
	r.expect("", `mona:publish("cam")`, "nil")
	s.close()

	r.expect("", `mona:publish("x?query", "record").name`, "x")
	r.expect("", `mona:publish("")`, "nil")
	r.logged("publish: media: empty publication name")
	if _, err := r.tryLua("", `mona:publish()`); err == nil {
		t.Error("no error without a name")
	}
	// In the event that closed it, the object can still be looked at.
	r.expect("", `(function() local p = mona.publications.x; p:close(); return p.running, mona.publications.x end)()`, "false,nil")
	r.notLogged("object deleted")
}

// What an application published ends with it.
func TestPublishStop(t *testing.T) {
	r := newRig(t, files{"main.lua": ``, "a/main.lua": `p = mona:publish("cam"); q = mona:publish("other"); q:close()`})
	r.dial("rtmfp://10.0.0.1/a")
	player := r.dial("rtmfp://10.0.0.1/").play("cam")
	if player.last() != "NetStream.Play.PublishNotify" {
		t.Error(player.codes())
	}
	r.expect("", `mona.publications.count`, "1")
	if n := len(r.engine.apps["/a"].owned); n != 1 {
		t.Errorf("%d things owned", n)
	}
	r.write("a/main.lua", `x = 1`)
	if err := r.reload("/a"); err != nil {
		t.Fatal(err)
	}
	r.run(20 * time.Millisecond)
	if player.last() != "NetStream.Play.UnpublishNotify" {
		t.Error(player.codes())
	}
	r.expect("", `mona.publications.count`, "0")
}

// A main.lua that fails takes along what it published before.
func TestPublishFailedLoad(t *testing.T) {
	r := newRig(t, files{"main.lua": ``, "a/main.lua": `p = mona:publish("cam"); error("no")`})
	r.lua("", `children("a")`)
	r.expect("", `mona.publications.count`, "0")
	if r.hub.Lookup("cam") != nil {
		t.Error("still published")
	}
}

func TestPush(t *testing.T) {
	r := newRig(t, files{"main.lua": pushApp})
	player := r.dial("rtmfp://10.0.0.1/").play("cam")
	r.lua("", `start()`)
	for _, tc := range []struct{ code, want, events string }{
		{`pub:pushVideo(100, "\23\1\0\0\0\170")`, "video 0 1701000000aa", "video 100 1701000000aa true, flush"},
		{`pub:pushAudio(110, "\175\1\204", 30)`, "audio 10 af01cc", "audio 110 af01cc true, flush"},
		{`pub:pushVideo("\39\1\0\0\0\187", 140)`, "video 40 2701000000bb", "video 140 2701000000bb true, flush"},
		{`pub:pushAudio("\175\1\204", 150.7)`, "audio 50 af01cc", "audio 150 af01cc true, flush"},
		{`pub:pushAudio(160, {__raw="\175\1\204"})`, "audio 60 af01cc", "audio 160 af01cc true, flush"},
		// One flush for what an event pushed, unless it says otherwise.
		{
			`pub:pushAudio(170, "\175\1\1"); pub:pushAudio(180, "\175\1\2")`, "audio 70 af0101, audio 80 af0102",
			"audio 170 af0101 true, audio 180 af0102 true, flush",
		},
		{
			`pub:pushAudio(190, "\175\1\1"); pub:flush(); pub:pushAudio(200, "\175\1\2")`, "audio 90 af0101, audio 100 af0102",
			"audio 190 af0101 true, flush, audio 200 af0102 true, flush",
		},
		{`pub:flush()`, "", "flush"},
	} {
		r.lua("", tc.code)
		r.run(20 * time.Millisecond)
		if got := player.got(); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.code, got, tc.want)
		}
		r.expect("", "events()", tc.events)
	}
	r.expect("", `pub.audioQOS.latency, pub.lastTime`, "15,200")

	for code, text := range map[string]string{
		`pub:pushVideo("x", "y")`:  "pushVideo: a time and a packet were expected, got string and string",
		`pub:pushVideo(1, 2)`:      "pushVideo: a time and a packet were expected, got number and number",
		`pub:pushAudio()`:          "pushAudio: a time and a packet were expected, got nil and nil",
		`pub:pushAudio(0/0, "x")`:  "pushAudio: a time and a packet",
		`pub:pushAudio(1/0, "x")`:  "pushAudio: a time and a packet",
		`pub:pushAudio(1, {"x"})`:  "pushAudio: a time and a packet",
		`pub.pushAudio(12, 1, "")`: "",
	} {
		r.forget()
		if _, err := r.tryLua("", code); (err != nil) != (text == "") {
			t.Errorf("%s: %v", code, err)
		}
		r.logged(text)
	}
	if got := player.got(); got != "" {
		t.Error(got)
	}

	// Times are those of a clock with 32 bits.
	r.lua("", `pub:pushAudio(4294967296 + 210, "\175\1\3")`)
	r.run(20 * time.Millisecond)
	if got := player.got(); got != "audio 110 af0103" {
		t.Error(got)
	}
}

// Late listeners get headers first and begin at a key frame, as with a client's publication.
func TestPushLate(t *testing.T) {
	r := newRig(t, files{"main.lua": pushApp})
	r.lua("", `start(); pub:pushVideo(0, "\23\0\0\0\0\1"); pub:pushVideo(0, "\23\1\0\0\0\170"); pub:writeProperties({width=1})`)
	r.expect("", `pub.videoCodec == "\23\0\0\0\0\1", pub.audioCodec, pub.width`, "true,nil,1")
	player := r.dial("rtmfp://10.0.0.1/").play("cam")
	r.lua("", `pub:pushVideo(40, "\39\1\0\0\0\187"); pub:pushVideo(80, "\23\1\0\0\0\171")`)
	r.run(20 * time.Millisecond)
	if got := player.got(); got != `data "onMetaData" {width=1}, video 0 170000000001, video 0 1701000000ab` {
		t.Error(got)
	}
}

func TestPushStopped(t *testing.T) {
	r := newRig(t, files{"main.lua": pushApp})
	r.dial("rtmfp://10.0.0.1/").play("cam") // keeps the object
	r.lua("", `start(); pub:close(); pub:close()`)
	for _, code := range []string{
		`pub:pushAudio(0, "x")`, `pub:pushVideo(0, "x")`, `pub:pushData("name", 1)`, `pub:pushAMF0Data("x")`,
		`pub:pushAMFData("\2\0\1x")`, `pub:writeProperties({})`, `pub:clearProperties()`, `pub:flush()`,
	} {
		r.forget()
		r.lua("", code)
		r.logged("which is not running: ignored")
		r.logged(`"level":"error"`)
	}
	r.expect("", "events()", "")
}

// The publication of a client is not the script's to close, except with a reason for the client.
func TestCloseOfClient(t *testing.T) {
	r := newRig(t, files{"main.lua": hookApp})
	player := r.dial("rtmfp://10.0.0.1/").play("cam")
	s := r.dial("rtmfp://10.0.0.1/").publish("cam")
	r.lua("", `pub:close()`)
	r.logged("the publication cam belongs to a client")
	r.expect("", `pub.running`, "true")
	s.audio(0, sound)
	if got := player.got(); got != "audio 0 af01cc" {
		t.Error(got)
	}
	r.lua("", `list = {}; pub:close("NetStream.Publish.Rejected", "enough")`)
	r.run(50 * time.Millisecond)
	if s.last() != "NetStream.Publish.Rejected" || s.text() != "enough" || player.last() != "NetStream.Play.UnpublishNotify" {
		t.Error(s.codes(), s.text(), player.codes())
	}
	r.expect("", `events(), pub.running`, "end,false")
	s.audio(40, sound) // means nothing any more
	s.Publish(r.Now(), "cam", "live")
	s.answered("publish")
	r.expect("", `pub.running`, "true")
}

// A script may add to the publication of a client.
func TestPushToClient(t *testing.T) {
	r := newRig(t, files{"main.lua": hookApp})
	player := r.dial("rtmfp://10.0.0.1/").play("cam")
	s := r.dial("rtmfp://10.0.0.1/").publish("cam")
	s.audio(0, sound)
	r.lua("", `pub:pushAudio(20, "\175\1\9")`)
	r.run(20 * time.Millisecond)
	r.lua("", `pub:pushData("hi", 1)`)
	r.run(20 * time.Millisecond)
	if got := player.got(); got != `audio 0 af01cc, audio 20 af0109, data "hi" 1` {
		t.Error(got)
	}
	r.expect("", `events()`, "audio 0 af01cc true, flush, audio 20 af0109 true, flush, flush")
}

func TestPushData(t *testing.T) {
	r := newRig(t, files{"main.lua": pushApp})
	player := r.dial("rtmfp://10.0.0.1/").play("cam")
	r.lua("", `
function hooks(p)
	function p:onData(...)
		local t = {...}
		for i = 1, select("#", ...) do t[i] = type(t[i]) == "table" and "table" or tostring(t[i]) end
		note(unpack(t))
	end
	function p:onProperties(t) note(type(t)) end
end
start()`)
	msg := strings.NewReplacer("\x00", `\0`, "\x02", `\2`, "\x03", `\3`).Replace
	for _, tc := range []struct{ code, want, events, log string }{
		{`pub:pushData("cue", 1, "x")`, `data "cue" 1 "x"`, "cue 1 x", ""},
		{`pub:pushData("cue", nil)`, `data "cue" null`, "cue nil", ""},
		{`pub:pushData("` + msg(amfMessage("cue")) + `")`, `data "cue"`, "cue", ""},
		{`pub:pushData({__raw="` + msg(amfMessage("cue")) + `"})`, `data "cue"`, "cue", ""},
		{`pub:pushData(mona:toAMF0("cue", {a=1}))`, `data "cue" {a=1}`, "cue table", ""},
		{`pub:pushAMFData("` + msg(amfMessage("cue")) + `")`, `data "cue"`, "cue", ""},
		{`pub:pushAMF0Data("cue", 2)`, `data "cue" 2`, "cue 2", ""},
		{`pub:pushData("cue", {__raw="abc"}, true)`, `data "cue" <616263> true`, "cue table true", ""},
		{`pub:pushData("just text")`, "", "", `"level":"warn"`},
		{`pub:pushData(mona:toAMF0("cue", "cut"):sub(1, -2))`, "", "", `"level":"warn"`},
		{`pub:pushData({__raw="abc"})`, "", "", "pushData: no complete AMF message"},
		{`pub:pushData({1})`, "", "", "pushData: a message was expected, got table"},
		{`pub:pushData()`, "", "", "pushData: a message was expected, got nil"},
		{`pub:pushData(1, 2)`, "", "", "the name of a handler was expected, got number"},
		{`pub:pushAMFData("abc")`, "", "", "pushAMFData: no complete AMF message"},
		{`pub:pushAMFData(1)`, "", "", "pushAMFData: a message was expected, got number"},
		{`pub:pushAMF0Data()`, "", "", "the name of a handler was expected, got nil"},
		// Metadata is kept for those who come later.
		{`pub:pushData("onMetaData", {a=1})`, `data "onMetaData" {a=1}`, "table", ""},
		{`pub:pushData(mona:toAMF0("onMetaData", {a=2}))`, `data "onMetaData" {a=2}`, "table", ""},
		{`pub:pushData(mona:toAMF0("@setDataFrame", "onMetaData", {a=3}))`, `data "onMetaData" {a=3}`, "table", ""},
		{`pub:pushData("@setDataFrame", {a=4})`, `data "onMetaData" {a=4}`, "table", ""},
		{`pub:pushData("@clearDataFrame", "onMetaData")`, "", "nil", ""},
	} {
		r.forget()
		r.lua("", `list = {}; `+tc.code)
		r.run(20 * time.Millisecond)
		if got := player.got(); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.code, got, tc.want)
		}
		if tc.events != "" {
			events := strings.ReplaceAll(r.eval("", "events()"), "userdata", "table")
			if events != tc.events {
				t.Errorf("%s: %s, want %s", tc.code, events, tc.events)
			}
		}
		r.logged(tc.log)
		if tc.log == "" && r.logs.Len() > 0 {
			t.Errorf("%s: %s", tc.code, r.logs.String())
		}
	}
}

// What one server got in the page form, another one can push as it is, metadata included.
func TestRelayOfData(t *testing.T) {
	r := newRig(t, files{"main.lua": `
function onConnection(client)
	function client:onPublish(p)
		copy = mona:publish(p.name .. "2")
		function p:onData(name, packet) copy:pushData(packet) end
		function p:onVideo(time, packet) copy:pushVideo(time, packet) end
		function p:onAudio(time, packet) copy:pushAudio(time, packet) end
	end
	function client:onUnpublish(p) copy:close() end
end`})
	player := r.dial("rtmfp://10.0.0.1/").play("cam2")
	s := r.dial("rtmfp://10.0.0.1/").publish("cam")
	s.write(media.Data, 0, amfMessage("@setDataFrame")+amfMessage("onMetaData")+"\x03\x00\x01w\x00\x40\x00\x00\x00\x00\x00\x00\x00\x00\x00\x09")
	s.video(0, keyFrame)
	s.audio(10, sound)
	s.data("cue")
	late := r.dial("rtmfp://10.0.0.1/").play("cam2")
	s.close()
	if got := player.got(); got != `data "onMetaData" {w=2}, video 0 1701000000aa, audio 10 af01cc, data "cue"` {
		t.Error(got)
	}
	if got := late.got(); got != `data "onMetaData" {w=2}` {
		t.Error(got)
	}
	if player.last() != "NetStream.Play.UnpublishNotify" {
		t.Error(player.codes())
	}
}
