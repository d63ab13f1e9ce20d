package script

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/internal/simnet"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// What an application has assigned can be listed; what it inherits is not in the list.
func TestPairsOfEnvironment(t *testing.T) {
	r := newRig(t, files{"main.lua": `top = 1 children("a")`, "a/main.lua": `x = 1 function f() end y = "2" y = nil`})
	list := `(function(env) local t = {} for k, v in pairs(env) do t[#t + 1] = k .. ":" .. type(v) end table.sort(t) return table.concat(t, " ") end)`
	r.expect("/a", list+`(this)`, "f:function x:number")
	r.expect("/a", list+`(super)`, "top:number")
	r.expect("", list+`(children.a)`, "f:function x:number")
}

// An error in an event that nobody can refuse is logged with its place, and nothing else happens.
func TestErrorsInEvents(t *testing.T) {
	r := newRig(t, files{"main.lua": `function onConnection(client)
		for _, e in ipairs{"onUnpublish", "onUnsubscribe", "onJoinGroup", "onUnjoinGroup", "onAddressChanged"} do
			client[e] = function() error(e .. " fails") end
		end
		function client:onPublish(p)
			for _, e in ipairs{"onAudio", "onVideo", "onData", "onProperties", "onFlush"} do p[e] = function() error(e .. " fails") end end
		end
		function client:alive() return true end
	end
	function onDisconnection() error("onDisconnection fails") end
	function onManage() error("onManage fails") end
	function onStop() error("onStop fails") end
	function onStart() error("onStart fails") end`})
	a, b := r.dial("rtmfp://10.0.0.1/"), r.dial("rtmfp://10.0.0.1/")
	s, p := a.publish("cam"), b.play("cam")
	g := a.joinGroup(5)
	s.audio(0, sound)
	s.video(0, keyFrame)
	s.data("cue")
	s.data("@setDataFrame", amf.String("onMetaData"), amf.NewObject().Add("x", amf.Number(1)))
	r.same("frames", sorted(p.frames), sorted([]string{
		fmt.Sprintf("audio 0 %x", sound), fmt.Sprintf("video 0 %x", keyFrame), `data "cue"`, `data "onMetaData" {x=1}`,
	}))
	a.leaveGroup(g)
	s.close()
	p.close()
	a.node.Rebind("10.7.7.9:6001")
	r.same("still served", a.answer("alive")+b.answer("alive"), "truetrue")
	b.leave()
	r.engine.manage()
	r.write("main.lua", `version = 2`)
	_ = r.reload("")
	r.expect("", "version, mona.clients.count", "2,1")
	for _, e := range []string{
		"onUnpublish", "onUnsubscribe", "onJoinGroup", "onUnjoinGroup", "onAddressChanged", "onAudio", "onVideo", "onData", "onProperties",
		"onFlush", "onDisconnection", "onManage", "onStop", "onStart",
	} {
		if line := r.line(e + " fails"); !strings.Contains(line, `"level":"error"`) || !strings.Contains(line, "www/main.lua:") {
			t.Errorf("%s: %s", e, line)
		}
	}
}

// line is the first line of the logs with text.
func (r *rig) line(text string) string {
	lines := strings.Split(r.logs.String(), "\n")
	if i := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, text) }); i >= 0 {
		return lines[i]
	}
	return "not logged"
}

