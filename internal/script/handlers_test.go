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

// watching is a root application whose handlers note every event that they see.
const watching = `
	log = ""
	local function note(event)
		return function(first, second)
			local who = type(first) == "userdata" and type(first.who) == "string" and first.who or tostring(first)
			log = log .. event .. "(" .. who .. "," .. tostring(second and (second.name or second.publication and second.publication.name) or "") .. ") "
		end
	end
	local events = {}
	for _, name in ipairs { "onDisconnection", "onPublish", "onUnpublish", "onSubscribe", "onUnsubscribe" } do events[name] = note(name) end
	function events.onConnection(client, who) client.who = who log = log .. "onConnection(" .. tostring(who) .. "," .. path .. client.path .. ") " end
	handle = mona:handle(events)
	function take() local l = log log = "" return l end`

// Handlers see what happens in every application, also in one that has all the functions itself.
func TestHandlersBesideApplications(t *testing.T) {
	r := newRig(t, files{"main.lua": watching, "own/main.lua": `
		mine = ""
		function onConnection(client)
			mine = mine .. "connection "
			function client:onPublish() mine = mine .. "publish " end
			function client:onUnpublish() mine = mine .. "unpublish " end
			function client:onSubscribe() mine = mine .. "subscribe " end
			function client:onUnsubscribe() mine = mine .. "unsubscribe " end
		end
		function onDisconnection() mine = mine .. "disconnection" end`})
	c := r.dial("rtmfp://10.0.0.1/own", amf.String("anna"))
	p, s := c.publish("cam"), c.play("cam")
	s.close()
	p.close()
	c.leave()
	want := "onConnection(anna,/own) onPublish(anna,cam) onSubscribe(anna,cam) onUnsubscribe(anna,cam) onUnpublish(anna,cam) onDisconnection(anna,) "
	r.expect("", "take()", want)
	r.expect("/own", "mine", "connection publish subscribe unsubscribe unpublish disconnection")

	t.Log("# publications of scripts have no client")
	r.lua("/own", `p = mona:publish("radio") p:close()`)
	r.expect("", "take()", "onPublish(nil,radio) onUnpublish(nil,radio) ")

	r.lua("", "handle:release() handle:release()")
	r.dial("rtmfp://10.0.0.1/own", amf.String("ben"))
	r.expect("", "take()", "")
	r.notLogged("error")
}

// What a handler refuses did not happen: the application, which had accepted it, is told of its end.
func TestHandlersRefuse(t *testing.T) {
	r := newRig(t, files{"main.lua": `
		before = 0
		mona:handle {
			onPublish = function() before = before + 1 end, onUnpublish = function() before = before - 1 end,
			onSubscribe = function() before = before + 1 end, onUnsubscribe = function() before = before - 1 end,
		}
		mona:handle {
			onPublish = function(client, publication) if publication.name == "no" then return false end end,
			onSubscribe = function(client, listener) if listener.publication.name == "full" then error("b.example.com", 0) end end,
			onUnsubscribe = function() before = before + 100 end,
		}`, "own/main.lua": `
		n = 0
		function onConnection(client)
			function client:onPublish(p) n = n + 1 return p.name ~= "never" end
			function client:onUnpublish() n = n - 1 end
			function client:onSubscribe() n = n + 1 end
			function client:onUnsubscribe() n = n - 1 end
		end`})
	c := r.dial("rtmfp://10.0.0.1/own")
	s := c.play("full")
	r.same("play", s.codes()+": "+s.text(), "Play.Failed: b.example.com")
	s = c.publish("no")
	r.same("publish", s.codes()+": "+s.text(), "Publish.BadName: Not allowed to publish no")
	r.expect("/own", "n", "0")
	r.expect("", "before", "0")
	c.publish("never") // the handlers are not asked
	r.expect("", "before", "0")
	r.plays("another", c.play("cam"))
	r.expect("", "before", "1")
}

func TestHandlersOfServers(t *testing.T) {
	const text = `
		log = ""
		function onServerConnection(server) log = log .. "root " end
		mona:handle {
			onServerConnection = function(server)
				log = log .. "+" .. server.address .. " "
				function server:f() log = log .. "f" .. path .. " " end
				if server.address == "192.0.2.9" then error("no", 0) end
			end,
			onServerDisconnection = function(server, err) log = log .. "-" .. server.address .. tostring(err) .. " " end,
		}
		function take() local l = log log = "" return l end`
	r := newRig(t, files{"main.lua": text})
	a := r.link(true, "192.0.2.1:1936")
	r.expect("", "take()", "root +192.0.2.1 ")
	r.same("link", a.told(), `ready [""]`)
	r.engine.ServerCall(a, "f", nil, 0, func() {})
	r.run(0)
	r.expect("", "take()", "f ")
	bad := r.link(true, "192.0.2.9:1936")
	r.same("link", bad.told(), "reject no")
	r.lose(bad, nil)
	r.expect("", "take()", "root +192.0.2.9 ")

	t.Log("# a reload shows connected servers again")
	r.write("main.lua", text)
	if err := r.reload(""); err != nil {
		t.Fatal(err)
	}
	r.expect("", "take()", "root +192.0.2.1 ")
	r.lua("", `h = mona:handle { onServerConnection = function() log = log .. "late " end, onServerDisconnection = function() log = log .. "end " end }`)
	r.expect("", "take()", "late ")
	r.lua("", `h:release()`)
	r.expect("", "take()", "end ")
	r.lose(a, nil)
	r.expect("", "take()", "-192.0.2.1nil ")
}

