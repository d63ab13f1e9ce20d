package script

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/amf"
)

const allModules = `
	require "cluster.publications"
	require "cluster.rendezvous"
	require "cluster.groups"
	require "cluster.balance"
`

// clusterFiles is a server with modules of www/cluster, and an application that defines every event itself.
func clusterFiles(t *testing.T, main string) files {
	f := example(t, "cluster")
	f["main.lua"] = main
	f["own/main.lua"] = `
		seen = ""
		local function note(event) return function() seen = seen .. event .. " " end end
		function onConnection(client)
			for _, event in ipairs { "onPublish", "onUnpublish", "onSubscribe", "onUnsubscribe", "onJoinGroup", "onUnjoinGroup" } do
				client[event] = note(event)
			end
			function client:onPublish(publication)
				seen = seen .. "onPublish "
				function publication:onVideo() frames = (frames or 0) + 1 end
			end
		end
		onDisconnection, onServerConnection, onServerDisconnection = note("onDisconnection"), note("onServerConnection"), note("onServerDisconnection")
		function onHandshake() end
		function onRendezVousUnknown() end`
	return f
}

// links connects servers: "AB BC" makes B a target of A and C one of B.
func (m rigs) links(pairs string) map[string]*sampleLink {
	links := make(map[string]*sampleLink)
	for _, p := range strings.Fields(pairs) {
		links[p] = m.connect(int(p[0]-'A'), int(p[1]-'A'))
	}
	m.run(time.Second)
	return links
}

// clean checks that no server had anything to complain about.
func (m rigs) clean() {
	for i, r := range m {
		r.t.Helper()
		for line := range strings.Lines(r.logs.String()) {
			if strings.Contains(line, `"level":"error"`) || strings.Contains(line, `"level":"warn"`) {
				r.t.Errorf("server %c: %s", 'A'+i, line)
			}
		}
	}
}

// media counts the packets that went over a link in both directions.
func (l *sampleLink) media() (n int) {
	for _, side := range []*sampleLink{l, l.other} {
		for _, s := range side.sent {
			if strings.HasPrefix(s, "clusterVideo") || strings.HasPrefix(s, "clusterAudio") || strings.HasPrefix(s, "clusterData") {
				n++
			}
		}
	}
	return n
}

// age lets the opening of streams become old.
func (m rigs) age() {
	for _, r := range m {
		r.engine.manage()
		r.engine.manage()
	}
	m.run(0)
}

func (m rigs) everywhere(expression, want string) {
	for i, r := range m {
		r.t.Helper()
		if got := r.eval("", expression); got != want {
			r.t.Errorf("server %c: %s = %s, want %s", 'A'+i, expression, got, want)
		}
	}
}

// A stream published in any application of one server is played on all, whatever way they are connected.
func TestClusterPublications(t *testing.T) {
	for name, links := range map[string]string{
		"pair": "AB", "chain": "AB BC", "chain against the stream": "BA CB", "star": "AB CB DB", "ring of three": "AB BC CA",
		"ring of five": "AB BC CD DE EA", "each with each": "AB AC AD BC BD CD", "two rings": "AB BC CA CD DE EC",
	} {
		t.Run(name, func(t *testing.T) {
			n := int(strings.Trim(string(maxLetter(links)), " ")[0]-'A') + 1
			m := newMesh(t, n, clusterFiles(t, `require "cluster.publications"`))
			conns := m.links(links)
			pub := m[0].dial("rtmfp://10.0.0.1/own").publish("cam")
			m.run(time.Second)
			m.everywhere("mona.publications.count", "1")
			pub.data("@setDataFrame", amf.String("onMetaData"), amf.NewObject().Add("width", amf.Number(640)).Add("name", amf.String("007")))
			pub.audio(0, aacHeader)
			pub.video(0, avcHeader)
			pub.video(0, keyFrame)
			m.run(time.Second)
			m.age()
			for link, l := range conns {
				if l.media() != 0 {
					t.Errorf("%s carries media although nobody plays", link)
				}
			}

			// Players come late: what is cached comes at once, pictures with the next key frame.
			var players []*rigStream
			for _, r := range m[1:] {
				players = append(players, r.dial("rtmfp://10.0.0.1/own").play("cam"))
			}
			m.run(time.Second)
			pub.video(40, interFrame)
			pub.video(1000, keyFrame)
			pub.audio(1023, sound)
			pub.video(1040, interFrame)
			pub.data("onCue", amf.String("chorus"), amf.Number(2))
			m.run(4 * time.Second)
			for i, p := range players {
				got := p.frames
				want := []string{
					`data "onMetaData" {width=640 name="007"}`, fmt.Sprintf("audio 23 %x", aacHeader), fmt.Sprintf("video 0 %x", avcHeader),
					fmt.Sprintf("video 0 %x", keyFrame), fmt.Sprintf("audio 23 %x", sound), fmt.Sprintf("video 40 %x", interFrame),
					`data "onCue" "chorus" 2`,
				}
				if sorted(got) != sorted(want) {
					t.Errorf("player on %c:\n%s\nwant\n%s", 'B'+i, sorted(got), sorted(want))
				}
			}
			m[0].expect("/own", "frames", "5")
			m[1].expect("", "mona.publications.cam.properties.name", "7")

			// Without players no media flows.
			for _, p := range players {
				p.close()
			}
			m.run(time.Second)
			before := 0
			for _, l := range conns {
				before += l.media()
			}
			pub.video(2000, keyFrame)
			m.run(time.Second)
			for _, l := range conns {
				before -= l.media()
			}
			if before != 0 {
				t.Errorf("%d packets without a player", -before)
			}
			pub.close()
			m.run(time.Second)
			m.everywhere("mona.publications.count", "0")
			m.clean()
		})
	}
}

