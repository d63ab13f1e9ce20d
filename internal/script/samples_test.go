package script

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/mesh"
	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/amf"
)

// The samples of "Scalability and load-balancing", the page of MonaServer's documentation about several
// servers, are in testdata as they are published.

// sample is a sample as the root application.
func sample(t testing.TB, name string) files {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "samples", name+".lua"))
	if err != nil {
		t.Fatal(err)
	}
	return files{"main.lua": string(text)}
}

// sampleLink is one side of a connection between two rigs. Without another side it only notes what is sent.
type sampleLink struct {
	rig      *rig
	other    *sampleLink
	target   bool
	addr     netip.AddrPort
	params   map[string]string
	sent     []string
	rejected string
	over     bool
}

func (l *sampleLink) IsTarget() bool            { return l.target }
func (l *sampleLink) Addr() netip.AddrPort      { return l.addr }
func (l *sampleLink) Params() map[string]string { return l.params }
func (l *sampleLink) Ready([]string)            {}

func (l *sampleLink) Flush() {}

func (l *sampleLink) Send(handler string, payload []byte, _ mesh.Media) error {
	if l.over {
		return net.ErrClosed
	}
	args := decoded(l.rig.t, payload)
	l.sent = append(l.sent, handler+"("+amfText(args...)+")")
	if o := l.other; o != nil {
		o.rig.engine.ServerCall(o, handler, args, 1024, func() {})
	}
	return nil
}

// decoded are the arguments of a message between servers.
func decoded(t testing.TB, payload []byte) (args []amf.Value) {
	t.Helper()
	for r := amf.NewReader(payload, amf.Limits{}); r.More(); {
		v, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		args = append(args, v)
	}
	return args
}

func (l *sampleLink) Reject(reason string) {
	l.rejected = reason
	l.end(errors.New(reason))
}

// end cuts the connection.
func (l *sampleLink) end(err error) {
	for _, side := range []*sampleLink{l, l.other} {
		if side != nil && !side.over {
			side.over = true
			side.rig.engine.ServerDisconnected(side, err)
		}
	}
}

// meet connects a server that is not there to r.
func (r *rig) meet(target bool, addr string, params map[string]string) *sampleLink {
	l := &sampleLink{rig: r, target: target, addr: netip.MustParseAddrPort(addr), params: params}
	r.engine.ServerConnected(l)
	r.run(0)
	return l
}

// rigs are rigs that are connected to each other.
type rigs []*rig

// newMesh makes n servers with the same files; server i is at 192.168.0.i, its public host is www.host<letter>.com.
func newMesh(t testing.TB, n int, f files, change ...func(*Config)) rigs {
	m := make(rigs, n)
	for i := range m {
		m[i] = newRig(t, f, change...)
	}
	return m
}

// connect makes server j a target of server i.
func (m rigs) connect(i, j int) *sampleLink {
	params := func(k int) map[string]string {
		return map[string]string{"host": fmt.Sprintf("www.host%c.com", 'A'+k)}
	}
	a := &sampleLink{rig: m[i], target: true, addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 168, 0, byte(j + 1)}), 1936), params: params(j)}
	b := &sampleLink{rig: m[j], addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 168, 0, byte(i + 1)}), 50000), params: params(i)}
	a.other, b.other = b, a
	m[i].engine.ServerConnected(a)
	m[j].engine.ServerConnected(b)
	m.run(0)
	return a
}

// run lets everything happen on all of them.
func (m rigs) run(d time.Duration) {
	for range 2 * len(m) {
		for _, r := range m {
			r.run(d / time.Duration(2*len(m)))
		}
	}
}

// sorted are frames in an order that does not depend on the flows they came on.
func sorted(frames []string) string {
	list := slices.Clone(frames)
	slices.Sort(list)
	return strings.Join(list, "\n")
}

func TestSampleTarget(t *testing.T) { // S1
	r := newRig(t, sample(t, "S1"))
	r.meet(true, "192.168.0.2:1936", map[string]string{"host": "www.hostB.com", "RTMFP.publicAddress": "192.168.0.2:1935"})
	r.logged("Target gotten : 192.168.0.2 (www.hostB.com for clients)\"")
	r.forget()
	r.meet(false, "192.168.0.3:50000", map[string]string{"host": "www.hostC.com"})
	r.notLogged("Target gotten")
}

func TestSampleInitiator(t *testing.T) { // S2
	r := newRig(t, sample(t, "S2"))
	r.meet(false, "192.168.0.1:50000", nil)
	r.logged("www/main.lua:2: false\"")
	r.notLogged("true")
}

