package script

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// How onPublish and onSubscribe answer, and what the client hears of it.
func TestAnswers(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		refused    bool
		text       string // "" = the words of the protocol
	}{
		{"no value", ``, false, ""},
		{"true", `return true`, false, ""},
		{"number", `return 0`, false, ""},
		{"text", `return "false"`, false, ""},
		{"false", `return false`, true, ""},
		{"nil", `return nil`, true, ""},
		{"false and more", `return false, true`, true, ""},
		{"error", `error("next is www.hostB.com")`, true, "www/main.lua:2: next is www.hostB.com"},
		{"error without place", `error("full", 0)`, true, "full"},
		{"empty error", `error("", 0)`, true, ""},
		{"no error text", `error()`, true, unknownError},
		{"error table", `error({})`, true, unknownError},
		{"mistake", `local x = nil; x.y = 1`, true, "www/main.lua:2: attempt to index a non-table object(nil) with key 'y'"},
	} {
		for _, event := range []string{"onPublish", "onSubscribe"} {
			t.Run(event+" "+tc.name, func(t *testing.T) {
				r := newRig(t, files{"main.lua": fmt.Sprintf(`function onConnection(client)
	function client:%s(x) %s end
	function client:onUnpublish() ended = true end
	function client:onUnsubscribe() ended = true end
end`, event, tc.body)})
				c := r.dial("rtmfp://10.0.0.1/")
				var s *rigStream
				accepted, refused, words := "Publish.Start", "Publish.BadName", "Not allowed to publish cam"
				if event == "onPublish" {
					s = c.publish("cam")
				} else {
					s = c.play("cam")
					accepted, refused, words = "Play.Reset Play.Start", "Play.Failed", "Not authorized to play cam"
				}
				want := accepted
				if tc.refused {
					want = refused
				}
				if s.codes() != want {
					t.Fatalf("got %s, want %s", s.codes(), want)
				}
				if tc.refused {
					if tc.text != "" {
						words = tc.text
					}
					if s.text() != words || s.statuses[0].Level != "error" {
						t.Errorf("%s %q, want %q", s.statuses[0].Level, s.text(), words)
					}
				}
				c.leave()
				r.expect("", "ended == true", fmt.Sprint(!tc.refused))
				if len(r.engine.pubs) != 0 {
					t.Error("the publication is still there")
				}
			})
		}
	}
}

const noteEvents = `
list = {}
function note(...) table.insert(list, table.concat({...}, " ")) end
function events() local s = table.concat(list, ", "); list = {}; return s end
function onConnection(client, name)
	client.who = name
	function client:onPublish(p) note(self.who, "publish", p.name, tostring(p.running)) end
	function client:onUnpublish(p) note(self.who, "unpublish", p.name, tostring(p.running)) end
	function client:onSubscribe(l) note(self.who, "subscribe", l.publication.name, #l.publication.listeners) end
	function client:onUnsubscribe(l) note(self.who, "unsubscribe", l.publication.name, #l.publication.listeners) end
end
function onDisconnection(client) note(client.who, "gone") end
`

func TestStreamEvents(t *testing.T) {
	r := newRig(t, files{"main.lua": noteEvents})
	a, b := r.dial("rtmfp://10.0.0.1/", amf.String("a")), r.dial("rtmfp://10.0.0.1/", amf.String("b"))
	pub := a.publish("cam")
	r.expect("", "events()", "a publish cam false")
	r.expect("", "mona.publications.cam.running", "true")
	play := b.play("cam")
	r.expect("", "events()", "b subscribe cam 0")
	if again := b.play("cam"); again.text() != "Already subscribed to cam" {
		t.Error(again.text())
	}
	if taken := b.publish("cam"); taken.text() != "cam is already publishing" || taken.last() != netconn.CodePublishBadName {
		t.Error(taken.last(), taken.text())
	}
	r.expect("", "events()", "")
	pub.close()
	r.expect("", "events()", "a unpublish cam true")
	r.expect("", "mona.publications.cam", "nil")
	play.close()
	r.expect("", "events()", "b unsubscribe cam 1")

	// Another publish or play on the same stream ends the one before.
	pub.Publish(r.Now(), "cam2", "live")
	pub.answered("answer")
	pub.Publish(r.Now(), "cam3", "live")
	pub.answered("answer")
	r.expect("", "events()", "a publish cam2 false, a unpublish cam2 true, a publish cam3 false")

	b.play("cam3")
	b.publish("other")
	r.expect("", "events()", "b subscribe cam3 0, b publish other false")
	b.leave()
	switch got := r.eval("", "events()"); got { // a client closes its flows in no certain order
	case "b unsubscribe cam3 1, b unpublish other true, b gone", "b unpublish other true, b unsubscribe cam3 1, b gone":
	default:
		t.Error(got)
	}
	a.leave()
	r.expect("", "events()", "a unpublish cam3 true, a gone")
	if len(r.engine.pubs) != 0 || r.hub.Stats().Names != 0 {
		t.Errorf("%d publications, %+v", len(r.engine.pubs), r.hub.Stats())
	}
}