func maxLetter(s string) (letter rune) {
	for _, c := range s {
		letter = max(letter, c)
	}
	return letter
}

// Players that wait miss nothing of a stream, although their servers hear of it after it began.
func TestClusterOpening(t *testing.T) {
	m := newMesh(t, 3, clusterFiles(t, `require "cluster.publications"`))
	m.links("AB BC")
	players := []*rigStream{m[1].dial("rtmfp://10.0.0.1/").play("cam"), m[2].dial("rtmfp://10.0.0.1/").play("cam")}
	pub := m[0].dial("rtmfp://10.0.0.1/").publish("cam") // the other servers stand still
	pub.data("@setDataFrame", amf.String("onMetaData"), amf.NewObject().Add("width", amf.Number(640)))
	pub.audio(0, aacHeader)
	pub.audio(0, sound)
	pub.video(0, avcHeader)
	pub.video(0, keyFrame)
	pub.video(40, interFrame)
	m.run(time.Second)
	pub.video(80, interFrame)
	m.run(3 * time.Second)
	for _, p := range players {
		m[0].same("player", sorted(p.frames), sorted([]string{
			`data "onMetaData" {width=640}`, fmt.Sprintf("audio 0 %x", aacHeader), fmt.Sprintf("audio 0 %x", sound),
			fmt.Sprintf("video 0 %x", avcHeader), fmt.Sprintf("video 0 %x", keyFrame), fmt.Sprintf("video 40 %x", interFrame),
			fmt.Sprintf("video 80 %x", interFrame),
		}))
	}

	t.Log("# it is kept for a moment only")
	m.age()
	late := m[1].dial("rtmfp://10.0.0.1/").publish("late")
	late.video(0, keyFrame)
	m.run(time.Second)
	m.age()
	p := m[0].dial("rtmfp://10.0.0.1/").play("late")
	m.run(time.Second)
	late.video(120, keyFrame)
	m.run(3 * time.Second)
	if n := len(p.frames); n != 1 {
		t.Errorf("%d frames, want the last one only", n)
	}
	m.clean()
}

