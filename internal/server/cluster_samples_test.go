package server

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// Samples: the sides of a connection, properties of a target, both in the configuration that the page shows.
func TestClusterSampleConnection(t *testing.T) {
	b := startMember(t, sampleScripts(t, "S2"), "", "host = www.hostB.com")
	a := startMember(t, sampleScripts(t, "S1"), b.links.String(), "")
	a.logged("www/main.lua:4: Target gotten : 127.0.0.1 (www.hostB.com for clients)")
	b.logged("www/main.lua:2: false")

	text, err := os.ReadFile(filepath.Join("..", "script", "testdata", "samples", "S3.ini"))
	if err != nil {
		t.Fatal(err)
	}
	var targets string
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "targets = "); ok {
			targets = strings.TrimSpace(value)
		}
	}
	master, other := startMember(t, sampleScripts(t, "S4"), "", ""), startMember(t, nil, "", "")
	targets = strings.Replace(targets, "192.168.0.2:1936", master.links.String(), 1)
	targets = strings.Replace(targets, "192.168.0.3:1936", other.links.String(), 1)
	c := startMember(t, sampleScripts(t, "S4"), targets, "host = www.myhost.com:1935")
	c.logged("Master server connected")
	master.logged("Master server connected") // the property is known on both sides
	until(t, "second connection", func() bool { return strings.Count(c.logs.String(), "Connection established") == 2 })
	other.stop()
	until(t, "its end", func() bool { return strings.Contains(c.logs.String(), "Disconnection from "+other.links.String()) })
	master.stop()
	c.logged("Master server disconnected")
	for _, text := range []string{"Master server connected", "Master server disconnected"} {
		if n := strings.Count(c.logs.String(), text); n != 1 {
			t.Errorf("%s: %d times", text, n)
		}
	}
}

// Sample: an error refuses a server that does not come from 127.0.0.1, and the other side is told.
func TestClusterSampleReject(t *testing.T) {
	near := startMember(t, map[string]string{"main.lua": ""}, "", "")
	far := startMemberAt(t, netip.MustParseAddr("127.0.0.2"), map[string]string{"main.lua": ""}, "", "")
	a := startMember(t, sampleScripts(t, "S5"), near.links.String()+";"+far.links.String(), "")
	const reason = "127.0.0.2 is trying to connect to the server => rejected"
	until(t, "rejection", func() bool {
		return strings.Contains(a.logs.String(), reason) && strings.Contains(far.logs.String(), reason)
	})
	until(t, "connection", func() bool { return strings.Contains(near.logs.String(), "Connection established") })
	if strings.Contains(near.logs.String(), "reject") {
		t.Errorf("the near one is rejected, too:\n%s", near.logs.String())
	}
}

// Sample: servers tell each other their names, and every application sees them.
func TestClusterSampleHello(t *testing.T) {
	scripts := sampleScripts(t, "S6")
	scripts["live/main.lua"] = `function onConnection(client)
		function client:names() for index, server in mona.servers:ipairs() do return index, server.name, server.address end end
	end`
	for i, m := range startChain(t, 2, scripts, false, "") {
		client := visit(t, m.addr)
		until(t, "name", func() bool {
			r, _ := client.call("names")
			return fmt.Sprint(r.Values) == "[1 MonaServer A 127.0.0.1]"
		})
		if strings.Contains(m.logs.String(), `"level":"error"`) {
			t.Errorf("server %d:\n%s", i, m.logs.String())
		}
	}
}

// Sample: what is published on A is played on A and on B, and ends there, too.
func TestClusterSamplePublications(t *testing.T) {
	list := startChain(t, 2, sampleScripts(t, "S7"), false, "")
	early := visit(t, list[1].addr)
	early.play("cam")
	here := visit(t, list[0].addr)
	here.play("cam")
	publisher := dialPeer(t, list[0].addr)
	publisher.publish("cam")
	early.expect(netconn.CodePlayPublishNotify)
	publisher.send(0)
	here.receives("A")
	early.receives("B")
	publisher.close()
	early.expect(netconn.CodePlayUnpublishNotify)

	again := visit(t, list[0].addr)
	again.publish("cam")
	early.expect(netconn.CodePlayPublishNotify)
	again.send(0)
}