func TestSampleProperties(t *testing.T) { // S4
	r := newRig(t, sample(t, "S4"))
	for range 2 { // again after a reconnection
		master := r.meet(true, "192.168.0.2:1936", map[string]string{"type": "master"})
		r.logged("Master server connected")
		r.forget()
		other := r.meet(true, "192.168.0.3:1936", nil)
		other.end(nil)
		r.run(0)
		r.notLogged("Master server")
		master.end(net.ErrClosed)
		r.run(0)
		r.logged("Master server disconnected")
		r.forget()
	}
	r.notLogged("error")
}

func TestSampleReject(t *testing.T) { // S5
	r := newRig(t, sample(t, "S5"))
	r.logged(`"level":"warn"`) // "is not" is not Lua
	r.logged("www/main.lua:3")
	stranger := r.meet(false, "192.168.0.7:50000", nil)
	r.same("rejected with", stranger.rejected, "www/main.lua:4: 192.168.0.7 is trying to connect to the server => rejected")
	r.logged(stranger.rejected)
	r.expect("", "mona.servers.count", "0")
	local := r.meet(false, "127.0.0.1:50000", nil)
	r.same("rejected with", local.rejected, "")
	r.expect("", "mona.servers.count", "1")
	r.dial("rtmfp://10.0.0.1/")
}

func TestSampleHello(t *testing.T) { // S6
	f := sample(t, "S6")
	f["game/main.lua"] = `function names() for i, s in mona.servers:ipairs() do return i, s.name end end`
	m := newMesh(t, 2, f)
	for _, r := range m {
		r.logged("application loaded")
		r.notLogged("Server '") // the loop runs when the file is loaded: there was no server then
		r.lua("", `children("game")`)
	}
	link := m.connect(0, 1)
	for _, r := range m {
		r.expect("", "mona.servers(1).name", "MonaServer A")
		r.expect("/game", "names()", "1,MonaServer A") // the object is shared
	}
	m[0].write("main.lua", f["main.lua"])
	if err := m[0].reload(""); err != nil {
		t.Fatal(err)
	}
	m.run(0)
	m[0].logged("Server 'MonaServer A' at address 192.168.0.2\"")

	t.Log("# a reload before the other one has said its name fails at the loop, until the file changes again")
	link.end(nil)
	m.run(0)
	m[0].meet(true, "192.168.0.3:1936", nil)
	m[0].write("main.lua", f["main.lua"])
	if err := m[0].reload(""); err == nil || !strings.Contains(err.Error(), "www/main.lua:11:") {
		t.Errorf("reload: %v", err)
	}
	c := m[0].connect(netconn.ClientConfig{URL: "rtmfp://10.0.0.1/"})
	if text := description(c.err); !strings.HasPrefix(text, "www/main.lua:11: ") {
		t.Errorf("a client is told %s", text)
	}
}

func TestSamplePublications(t *testing.T) { // S7
	m := newMesh(t, 2, sample(t, "S7"))
	a, b := m[0], m[1]
	link := m.connect(0, 1)
	playA, playB := a.dial("rtmfp://10.0.0.1/").play("cam"), b.dial("rtmfp://10.0.0.1/").play("cam")
	p := a.dial("rtmfp://10.0.0.1/").publish("cam")
	m.run(time.Second)
	p.data("@setDataFrame", amf.String("onMetaData"), amf.NewObject().Add("width", amf.Number(640)))
	p.audio(0, aacHeader)
	p.video(0, avcHeader)
	p.video(0, keyFrame)
	p.audio(23, sound)
	p.video(40, interFrame)
	p.data("onCue", amf.String("chorus"), amf.Number(2))
	p.video(80, interFrame)
	m.run(4 * time.Second)
	want := sorted([]string{
		fmt.Sprintf("audio 0 %x", aacHeader), fmt.Sprintf("video 0 %x", avcHeader), fmt.Sprintf("video 0 %x", keyFrame),
		fmt.Sprintf("audio 23 %x", sound), fmt.Sprintf("video 40 %x", interFrame), fmt.Sprintf("video 80 %x", interFrame),
		`data "onCue" "chorus" 2`, `data "onMetaData" {width=640}`,
	})
	a.same("player on A", sorted(playA.frames), want)
	b.same("player on B", sorted(playB.frames), want)

	t.Log("# a server that connects while streams run is told of them; a second target is refused, and the first stays")
	third := a.meet(true, "192.168.0.9:1936", nil)
	a.same("rejected", third.rejected, "www/main.lua:46: following server already connected")
	a.expect("", "_nextServer.host", "www.hostB.com")
	a.write("child/main.lua", "-- starts, and the root application does not see its server again")
	a.dial("rtmfp://10.0.0.1/child")
	a.expect("", "_nextServer.host", "www.hostB.com")

	t.Log("# the end of a stream, and of the connection")
	p.close()
	m.run(time.Second)
	b.expect("", "mona.publications.count", "0")
	if codes := playB.codes(); !strings.HasSuffix(codes, "Play.UnpublishNotify") {
		t.Errorf("player on B: %s", codes)
	}
	again := a.dial("rtmfp://10.0.0.1/").publish("cam")
	m.run(time.Second)
	b.expect("", "mona.publications.cam.running", "true")
	link.end(net.ErrClosed)
	m.run(time.Second)
	b.expect("", "mona.publications.count", "0")
	a.expect("", "_nextServer", "nil")
	a.same("publisher", again.codes(), "Publish.Start")

	t.Log("# connected again: what runs is announced")
	m.connect(0, 1)
	b.expect("", "mona.publications.cam.running", "true")
}