// Each packet crosses a ring on one way only, and another one when that breaks.
func TestClusterRing(t *testing.T) {
	m := newMesh(t, 4, clusterFiles(t, `require "cluster.publications"`))
	links := m.links("AB BC CD DA")
	pub := m[0].dial("rtmfp://10.0.0.1/").publish("cam")
	m.run(time.Second)
	player := m[2].dial("rtmfp://10.0.0.1/").play("cam")
	m.run(time.Second)
	for i := range 10 {
		pub.video(uint32(i*40), keyFrame)
	}
	m.run(3 * time.Second)
	if n := len(player.frames); n != 10 {
		t.Errorf("%d frames", n)
	}
	total := links["AB"].media() + links["BC"].media() + links["CD"].media() + links["DA"].media()
	if total != 20 {
		t.Errorf("%d packets on the links, want 20: two for each frame", total)
	}
	used := "BC"
	if links["CD"].media() > 0 {
		used = "CD"
	}
	links[used].end(net.ErrClosed)
	m.run(time.Second)
	m.everywhere("mona.publications.count", "1")
	for i := range 10 {
		pub.video(uint32(1000+i*40), keyFrame)
	}
	m.run(3 * time.Second)
	if n := len(player.frames); n != 20 {
		t.Errorf("%d frames after the break, want 20", n)
	}
	if codes := player.codes(); strings.Contains(codes, "Unpublish") {
		t.Errorf("the player saw the break: %s", codes)
	}

	t.Log("# the server of the publisher is cut off: no server keeps the others' copy alive")
	links["AB"].end(net.ErrClosed)
	links["DA"].end(net.ErrClosed)
	m.run(time.Second)
	for i, want := range []string{"1", "0", "0", "0"} {
		m[i].expect("", "mona.publications.count", want)
	}
	if codes := player.codes(); !strings.HasSuffix(codes, "Play.UnpublishNotify") {
		t.Errorf("player: %s", codes)
	}

	t.Log("# and comes back")
	m.connect(0, 3)
	m.run(time.Second)
	pub.video(5000, keyFrame)
	m.run(3 * time.Second)
	if n := len(player.frames); n != 21 {
		t.Errorf("%d frames after the return, want 21", n)
	}
	m.clean()
}

// A player that waits for a stream gets it; scripts' streams are shared too; a name is taken everywhere.
func TestClusterNames(t *testing.T) {
	m := newMesh(t, 2, clusterFiles(t, `require "cluster.publications"`))
	a, b := m[0], m[1]
	player := b.dial("rtmfp://10.0.0.1/").play("radio")
	m.links("AB")
	a.lua("", `radio = mona:publish("radio")`)
	m.run(time.Second)
	a.lua("", `radio:pushAudio(0, "\175\1x") radio:writeProperties { title = "news" }`)
	m.run(4 * time.Second)
	b.same("player", sorted(player.frames), "audio 0 af0178\n"+`data "onMetaData" {title="news"}`)
	s := b.dial("rtmfp://10.0.0.1/").publish("radio")
	b.same("publish", s.codes(), "Publish.BadName")
	a.lua("", `radio:close()`)
	m.run(time.Second)
	again := b.dial("rtmfp://10.0.0.1/").publish("radio")
	b.same("publish", again.codes(), "Publish.Start")
	m.run(time.Second)
	a.expect("", "mona.publications.radio.running", "true")

	t.Log("# published on both before they meet: each keeps its own; when one ends the other one's takes its place")
	m2 := newMesh(t, 2, clusterFiles(t, `require "cluster.publications"`))
	pa, pb := m2[0].dial("rtmfp://10.0.0.1/").publish("cam"), m2[1].dial("rtmfp://10.0.0.1/").publish("cam")
	m2.links("AB")
	m2.everywhere("mona.publications.count", "1")
	pb.close()
	m2.run(time.Second)
	m2[1].engine.manage()
	m2[1].engine.manage()
	m2.run(time.Second)
	m2.everywhere("mona.publications.count", "1")
	pa.close()
	m2.run(time.Second)
	m2.everywhere("mona.publications.count", "0")
	m.clean()
	m2.clean()
}

// An edit of main.lua, on any of the servers, interrupts nothing for longer than to the next key frame.
func TestClusterReload(t *testing.T) {
	f := clusterFiles(t, `require "cluster.publications"`)
	for i, name := range []string{"publisher", "between", "player"} {
		t.Run(name, func(t *testing.T) {
			m := newMesh(t, 3, f)
			m.links("AB BC")
			pub := m[0].dial("rtmfp://10.0.0.1/own").publish("cam")
			m.run(time.Second)
			player := m[2].dial("rtmfp://10.0.0.1/").play("cam")
			m.run(time.Second)
			pub.video(0, keyFrame)
			m.run(3 * time.Second)
			m.age()
			m[i].write("main.lua", f["main.lua"]+" ")
			if err := m[i].reload(""); err != nil {
				t.Fatal(err)
			}
			m.run(time.Second)
			pub.video(1000, keyFrame)
			pub.video(1040, interFrame)
			m.run(3 * time.Second)
			if n := len(player.frames); n != 3 {
				t.Errorf("%d frames, want 3", n)
			}
			m.everywhere("mona.publications.count", "1")

			t.Log("# without the module")
			m[i].write("main.lua", "")
			if err := m[i].reload(""); err != nil {
				t.Fatal(err)
			}
			m.run(time.Second)
			want := map[int]string{0: "1 0 0", 1: "1 0 0", 2: "1 1 0"}[i]
			var got []string
			for _, r := range m {
				got = append(got, r.eval("", "mona.publications.count"))
			}
			m[0].same("publications", strings.Join(got, " "), want)
			m.clean()
		})
	}
}