// The application is asked first; where clients may look for a peer all are asked.
func TestHandlersRedirect(t *testing.T) {
	r := newRig(t, files{
		"main.lua": `
		function onRendezVousUnknown() return "192.0.2.1:1935" end
		mona:handle { onHandshake = function(address, path) if path == "/x" then return "192.0.2.3:1935" end end,
			onRendezVousUnknown = function(protocol, id) return "192.0.2.2:1935" end }`,
		"x/main.lua": ``, "y/main.lua": `function onHandshake() return "192.0.2.4:1935" end`, "z/main.lua": ``,
	})
	for path, want := range map[string]string{"/x": "[192.0.2.3:1935]", "/y": "[192.0.2.4:1935]", "/z": "[]"} {
		if !r.engine.DecidesHandshakes(path) {
			t.Errorf("%s: nobody is asked", path)
		}
		r.same(path, fmt.Sprint(r.engine.handshake(HandshakeRequest{Protocol: "RTMFP", Path: path, Attempts: 1})), want)
	}
	if !r.engine.DecidesHandshakes("/z") {
		t.Error("the handlers are not asked again")
	}
	r.same("unknown", fmt.Sprint(r.engine.rendezvousUnknown("RTMFP", strings.Repeat("x", 32))), "[192.0.2.1:1935 192.0.2.2:1935]")
}

// Several scripts look at a publication, each beginning with what a player gets first.
func TestPublicationHandle(t *testing.T) {
	r := newRig(t, files{"main.lua": `
		function watch(name)
			local log = ""
			local h = mona.publications[name]:handle {
				onVideo = function(publication, time, packet) log = log .. "v" .. time .. ":" .. #packet .. " " end,
				onAudio = function(publication, time, packet) log = log .. "a" .. time .. " " end,
				onData = function(publication, handler, packet) log = log .. handler .. #packet .. " " end,
			}
			return function() local l = log log = "" return l end, h
		end`, "own/main.lua": `
		function onConnection(client)
			function client:onPublish(publication)
				frames = 0
				function publication:onVideo() frames = frames + 1 end
			end
		end`})
	p := r.dial("rtmfp://10.0.0.1/own").publish("cam")
	p.data("@setDataFrame", amf.String("onMetaData"), amf.NewObject().Add("width", amf.Number(640)))
	p.audio(0, aacHeader)
	p.video(0, avcHeader)
	p.video(40, keyFrame)
	r.lua("", `a, ha = watch("cam")`)
	r.run(0)
	r.expect("", "a()", "onMetaData33 v0:6 a0 ")
	p.video(80, interFrame)
	p.data("onCue", amf.Number(1))
	r.lua("", `b, hb = watch("cam")`)
	p.video(120, interFrame)
	r.run(100 * time.Millisecond)
	r.expect("", "a()", "v80:6 onCue17 v120:6 ")
	r.expect("", "b()", "onMetaData33 v0:6 a0 v120:6 ")
	r.expect("/own", "frames", "4")
	r.lua("", `ha:release()`)
	p.video(160, keyFrame)
	r.expect("", "a() .. b()", "v160:6 ")

	t.Log("# the end of the application is theirs")
	r.write("main.lua", "")
	if err := r.reload(""); err != nil {
		t.Fatal(err)
	}
	if n := len(r.engine.pubs["cam"].more); n != 0 {
		t.Errorf("%d left", n)
	}
	r.notLogged(`"level":"error"`)
}

func TestHandleArguments(t *testing.T) {
	r := newRig(t, files{"main.lua": ``})
	for code, want := range map[string]string{
		`mona:handle()`:                          "table expected",
		`mona:handle { onNothing = print }`:      "there is no event onNothing",
		`mona:handle { onPublish = 5 }`:          "onPublish is a number, a function was expected",
		`mona:handle { print }`:                  "there is no event 1",
		`mona:publish("p"):handle { onFoo = 1 }`: "there is no event onFoo",
	} {
		if _, err := r.tryLua("", code); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", code, err)
		}
	}
}

// The last frames of a stream come before its end, although they wait in the queue of another application.
func TestPublicationHandleEnd(t *testing.T) {
	r := newRig(t, files{"main.lua": `
		log = ""
		mona:handle {
			onPublish = function(client, publication) publication:handle { onVideo = function() frames = (frames or 0) + 1 end } end,
			onUnpublish = function() log, frames = log .. frames .. " ", 0 end,
		}`, "own/main.lua": ``})
	p := r.dial("rtmfp://10.0.0.1/own").publish("cam")
	for i := range 150 { // more than are shown in one turn
		b := rtmfp.CopyBuffer([]byte(keyFrame))
		p.WriteFrame(r.Now(), media.Video, uint32(i*40), b, media.WriteOptions{})
	}
	p.c.node.Wake()
	still := func() bool { return false }
	r.RunUntil(still, 100*time.Millisecond) // the frames arrive, and no application has its turn
	p.CloseStream(r.Now())
	p.c.node.Wake()
	r.RunUntil(still, 100*time.Millisecond)
	r.run(0)
	r.expect("", "log", "150 ")
	r.lua("/own", `p = mona:publish("radio") p:pushVideo(7, "\23\1x") p:close()`)
	r.expect("", "log", "150 1 ")
}