// What was accepted and then could not begin is ended, so that scripts which count come out even.
func TestAcceptedInVain(t *testing.T) {
	r := newRig(t, files{"main.lua": noteEvents})
	a, b := r.dial("rtmfp://10.0.0.1/", amf.String("a")), r.dial("rtmfp://10.0.0.1/", amf.String("b"))
	s, p := a.stream(), b.stream()
	ask := func() {
		a.node.Wake()
		b.node.Wake()
		r.RunUntil(func() bool { return false }, 100*time.Millisecond) // the engine is busy elsewhere
		r.run(100 * time.Millisecond)
	}
	t.Run("name taken", func(t *testing.T) {
		s.Publish(r.Now(), "cam", "live")
		p.Publish(r.Now(), "cam", "live")
		ask()
		if s.codes() != "Publish.Start" || p.codes() != "Publish.BadName" || p.text() != "cam is already publishing" {
			t.Fatal(s.codes(), p.codes(), p.text())
		}
		r.expect("", "events()", "a publish cam false, b publish cam true, b unpublish cam true")
		s.close()
		r.expect("", "events()", "a unpublish cam true")
	})
	t.Run("changed its mind", func(t *testing.T) {
		s.Publish(r.Now(), "x", "live")
		p.Play(r.Now(), "x")
		a.node.Wake()
		b.node.Wake()
		for range 20 { // the request is in the queue, then its NetStream is deleted
			r.RunUntil(func() bool { return false }, 5*time.Millisecond)
		}
		s.Delete(r.Now())
		p.Delete(r.Now())
		ask()
		r.expect("", "events()", "a publish x false, b subscribe x 0, a unpublish x true, b unsubscribe x 1")
		r.expect("", "mona.publications.count", "0")
	})
	t.Run("client gone", func(t *testing.T) {
		s, p := a.stream(), b.stream()
		s.Publish(r.Now(), "y", "live")
		p.Play(r.Now(), "y")
		a.node.Wake()
		b.node.Wake()
		r.RunUntil(func() bool { return false }, 100*time.Millisecond)
		r.abort()
		ask()
		got := strings.Split(r.eval("", "events()"), ", ")
		slices.SortStableFunc(got, func(x, y string) int { return strings.Compare(x[:1], y[:1]) }) // by client
		if s := strings.Join(got, ", "); s != "a publish y false, a unpublish y true, a gone, b subscribe y 0, b unsubscribe y 1, b gone" {
			t.Error(s)
		}
		if len(r.engine.pubs) != 0 {
			t.Error("publications left")
		}
	})
}

// abort ends all sessions without a word.
func (r *rig) abort() {
	for _, sh := range r.shards {
		sh.Conns(func(c *netconn.Conn) bool {
			c.Session().Abort(r.Now(), rtmfp.ErrPeerGone)
			return true
		})
	}
	r.server.Wake()
}

func TestPublicationObject(t *testing.T) {
	r := newRig(t, files{"main.lua": `
function onConnection(client)
	function client:onPublish(p) p.owner = self; p.n = 1; pub = p end
	function client:onUnpublish(p) same = p == pub and p.n == 1 end
	function client:onSubscribe(l) listener = l end
end`})
	a, b := r.dial("rtmfp://10.0.0.1/"), r.dial("rtmfp://10.0.0.1/")
	s := a.publish("cam")
	r.expect("", `pub == mona.publications.cam, pub.name, tostring(pub), pub.owner == mona.clients(pub.owner.id)`, "true,cam,publication cam,true")
	p := b.play("cam")
	r.expect("", `listener.publication == pub, pub.listeners(1) == listener, pub.listeners[1] == listener`, "true,true,true")

	// The object lives on with its listener, and is the same for the next publisher.
	s.close()
	r.expect("", `same, pub.running, pub.n, mona.publications("cam"), #mona.publications`, "true,false,1,nil,0")
	s = b.publish("cam")
	r.expect("", `mona.publications.cam == pub, pub.running, pub.owner == mona.clients(pub.owner.id)`, "true,true,true")
	s.close()
	p.close()

	// Then it is over, and the fields with it.
	r.forget()
	r.expect("", `pub.n`, "nil")
	r.logged("publication object deleted")
	r.lua("", `old = pub`)
	a.publish("cam")
	r.expect("", `mona.publications.cam == old, mona.publications.cam == pub`, "false,true")

	r.forget()
	for _, name := range []string{"name", "running", "lastTime", "droppedFrames", "listeners", "properties", "audioQOS", "flush", "audioCodec"} {
		r.lua("", "pub."+name+" = 1")
		r.logged("publication." + name + " is read-only, assignment ignored")
	}
	r.expect("", "pub.name", "cam")
}