// Whatever another server says, this one goes on.
func TestClusterNonsense(t *testing.T) {
	m := newMesh(t, 1, clusterFiles(t, allModules))
	r := m[0]
	l := r.meet(false, "192.0.2.9:50000", nil)
	values := []amf.Value{
		amf.Null{},
		amf.String(""), amf.String("x"), amf.Number(1), amf.Bool(true), amf.NewObject(), &amf.Array{Dense: []amf.Value{amf.Number(1)}},
		&amf.Array{Dense: []amf.Value{amf.NewObject().Add("name", amf.String("x")).Add("instance", amf.String("i")).Add("path", &amf.Array{})}},
	}
	for _, name := range []string{
		"clusterHello", "clusterStreams", "clusterStreamsEnd", "clusterGone", "clusterWant", "clusterAudio", "clusterVideo", "clusterData",
		"clusterGroups", "clusterMembers", "clusterJoin", "clusterUnjoin", "clusterGroupsEnd", "clusterLoad", "clusterBye",
	} {
		for _, a := range values {
			for _, b := range values {
				r.engine.ServerCall(l, name, []amf.Value{a, b, a}, 64, func() {})
				r.run(0)
			}
		}
	}
	for _, name := range []string{"?", "cam?x=1", " a ", "\x00", "mp4:b"} {
		entry := amf.NewObject().Add("name", amf.String(name)).Add("instance", amf.String("c-1")).
			Add("path", &amf.Array{Dense: []amf.Value{amf.String("c")}})
		r.engine.ServerCall(l, "clusterStreams", []amf.Value{&amf.Array{Dense: []amf.Value{entry}}}, 64, func() {})
		r.run(0)
		r.engine.ServerCall(l, "clusterGone", []amf.Value{amf.String(name), amf.String("c-1")}, 64, func() {})
	}
	m.age()
	m.age()
	r.expect("", "mona.publications.count", "0")
	m.clean()
}

// groupsOf are the members of group n on a server, as c1, c2 …
func groupsOf(r *rig, n byte) string {
	id, _ := groupID(n)
	return r.eval("", `mona.groups("`+id+`") and #mona.groups("`+id+`") or 0`)
}

func TestClusterGroups(t *testing.T) {
	m := make(rigs, 3)
	intro := make([]*fakeGroups, 3)
	for i := range m {
		intro[i] = new(fakeGroups)
		m[i] = newRig(t, clusterFiles(t, allModules), func(c *Config) { c.Groups = intro[i] })
	}
	members := func(want string) {
		t.Helper()
		m.run(time.Second)
		var got []string
		for _, r := range m {
			got = append(got, groupsOf(r, 7))
		}
		m[0].same("members", strings.Join(got, " "), want)
	}
	c1 := m[0].dial("rtmfp://10.0.0.1/own")
	m[1].dial("rtmfp://10.0.0.1/own") // or c2 would have the same id: all is deterministic
	f1 := c1.joinGroup(7)
	links := m.links("AB BC") // members that exist already
	c2 := m[1].dial("rtmfp://10.0.0.1/own")
	f2 := c2.joinGroup(7)
	members("2 2 1") // C has no connection with A: it is told nothing of c1
	ca := m.links("CA")["CA"]
	members("2 2 2")
	m[1].same("introductions on B", intro[1].told(c1, c2), "+7 virtual c1, +7 real c2")
	m[1].expect("/own", "seen", "onServerConnection onServerConnection onJoinGroup ")

	t.Log("# leaving")
	c1.leaveGroup(f1)
	members("1 1 1")
	c1.joinGroup(7)
	members("2 2 2")
	c1.leave()
	members("1 1 1")

	t.Log("# the end of a connection takes what it told, and no more")
	links["BC"].end(net.ErrClosed)
	members("1 1 0")
	links["AB"].end(net.ErrClosed)
	members("0 1 0")
	m.links("AB BC")
	members("1 1 1")

	t.Log("# a reload")
	m[1].write("main.lua", allModules+" ")
	if err := m[1].reload(""); err != nil {
		t.Fatal(err)
	}
	members("1 1 1")
	c2.leaveGroup(f2)
	members("0 0 0")
	ca.end(net.ErrClosed)
	for i, l := range []*sampleLink{ca, links["AB"], links["BC"]} {
		if n := len(l.sent) + len(l.other.sent); n > 60 {
			t.Errorf("link %d carried %d messages: an echo", i, n)
		}
	}
	m.clean()
}