// Samples: the 401st player is sent to the next server with NetStream.Play.Failed, and a client that does what the
// page tells its authors to do plays there.
func TestClusterSampleRedirection(t *testing.T) {
	list := startChain(t, 2, sampleScripts(t, "S7"), false, "")
	publisher := visit(t, list[0].addr)
	publisher.publish("cam")
	var playing atomic.Int32
	for range 4 {
		viewer := visit(t, list[0].addr)
		viewer.do(func(now rtmfp.Time) {
			for i := range 100 {
				var s *netconn.ClientStream
				status := func(now rtmfp.Time, info netconn.Info) {
					switch info.Code {
					case netconn.CodePlayStart:
						playing.Add(1)
					case netconn.CodePlayFailed: // on a very slow machine, for example, for want of time
						t.Logf("stream %d: %s; once more", i, info.Description)
						_ = s.Play(now, fmt.Sprint("cam", i))
					}
				}
				viewer.conn.CreateStream(now, netconn.StreamConfig{OnStatus: status}, func(now rtmfp.Time, made *netconn.ClientStream, err error) {
					if s = made; err != nil || s.Play(now, fmt.Sprint("cam", i)) != nil {
						t.Errorf("stream %d: %v", i, err)
					}
				})
			}
		})
	}
	until(t, "400 players", func() bool { return playing.Load() == 400 })
	viewer := visit(t, list[0].addr)
	viewer.do(func(now rtmfp.Time) { _ = viewer.stream.Play(now, "cam") })
	failed := viewer.answer(netconn.CodePlayFailed, netconn.CodePlayStart)
	if failed.Code != netconn.CodePlayFailed {
		t.Fatalf("%+v for player 401", failed)
	}
	words := strings.Split(failed.Description, " ")
	addr, err := netip.ParseAddrPort(words[len(words)-1])
	if err != nil || addr != list[1].addr {
		t.Fatalf("description %q, want the address %s at its end", failed.Description, list[1].addr)
	}
	there := visit(t, addr)
	there.play("cam")
	publisher.send(0)
	there.receives("the next server")
}

// Samples: a server in front of two others sends its clients to them, in turn or to whichever is faster.
func TestClusterSampleBalance(t *testing.T) {
	b, c := startMember(t, map[string]string{"live/main.lua": ""}, "", ""), startMember(t, map[string]string{"live/main.lua": ""}, "", "")
	for _, name := range []string{"S9", "S10"} {
		front := startMember(t, sampleScripts(t, name), b.links.String()+";"+c.links.String(), "")
		until(t, "connections", func() bool { return strings.Count(front.logs.String(), "Connection established") == 2 })
		before := [2]int64{b.clients(), c.clients()}
		for range 4 {
			visit(t, front.addr)
		}
		atB, atC := b.clients()-before[0], c.clients()-before[1]
		if front.clients() != 0 || atB+atC != 4 || (name == "S9" && atB != 2) {
			t.Errorf("%s: %d clients in front, %d and %d behind", name, front.clients(), atB, atC)
		}
	}
}

// meets waits until a peer found another one by the introduction of the server at addr.
func (p *peer) meets(other *peer, addr netip.AddrPort) {
	p.t.Helper()
	s := make(chan *rtmfp.Session, 1)
	p.do(func(now rtmfp.Time) {
		session, err := p.transport.Shards()[0].Endpoint().Dial(now, rtmfp.DialConfig{EPD: rtmfp.EPDForPeer(other.id), Addrs: []netip.AddrPort{addr}})
		if err != nil {
			p.t.Error(err)
		}
		s <- session
	})
	session := <-s
	until(p.t, "session between the peers", func() (open bool) {
		p.do(func(rtmfp.Time) { open = session != nil && session.IsOpen() })
		return open
	})
}