// From 400 subscribers on, players are sent to the next server.
func TestSampleRedirection(t *testing.T) { // S7
	r := newRig(t, sample(t, "S7"))
	var clients []*rigClient
	var streams []*rigStream
	for range 4 {
		c := r.dial("rtmfp://10.0.0.1/")
		clients = append(clients, c)
		for i := range 100 {
			s := c.stream()
			s.Play(r.Now(), fmt.Sprint("cam", i))
			streams = append(streams, s)
		}
	}
	last := clients[0]
	r.until(func() bool { return len(streams[len(streams)-1].statuses) > 0 }, "answer to play")
	r.expect("", "_subscribers", "400")
	last.play("more") // there is no server to send it to
	r.expect("", "_subscribers", "401")
	r.meet(true, "192.168.0.2:1936", map[string]string{"host": "www.hostB.com:1935"})
	s := last.play("cam")
	r.same("code", s.codes(), "Play.Failed")
	words := strings.Split(s.text(), " ")
	r.same("last word", words[len(words)-1], "www.hostB.com:1935")

	streams[0].close()
	r.expect("", "_subscribers", "400")
	clients[3].leave()
	r.expect("", "_subscribers", "300")
	r.plays("below the limit", last.play("cam"))
}

// The demo: servers know their names, clients reach each other through them.
func TestExampleCluster(t *testing.T) {
	f := example(t, "cluster-demo", "cluster")
	f["main.lua"] = f["cluster-demo/root.lua"]
	const url = "rtmfp://10.0.0.1/cluster-demo"
	names := []string{"A", "B", "C"}
	m := newMesh(t, 3, f, func(cfg *Config) {
		cfg.Params = map[string]string{"cluster.name": names[0]}
		names = names[1:]
	})
	m.links("AB BC CA")
	a, c := m[0], m[2]
	a.logged("Target gotten : 192.168.0.2 (www.hostB.com for clients)")
	a.logged("Server 'B' at address 192.168.0.2")
	client := a.dial(url)
	a.same("servers", client.answer("servers"),
		`[{name="B" address="192.168.0.2" host="www.hostB.com"} {name="C" address="192.168.0.3" host="www.hostC.com"}]`)
	a.same("whoami", client.answer("whoami"), fmt.Sprintf(`"A" %q`, a.idOf(client)))
	a.dial(url).publish("cam")
	m.run(time.Second)
	other := c.dial(url)
	other.play("cam")
	c.same("streams", other.answer("streams"), `[{name="cam" viewers=1}]`)
	c.same("groups", other.answer("groups"), `[]`)
	other.joinGroup(7)
	id, _ := groupID(7)
	m.run(time.Second)
	a.same("groups", client.answer("groups"), `{`+id+`=1}`)
	c.same("heard", other.answer("say", amf.String("hello")), "1")
	m.run(time.Second)
	a.same("client of A", client.told(), `onSay("C" "hello")`)
	c.same("client of C", other.told(), `onSay("C" "hello")`)
	m.clean()
}

// The gate refuses who is not on the list.
func TestExampleClusterGate(t *testing.T) {
	f := example(t, "cluster-demo")
	f["main.lua"] = `children("cluster-demo")`
	r := newRig(t, f, func(cfg *Config) { cfg.Params = map[string]string{"cluster.addresses": "127.0.0.1; 192.0.2.7"} })
	stranger := r.meet(false, "192.0.2.8:50000", nil)
	if !strings.HasSuffix(stranger.rejected, "192.0.2.8 is trying to connect to the server => rejected") {
		t.Errorf("rejected with %q", stranger.rejected)
	}
	for _, l := range []*sampleLink{r.meet(false, "192.0.2.7:50000", nil), r.meet(true, "192.0.2.8:1936", nil)} {
		r.same("rejected", l.rejected, "")
	}
}