// Peers look for each other on all servers.
func TestClusterRendezvous(t *testing.T) {
	r := newRig(t, clusterFiles(t, allModules))
	r.same("alone", fmt.Sprint(r.engine.rendezvousUnknown("RTMFP", strings.Repeat("x", 32))), "[]")
	r.meet(true, "192.168.0.2:1936", map[string]string{"RTMFP.publicAddress": "192.168.0.2:1935"})
	r.meet(false, "192.168.0.3:50000", map[string]string{"RTMFP.publicAddress": "192.168.0.3:1935"})
	r.same("redirection", fmt.Sprint(r.engine.rendezvousUnknown("RTMFP", strings.Repeat("x", 32))), "[192.168.0.2:1935 192.168.0.3:1935]")
}

func balanced(mode string) func(*Config) {
	return func(cfg *Config) { cfg.Params = map[string]string{"cluster.balance": mode, "cluster.viewers": "2"} }
}

func (r *rig) hello(attempts int) string {
	return strings.Trim(fmt.Sprint(r.engine.handshake(HandshakeRequest{Protocol: "RTMFP", Path: "", Attempts: attempts})), "[]")
}

func TestClusterBalance(t *testing.T) {
	const b, c = "192.168.0.2:1935", "192.168.0.3:1935"
	for mode, want := range map[string]string{"turn": b + "|" + c + "|" + b, "all": b + " " + c + "|" + b + " " + c + "|" + b + " " + c} {
		r := newRig(t, clusterFiles(t, allModules), balanced(mode))
		r.same(mode, r.hello(1), "")
		r.meet(true, "192.168.0.2:1936", map[string]string{"RTMFP.publicAddress": b})
		r.meet(true, "192.168.0.3:1936", map[string]string{"RTMFP.publicAddress": c})
		r.same(mode, r.hello(1)+"|"+r.hello(1)+"|"+r.hello(1), want)
		r.same(mode+": unreachable", r.hello(3), "")
	}

	bad := newRig(t, clusterFiles(t, allModules), balanced("most"))
	bad.logged("cluster.balance = most in MonaServer.ini: least, turn or all was expected")
}

// Clients go where the fewest are, and a burst of them is spread although counts come every two seconds.
func TestClusterBalanceLeast(t *testing.T) {
	r := newRig(t, clusterFiles(t, allModules), balanced("least"))
	b := r.meet(true, "192.168.0.2:1936", map[string]string{"RTMFP.publicAddress": "192.168.0.2:1935", "host": "b.example.com"})
	c := r.meet(true, "192.168.0.3:1936", map[string]string{"RTMFP.publicAddress": "192.168.0.3:1935", "host": "c.example.com:1940"})
	for range 8 {
		r.dial("rtmfp://10.0.0.1/own")
	}
	r.same("nobody counts", r.hello(1), "")
	load := func(l *sampleLink, clients, viewers float64) {
		r.engine.ServerCall(l, "clusterLoad", []amf.Value{amf.Number(clients), amf.Number(viewers)}, 64, func() {})
		r.run(0)
	}
	load(b, 2, 0)
	load(c, 4, 0)
	if got := b.sent[len(b.sent)-1]; got != "clusterLoad(8 0)" {
		t.Errorf("B is told %s", got)
	}
	var went []string
	for range 8 {
		went = append(went, strings.TrimSuffix(strings.TrimPrefix(r.hello(1), "192.168.0."), ":1935"))
	}
	r.same("went to", strings.Join(went, " "), "2 2 2 3 2 3  ")
	load(b, 0, 1)
	r.dial("rtmfp://10.0.0.1/own").leave()
	r.engine.manage()
	r.same("redirected", r.hello(1), "192.168.0.2:1935")
	b.end(net.ErrClosed)
	c.end(net.ErrClosed)
	r.run(0)
	r.same("alone", r.hello(1), "")

	t.Log("# viewers beyond the second are sent to the server with the fewest")
	client := r.dial("rtmfp://10.0.0.1/own")
	client.play("x")
	client.play("y")
	r.plays("nowhere to go", client.play("z"))
	b = r.meet(true, "192.168.0.2:1936", map[string]string{"host": "b.example.com"})
	c = r.meet(true, "192.168.0.3:1936", map[string]string{"host": "c.example.com:1940"})
	load(b, 0, 1)
	load(c, 0, 0)
	s := client.play("cam")
	r.same("play", s.codes()+": "+s.text(), "Play.Failed: c.example.com:1940")
	load(b, 0, 2)
	load(c, 0, 2)
	r.plays("all are full", client.play("film"))
	r.expect("/own", "seen:find('onSubscribe onUnsubscribe') ~= nil", "true")
}