// An application that is far behind refuses what clients ask for, and serves them again when it has caught up.
func TestBusy(t *testing.T) {
	r := newRig(t, files{"main.lua": `function onConnection(client) function client:f() return 1 end end`}, func(c *Config) { c.MaxQueue = 2 })
	c := r.dial("rtmfp://10.0.0.1/")
	one, two := c.stream(), c.stream()
	var answers []string
	for range 4 {
		c.Call(r.Now(), "f", func(_ rtmfp.Time, res netconn.Result) {
			text := amfText(res.Values...)
			if res.Err != nil {
				text = description(res.Err)
			}
			answers = append(answers, text)
		})
	}
	c.node.Wake()
	r.Net.Run(100 * time.Millisecond) // the script does not run
	one.Publish(r.Now(), "cam", "live")
	two.Play(r.Now(), "cam")
	c.node.Wake()
	r.Net.Run(100 * time.Millisecond)
	r.run(time.Second)
	slices.Sort(answers)
	r.same("calls", strings.Join(answers, ","), "1,1,"+busy+","+busy)
	r.same("publish", one.codes()+": "+one.text(), "Publish.BadName: "+busy)
	r.same("play", two.codes()+": "+two.text(), "Play.Failed: "+busy)
	r.same("afterwards", c.answer("f"), "1")
	r.plays("afterwards", c.play("cam"))

	for range 2 {
		c.Call(r.Now(), "f", nil)
	}
	c.node.Wake()
	r.Net.Run(100 * time.Millisecond)
	var refused error
	id, err := rtmfp.NewClientIdentity(r.Reader())
	if err != nil {
		t.Fatal(err)
	}
	node := r.AddNode("10.3.0.1:5000", rtmfp.Config{Identity: id}, func(*simnet.Shard) simnet.Handler { return netconn.Clients{} })
	session, err := node.Endpoint().Dial(r.Now(), rtmfp.DialConfig{EPD: rtmfp.EPDForURI("rtmfp://10.0.0.1/"), Addrs: []netip.AddrPort{r.server.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	netconn.NewClient(r.Now(), session, netconn.ClientConfig{URL: "rtmfp://10.0.0.1/", OnClose: func(_ rtmfp.Time, err error) { refused = err }})
	node.Wake()
	r.Net.Run(10 * time.Second)
	if description(refused) != busy {
		t.Error(refused)
	}
}

// Results and errors that are too long for a message.
func TestLongAnswers(t *testing.T) {
	r := newRig(t, files{"main.lua": `function onConnection(client)
		function client:long() local s = ("x"):rep(1024 * 1024) return {s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s} end
		function client:fails() error(("x"):rep(1024 * 1024) .. " end", 0) end
		function client:lines() error("one\ntwo ", 0) end
	end`})
	c := r.dial("rtmfp://10.0.0.1/")
	r.same("long result", c.answer("long"), "error: "+resultTooLong)
	if got := c.answer("fails"); len(got) > 32<<10 || !strings.HasSuffix(got, " end") {
		t.Errorf("an error of %d bytes", len(got))
	}
	r.same("an error is one line", c.answer("lines"), "error: one two")
}

// Metadata of all kinds of values, as parameters.
func TestPropertyValues(t *testing.T) {
	r := newRig(t, files{"main.lua": ``})
	c := r.dial("rtmfp://10.0.0.1/")
	s := c.publish("cam")
	s.data("@setDataFrame", amf.String("onMetaData"), &amf.Array{
		Dense: []amf.Value{amf.String("first")},
		Named: []amf.Member{
			{Name: "width", Value: amf.Number(640)},
			{Name: "nothing", Value: amf.Null{}},
			{Name: "when", Value: &amf.Date{Millis: 5000}},
			{Name: "list", Value: &amf.Array{Dense: []amf.Value{amf.Number(1), amf.Bool(true)}, Named: []amf.Member{{Name: "n", Value: amf.String("x")}}}},
		},
	})
	r.expectAll("", [][2]string{
		{`mona.publications.cam.properties.width, mona.publications.cam.properties.nothing, mona.publications.cam.properties.when`, "640,nil,5000"},
		{`mona.publications.cam.properties["list.1"], mona.publications.cam.properties["list.2"], mona.publications.cam.properties.list.n`, "1,true,x"},
	})
}

// Objects whose things have ended give nothing, whatever is done with them.
func TestDeletedObjects(t *testing.T) {
	r := newRig(t, files{"main.lua": `function onConnection(client)
		c, w, n = client, client.writer, client.writer:newWriter()
		function client:onPublish(p) pub, list = p, p.listeners end
		function client:onSubscribe(l) listener, qos = l, l.audioQOS end
	end`})
	c := r.dial("rtmfp://10.0.0.1/")
	c.publish("cam")
	c.play("cam")
	c.leave()
	for code, class := range map[string]string{
		`return c.id`: "client", `c.x = 1`: "client", `return pub.name`: "publication", `pub:flush()`: "publication", `pub.x = 1`: "publication",
		`return listener.client`: "listener", `listener.receiveAudio = false`: "listener",
	} {
		r.forget()
		if got := r.lua("", code); len(got) > 0 && got[0].String() != "nil" {
			t.Errorf("%s = %v", code, got)
		}
		r.logged(class + " object deleted")
	}
	r.forget()
	r.lua("", `n:writeInvocation("f") return #list, qos.byteRate`)
	r.logged("closed")
}