// Sample: a peer that is connected to another server is found there, and that server introduces it.
func TestClusterSampleRendezvous(t *testing.T) {
	list := startChain(t, 2, sampleScripts(t, "S11"), false, "")
	a, b := visit(t, list[0].addr), visit(t, list[1].addr)
	a.meets(b, list[0].addr)
	b2 := visit(t, list[1].addr)
	b2.meets(a, list[1].addr) // against the direction of the connection
	for i, m := range list {
		if m.rtmfp.intro.Counters().Introductions.Load() == 0 || m.rtmfp.intro.Counters().UnknownPeer.Load() == 0 {
			t.Errorf("server %d did not introduce its peer, or knew the other one", i)
		}
	}
}

// groupMember is a running rtmfp group.
type groupMember struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.WriteCloser
	done  chan struct{}

	mu    sync.Mutex
	lines []string // of both outputs
}

var peerID = regexp.MustCompile("^peer id: ([0-9a-f]{64})$")

// group joins a NetGroup and waits until the server knows; it returns the peer's id, too.
func (p *program) group(m *member) (g *groupMember, id string) {
	p.Helper()
	g = &groupMember{t: p.T, done: make(chan struct{})}
	g.cmd = exec.CommandContext(p.ctx, p.path, "group", "-v", fmt.Sprintf("rtmfp://%s/live", m.addr), "chess")
	var err error
	if g.stdin, err = g.cmd.StdinPipe(); err != nil {
		p.Fatal(err)
	}
	r, w := io.Pipe()
	g.cmd.Stdout, g.cmd.Stderr = w, w
	if err := g.cmd.Start(); err != nil {
		p.Fatal(err)
	}
	go func() {
		_ = g.cmd.Wait() // it is killed at the latest
		_ = w.Close()
	}()
	go func() {
		defer close(g.done)
		for lines := bufio.NewScanner(r); lines.Scan(); {
			g.mu.Lock()
			g.lines = append(g.lines, lines.Text())
			g.mu.Unlock()
		}
	}()
	p.Cleanup(g.leave)
	until(p, "peer id", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, line := range g.lines {
			if match := peerID.FindStringSubmatch(line); match != nil {
				id = match[1]
			}
		}
		return id != ""
	})
	return g, id
}

// reads waits for a line that contains text.
func (g *groupMember) reads(text string) {
	g.t.Helper()
	until(g.t, "line "+text, func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return slices.ContainsFunc(g.lines, func(line string) bool { return strings.Contains(line, text) })
	})
}

func (g *groupMember) writes(line string) {
	g.t.Helper()
	if _, err := fmt.Fprintln(g.stdin, line); err != nil {
		g.t.Error(err)
	}
}

// leave interrupts it, so that it says goodbye.
func (g *groupMember) leave() {
	_ = g.cmd.Process.Signal(os.Interrupt) // fails when it has ended
	<-g.done
}

// members is how many memberships the server knows.
func (m *member) members() int64 { return m.rtmfp.groups.Counters().Members.Load() }

// Sample: members of a NetGroup on different servers see each other and exchange data, members that were there before
// the servers met included. In the sample a member that left stays a virtual one as long as its server is connected;
// with the modules it goes.
func TestClusterGroups(t *testing.T) {
	client := buildClient(t)
	for what, scripts := range map[string]map[string]string{"sample": sampleScripts(t, "S12"), "modules": moduleScripts(t, "rendezvous", "groups")} {
		t.Run(what, func(t *testing.T) {
			b := startMember(t, scripts, "", "")
			early, earlyID := newProgram(t, client).group(b)
			until(t, "member of B", func() bool { return b.members() == 1 })
			a := startMember(t, scripts, b.links.String(), "")
			until(t, "member of B, on A", func() bool { return a.members() == 1 })
			late, lateID := newProgram(t, client).group(a)
			late.reads("peer " + earlyID + " connected")
			early.reads("peer " + lateID + " connected")
			early.writes("to A")
			late.reads(earlyID + " to A")
			late.writes("to B")
			early.reads(lateID + " to B")
			until(t, "two members on both", func() bool { return a.members() == 2 && b.members() == 2 })
			late.leave()
			want := map[string]int64{"sample": 2, "modules": 1}[what]
			until(t, "end of the membership", func() bool { return a.members() == 1 && b.members() == want })
			a.stop()
			until(t, "end of the virtual members", func() bool { return b.members() == 1 })
			early.leave()
		})
	}
}