// All modules together, with an application that has every event itself, and required twice.
func TestClusterTogether(t *testing.T) {
	f := clusterFiles(t, allModules+`
		function onServerConnection(server) met = (met or 0) + 1 end
		function onRendezVousUnknown() return "192.0.2.1:1935" end`)
	f["child/main.lua"] = allModules
	m := newMesh(t, 3, f)
	m.links("AB BC CA")
	for _, r := range m {
		r.dial("rtmfp://10.0.0.1/child")
		r.expect("", "met", "2")
	}
	pub := m[0].dial("rtmfp://10.0.0.1/own").publish("cam")
	m.run(time.Second)
	player := m[1].dial("rtmfp://10.0.0.1/child").play("cam")
	m.run(time.Second)
	pub.write(media.Video, 0, keyFrame)
	m.run(3 * time.Second)
	m[1].same("player", strings.Join(player.frames, " "), fmt.Sprintf("video 0 %x", keyFrame))
	c := m[2].connect(netconn.ClientConfig{URL: "rtmfp://10.0.0.1/own"})
	if c.err != nil {
		t.Error(c.err)
	}
	m.clean()
}

// The number of viewers outlives an edit, but not a time in which nobody counted.
func TestClusterViewers(t *testing.T) {
	r := newRig(t, clusterFiles(t, allModules), balanced("least"))
	b := r.meet(true, "192.168.0.2:1936", map[string]string{"host": "b.example.com"})
	r.engine.ServerCall(b, "clusterLoad", []amf.Value{amf.Number(0), amf.Number(0)}, 64, func() {})
	c := r.dial("rtmfp://10.0.0.1/own")
	c.publish("cam")
	first, second := c.play("cam"), r.dial("rtmfp://10.0.0.1/own").play("later")
	const full = "Play.Failed: b.example.com"
	play := func(want string) {
		t.Helper()
		c := r.dial("rtmfp://10.0.0.1/own")
		s := c.play("cam")
		if got := s.codes() + ": " + s.text(); (got == full) != (want == full) {
			t.Errorf("%s, want %s", got, want)
		}
		c.leave()
	}
	play(full)
	edit := func(text string) {
		t.Helper()
		r.write("main.lua", text)
		_ = r.reload("")
	}
	edit(allModules + " ")
	play(full)
	r.lua("", `mona.clusterViewersTime = mona.clusterViewersTime - 60000`)
	edit("not Lua")
	second.close()
	edit(allModules)
	r.engine.ServerCall(b, "clusterLoad", []amf.Value{amf.Number(0), amf.Number(0)}, 64, func() {})
	r.run(0)
	play("room")
	second = r.dial("rtmfp://10.0.0.1/own").play("cam")
	play(full)
	second.close()
	first.close()
	r.expect("", "mona.clusterViewers", "0")
}