func TestPublicationsCollection(t *testing.T) {
	r := newRig(t, files{"main.lua": ``})
	c := r.dial("rtmfp://10.0.0.1/")
	for _, name := range []string{"b", "count", "a", "7"} {
		c.publish(name)
	}
	c.play("waiting")
	for expression, want := range map[string]string{
		`mona.publications.a.name`:                      "a",
		`mona.publications["b"].name`:                   "b",
		`mona.publications("count").name`:               "count",
		`mona.publications(7).name`:                     "7",
		`select("#", mona.publications("a", "x", "b"))`: "3",
		`mona.publications.waiting`:                     "nil",
		`mona.publications.count`:                       "4",
		`#mona.publications`:                            "4",
	} {
		r.expect("", expression, want)
	}
	for form, want := range map[string]string{
		"pairs(mona.publications)":     "7=7 a=a b=b count=count ",
		"mona.publications:pairs()":    "7=7 a=a b=b count=count ",
		"ipairs(mona.publications)":    "",
		"mona.publications:ipairs()":   "",
		"next, mona.publications, nil": "7=7 a=a b=b count=count ",
	} {
		got := r.lua("", `local s = ""; for k, v in `+form+` do s = s .. k .. "=" .. v.name .. " " end; return s`)[0].String()
		if got != want {
			t.Errorf("%s: %q, want %q", form, got, want)
		}
	}
	r.lua("", `mona.publications.x = 1`)
	r.logged("publications is read-only")
}

func TestPublicationNumbers(t *testing.T) {
	r := newRig(t, files{"main.lua": `function onConnection(c) function c:onUnpublish(p) last = p.lastTime end end`})
	c := r.dial("rtmfp://10.0.0.1/")
	s := c.publish("cam")
	r.expect("", `mona.publications.cam.lastTime, mona.publications.cam.audioCodec, mona.publications.cam.videoCodec`, "0,nil,nil")
	s.video(0, avcHeader)
	s.audio(0, aacHeader)
	s.video(40, keyFrame)
	s.audio(60, sound)
	r.expect("", `mona.publications.cam.lastTime, #mona.publications.cam.audioCodec, mona.publications.cam.videoCodec:byte(1, 2)`, "60,4,23,0")
	r.expect("", `mona.publications.cam.droppedFrames`, "0")
	r.hub.Lookup("cam").Lost(9, 1) // a picture that the publisher gave up
	s.video(80, interFrame)
	s.video(120, interFrame)
	r.expect("", `mona.publications.cam.droppedFrames`, "2")
	s.close()
	r.expect("", "last", "120")
}

func TestProperties(t *testing.T) {
	r := newRig(t, files{"main.lua": `
function onConnection(c)
	function c:onPublish(p)
		pub = p
		function p:onProperties(props) got = props and (props.width .. " " .. tostring(props.stereo)) or tostring(props) end
	end
end`})
	c := r.dial("rtmfp://10.0.0.1/")
	s := c.publish("cam")
	r.expect("", `pub.properties, pub.width`, "nil,nil")
	meta := amf.AppendString(nil, "onMetaData")
	meta, _ = amf.AppendAMF0(meta, amf.NewObject().Add("width", amf.Number(640)).Add("stereo", amf.Bool(true)).
		Add("encoder", amf.String("x264")).Add("inner", amf.NewObject().Add("a", amf.Number(1))))
	s.SetMetadata(r.Now(), rtmfp.CopyBuffer(meta))
	c.node.Wake()
	r.run(20 * time.Millisecond)
	r.expect("", `got, pub.properties.width, pub.width, pub.stereo, pub.encoder, pub.properties["inner.a"]`, "640 true,640,640,true,x264,1")
	r.expect("", `pub.properties == pub.properties`, "true")
	r.lua("", `pub.width = 1`) // a field of the script goes first
	r.expect("", `pub.width, pub.properties.width`, "1,640")

	late := r.dial("rtmfp://10.0.0.1/").play("cam")
	if got := late.got(); !strings.HasPrefix(got, `data "onMetaData" {width=640 stereo=true`) {
		t.Error(got)
	}
	r.expect("", `select("#", pub:clearProperties())`, "0")
	r.run(20 * time.Millisecond)
	r.expect("", `got, pub.properties, pub.encoder`, "nil,nil,nil")

	// The script may write them on the publication of a client, too.
	r.expect("", `pub:writeProperties({width=1, stereo=false}).width`, "1")
	r.run(20 * time.Millisecond)
	r.expect("", `got, pub.properties.stereo`, "1 false,false")
	if got := late.got(); got != `data "onMetaData" {stereo=false width=1}` && got != `data "onMetaData" {width=1 stereo=false}` {
		t.Error(got)
	}
	r.lua("", `pub:writeProperties("onInfo", {})`)
	r.run(20 * time.Millisecond)
	if got := late.got(); got != `data "onInfo" {}` {
		t.Error(got)
	}
	r.lua("", `pub:writeProperties(12)`)
	r.logged("writeProperties: a table was expected, got number")
	s.close()
}