// The corrected form of the page's application: a chain of three servers.
func TestClusterChain(t *testing.T) {
	f := clusterFiles(t, `require "cluster.chain"`)
	const url = "rtmfp://10.0.0.1/own"
	m := newMesh(t, 3, f, func(cfg *Config) { cfg.Params = map[string]string{"cluster.viewers": "2"} })
	first := m.connect(0, 1)
	a, c := m[0], m[2]
	p := a.dial(url).publish("cam")
	p.data("@setDataFrame", amf.String("onMetaData"), amf.NewObject().Add("width", amf.Number(640)))
	p.video(0, avcHeader)
	p.video(0, keyFrame)

	t.Log("# the third server comes late: metadata and configuration are sent again")
	m.connect(1, 2)
	player := c.dial(url).play("cam")
	p.video(1000, keyFrame)
	p.video(1040, interFrame)
	p.data("onCue", amf.Number(1))
	m.run(3 * time.Second)
	c.same("player at the end", sorted(player.frames), sorted([]string{
		`data "onMetaData" {width=640}`, fmt.Sprintf("video 0 %x", avcHeader), fmt.Sprintf("video 0 %x", keyFrame),
		fmt.Sprintf("video 40 %x", interFrame), `data "onCue" 1`,
	}))

	t.Log("# viewers beyond the second are sent on")
	for range 2 {
		a.plays("below the limit", a.dial(url).play("cam"))
	}
	s := a.dial(url).play("cam")
	a.same("play", s.codes()+": "+s.text(), "Play.Failed: www.hostB.com")

	t.Log("# an edit in the middle: its copies begin anew")
	m[1].write("main.lua", f["main.lua"]+" ")
	if err := m[1].reload(""); err != nil {
		t.Fatal(err)
	}
	m.run(time.Second)
	c.expect("", "mona.publications.cam.running", "true")
	p.video(2000, keyFrame)
	m.run(3 * time.Second)
	if last := player.frames[len(player.frames)-1]; !strings.HasSuffix(last, fmt.Sprintf("%x", keyFrame)) {
		t.Errorf("after the edit: %s", sorted(player.frames))
	}

	t.Log("# the first link ends, and everything behind it")
	first.end(net.ErrClosed)
	m.run(time.Second)
	m[1].expect("", "mona.publications.count", "0")
	c.expect("", "mona.publications.count", "0")
	p.video(3000, keyFrame)
	m.connect(0, 1)
	m.run(time.Second)
	c.expect("", "mona.publications.cam.running", "true")
	p.close()
	m.run(time.Second)
	c.expect("", "mona.publications.count", "0")
	for _, r := range m {
		r.notLogged("attempt to")
		r.notLogged("deleted")
		r.notLogged("not running")
	}
}

// What is over leaves nothing behind, neither streams nor members nor servers.
func TestClusterForgets(t *testing.T) {
	m := newMesh(t, 3, clusterFiles(t, allModules))
	m.links("AB BC CA")
	group, raw := groupID(7)
	weights := func() (w [3]uint64) {
		for i, r := range m {
			r.engine.do(r.engine.root, func() { w[i] = r.engine.weigh(r.engine.root) })
		}
		return w
	}
	round := func(n int) {
		m[0].lua("", fmt.Sprintf(`for i = 1, 300 do mona:publish("stream%d-" .. i):close() end`, n))
		m[1].lua("", fmt.Sprintf(`list = {} for i = 1, 300 do list[i] = mona:publish("other%d-" .. i) end`, n))
		l := m[1].meet(false, fmt.Sprintf("192.0.2.1:%d", 1000+n), nil)
		for i := range 300 {
			id := amf.String(fmt.Sprintf("%032d", 300*n+i))
			m[1].engine.ServerCall(l, "clusterJoin", []amf.Value{amf.String(strings.Repeat("\a", 32)), id}, 64, func() {})
		}
		m.run(0)
		m[1].expect("", `mona.groups("`+group+`").count, mona.groups(`+raw+`):size()`, "300,300")
		m[1].lua("", `for _, p in ipairs(list) do p:close() end list = nil`)
		l.end(nil)
		m.run(0)
		m.everywhere("mona.publications.count, mona.groups.count", "0,0")
	}
	for n := range 3 { // tables are copied now and then
		round(n)
	}
	before := weights()
	for n := range 3 {
		round(3 + n)
	}
	after := weights()
	for i := range m {
		if after[i] > before[i]+128<<10 {
			t.Errorf("server %c holds %d bytes, %d before 1800 more streams and members", 'A'+i, after[i], before[i])
		}
	}
	m.clean()
}
