package server

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
	"github.com/monaserver/monaserver/pkg/rtmfp/udp"
)

const (
	wholeWithin = 30 * time.Second      // after a node is back all three are one again
	noticed     = 17 * time.Second      // a link that gives no sign of life for 15 s is over
	stallLimit  = 3 * time.Second       // longest pause of a stream between nodes to which nothing happened
	pauseOfLab  = 20 * time.Second      // longer than 15 s
	frameEvery  = 40 * time.Millisecond // of each stream
	callEvery   = 20 * time.Millisecond // of each node to each other
)

// TestMeshLab lets things happen to one of three servers that share streams and call each other all the
// time. The other two go on as if nothing was, and the third is one of them soon after it is back.
// First they share with a short script of their own, then with the modules of www/cluster, clients of which are in a
// NetGroup, too. MONASERVER_LAB_PAUSE=60s makes the pauses longer.
func TestMeshLab(t *testing.T) {
	if testing.Short() {
		t.Skip("long: other processes do the work")
	}
	needLab(t)
	pause := pauseOfLab
	if s := os.Getenv("MONASERVER_LAB_PAUSE"); s != "" {
		var err error
		if pause, err = time.ParseDuration(s); err != nil {
			t.Fatalf("MONASERVER_LAB_PAUSE: %v", err)
		}
	}
	bin := filepath.Join(t.TempDir(), "monaserver")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", bin, "../../cmd/monaserver").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	plain, modules := map[string]string{"main.lua": meshScript}, clusterScripts(t)
	for _, c := range []struct {
		name    string
		scripts map[string]string
		victim  int
		tls     bool
		run     func(l *load)
	}{
		{"kill", plain, 0, false, func(l *load) {
			for range 3 {
				l.kill()
				l.join(l.victim)
				l.whole()
			}
		}},
		{"stop", plain, 1, true, func(l *load) { l.stop(pause) }},
		{"cut", plain, 2, false, func(l *load) { l.cut(pause) }},
		{"loss", plain, 1, true, func(l *load) {
			l.drop(l.victim, "iifname lan numgen random mod 100 < 5", "oifname lan numgen random mod 100 < 5")
			l.pass(pause)
			l.dropNothing(l.victim)
			l.whole()
			l.intact(l.nodes[:]...)
		}},
		{"modules kill", modules, 1, true, func(l *load) {
			for range 2 {
				l.kill()
				l.balances()
				l.join(l.victim)
				l.whole()
			}
			l.introduces()
		}},
		{"modules stop", modules, 2, false, func(l *load) { l.stop(pause) }},
		{"modules cut", modules, 0, false, func(l *load) {
			l.cut(pause)
			l.introduces()
		}},
		{"modules reroute", modules, 2, true, func(l *load) { l.reroute() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			settings := "secret = a long password\n"
			if c.tls {
				settings += certificates(t)
			}
			l := &load{meshLab: newMeshLab(t, bin, c.scripts, settings), members: 2}
			if l.modules = c.scripts["main.lua"] != meshScript; l.modules {
				l.members = 3 // those that are connected, too
			}
			l.victim = l.nodes[c.victim]
			l.survivors = l.others(l.victim)
			for _, n := range l.nodes {
				n.start()
			}
			for _, n := range l.nodes {
				l.join(n)
			}
			l.whole()
			before := l.usage()
			c.run(l)
			l.intact(l.survivors...)
			l.leakless(before)
			l.empty()
		})
	}
}

// kill ends the victim without a word, and starts it again.
func (l *load) kill() {
	l.t.Helper()
	l.victim.signal(syscall.SIGKILL)
	<-l.victim.ended
	l.apart(wholeWithin)
	l.victim.start()
}

// stop lets the victim do nothing for a while.
func (l *load) stop(pause time.Duration) {
	l.t.Helper()
	l.victim.signal(syscall.SIGSTOP)
	l.apart(noticed)
	l.pass(pause - noticed)
	l.victim.signal(syscall.SIGCONT)
	l.whole()
}

// cut pulls the cable of the victim for a while.
func (l *load) cut(pause time.Duration) {
	l.t.Helper()
	l.victim.ip("link", "set", "lan", "down")
	l.apart(noticed)
	l.alone(l.victim)
	l.pass(pause - noticed)
	l.victim.ip("link", "set", "lan", "up")
	l.whole()
}

// drop loses packets that come to or leave a node.
func (l *load) drop(n *meshNode, in, out string) {
	l.t.Helper()
	l.run("table inet lab {\n"+
		"chain in { type filter hook input priority 0; "+in+" drop; }\n"+
		"chain out { type filter hook output priority 0; "+out+" drop; }\n}\n",
		"ip", "netns", "exec", l.lab.ns(n.name), "nft", "-f", "-")
}

func (l *load) dropNothing(n *meshNode) {
	l.t.Helper()
	l.run("", "ip", "netns", "exec", l.lab.ns(n.name), "nft", "delete", "table", "inet", "lab")
}

// load is the clients of a lab: on each node one publishes a stream and calls, and one plays each stream of
// the others.
type load struct {
	*meshLab
	victim    *meshNode
	survivors []*meshNode
	clients   [3]*nodeLoad
	modules   bool // the servers share with the modules of www/cluster
	members   int  // of the group on each node when all are one
	all       []*peer
}

type nodeLoad struct {
	node    *meshNode
	peer    *peer
	told    atomic.Int64 // the last call
	sent    uint64       // frames of the stream
	end     chan struct{}
	stopped chan struct{}
	viewers map[string]*viewer // by name of the node that has the stream
}

// viewer watches a stream: how long was its longest pause, and is it complete?
type viewer struct {
	peer    *peer
	got     atomic.Int64
	longest atomic.Int64 // ns
	missed  atomic.Int64 // frames
	again   atomic.Int64 // frames that are not newer than the one before
	last    uint64       // frame; on the thread of the peer
}

func (l *load) index(n *meshNode) int { return slices.Index(l.nodes[:], n) }

func stream(of *meshNode) string { return "stream-" + of.name }

// join connects the clients of a node; those it had before are forgotten.
func (l *load) join(n *meshNode) {
	l.t.Helper()
	old := l.clients[l.index(n)]
	c := &nodeLoad{node: n, viewers: map[string]*viewer{}, end: make(chan struct{}), stopped: make(chan struct{})}
	if old != nil {
		close(old.end)
		<-old.stopped
		c.told.Store(old.told.Load())
		c.sent = old.sent
	}
	if l.modules {
		c.peer = l.dialMember(n)
	} else {
		c.peer = l.dial(n, nil, loopback)
	}
	c.peer.publish(stream(n))
	l.clients[l.index(n)] = c
	go c.run()
	l.t.Cleanup(func() {
		select {
		case <-c.end:
		default:
			close(c.end)
		}
		<-c.stopped
	})
}

// dial connects a client in the node's own network; from the address loopback, so that nothing that happens to the node's
// cable happens to it. handler nil: the usual one.
func (l *load) dial(n *meshNode, handler udp.Handler, from netip.Addr) *peer {
	l.t.Helper()
	listen := func(c udp.Config) (t *udp.Transport, err error) {
		c.Addr = netip.AddrPortFrom(from, 0)
		if handler != nil {
			c.Handler = func(*udp.Shard) udp.Handler { return handler }
		}
		err = n.inside(func() error {
			t, err = udp.Listen(c)
			return err
		})
		return t, err
	}
	p := dialPeerFrom(l.t, listen, netip.AddrPortFrom(from, 1935), "")
	l.all = append(l.all, p)
	return p
}

// run publishes and calls until end.
func (c *nodeLoad) run() {
	defer close(c.stopped)
	tick := time.NewTicker(callEvery)
	defer tick.Stop()
	body := make([]byte, 1000)
	start := time.Now()
	for i := 0; ; i++ {
		select {
		case <-tick.C:
		case <-c.end:
			return
		case <-c.peer.over:
			return
		}
		c.peer.transport.Shards()[0].Post(func(now rtmfp.Time) {
			if i%2 == 0 { // a picture, every second a key frame
				if body[0] = 0x22; i%50 == 0 {
					body[0] = 0x12
				}
				c.sent++
				binary.BigEndian.PutUint64(body[1:], c.sent)
				// An error means that the connection is over.
				_ = c.peer.stream.WriteFrame(now, media.Video, uint32(time.Since(start).Milliseconds()), rtmfp.CopyBuffer(body), media.WriteOptions{})
			}
			c.peer.conn.Call(now, "tell", nil, amf.Number(c.told.Add(1)))
		})
	}
}

// play lets a client of a node play the stream of another, unless one does.
func (l *load) play(n, of *meshNode) *viewer {
	l.t.Helper()
	c := l.clients[l.index(n)]
	if c.viewers[of.name] == nil {
		p := &viewer{peer: l.dial(n, nil, loopback)}
		p.peer.arrived = p.frame
		p.peer.play(stream(of))
		c.viewers[of.name] = p
		go p.watch(c.end)
	}
	return c.viewers[of.name]
}

func (p *viewer) frame(body string) {
	number := binary.BigEndian.Uint64([]byte(body[1:]))
	switch {
	case p.last == 0:
	case number <= p.last:
		p.again.Add(1)
	default:
		p.missed.Add(int64(number - p.last - 1))
	}
	p.last = number
}

func (p *viewer) watch(end chan struct{}) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var last time.Time
	for {
		select {
		case <-tick.C:
		case <-end:
			return
		case <-p.peer.over:
			return
		}
		if n := int64(len(p.peer.received())); n > p.got.Load() {
			p.got.Store(n)
			last = time.Now()
		} else if !last.IsZero() {
			p.longest.Store(max(p.longest.Load(), int64(time.Since(last))))
		}
	}
}

// nodeState is what the application of a node says.
type nodeState struct {
	name                           string
	servers, publications, members int
	heard                          map[string]heard
}

// not says what a node has if it is not that.
func (s nodeState) not(servers, publications, members int) string {
	if s.servers == servers && s.publications == publications && s.members == members {
		return ""
	}
	return fmt.Sprintf("%s has %d servers, %d publications, %d members", s.name, s.servers, s.publications, s.members)
}

type heard struct{ count, lost int }

func (l *load) state(n *meshNode) nodeState {
	l.t.Helper()
	s := l.stateOf(l.clients[l.index(n)].peer)
	if s.name != n.name {
		l.t.Fatalf("a client of %s is on %s", n.name, s.name)
	}
	return s
}

// stateOf is the state of the node that a client is connected to.
func (l *load) stateOf(p *peer) nodeState {
	l.t.Helper()
	r, _ := p.call("state")
	o, ok := r.Value().(*amf.Object)
	if !ok {
		l.t.Fatalf("state: %v, %v", r.Value(), r.Err)
	}
	number := func(o *amf.Object, name string) int {
		f, _ := o.Number(name)
		return int(f)
	}
	s := nodeState{servers: number(o, "servers"), publications: number(o, "publications"), members: number(o, "members"), heard: map[string]heard{}}
	s.name, _ = o.String("name")
	if v, _ := o.Get("heard"); v != nil {
		if list, ok := v.(*amf.Object); ok {
			for _, m := range list.Members {
				h := m.Value.(*amf.Object)
				s.heard[m.Name] = heard{number(h, "count"), number(h, "lost")}
			}
		}
	}
	return s
}

func (l *load) others(n *meshNode) (list []*meshNode) {
	for _, o := range l.nodes {
		if o != n {
			list = append(list, o)
		}
	}
	return list
}

// whole waits until all three are one: linked, every call and every stream arrives everywhere. Clients that
// lost their server meanwhile connect again.
func (l *load) whole() {
	l.t.Helper()
	start := time.Now()
	l.wait(wholeWithin, "not whole again", func() string {
		for i, n := range l.nodes {
			select {
			case <-l.clients[i].peer.over:
				l.join(n)
			default:
			}
		}
		for _, n := range l.nodes {
			s := l.state(n)
			if bad := s.not(2, 3, l.members); bad != "" {
				return bad
			}
		}
		return ""
	})
	type seen struct{ calls, frames int }
	before := map[[2]string]seen{}
	for _, n := range l.nodes {
		s := l.state(n)
		for _, o := range l.others(n) {
			before[[2]string{n.name, o.name}] = seen{s.heard[o.name].count, int(l.play(n, o).got.Load())}
		}
	}
	l.wait(wholeWithin-time.Since(start), "not everything arrives", func() string {
		for _, n := range l.nodes {
			s := l.state(n)
			for _, o := range l.others(n) {
				was := before[[2]string{n.name, o.name}]
				if s.heard[o.name].count <= was.calls || int(l.play(n, o).got.Load()) <= was.frames {
					return fmt.Sprintf("%s hears nothing of %s, or sees nothing of its stream", n.name, o.name)
				}
			}
		}
		return ""
	})
	l.t.Logf("whole after %v", time.Since(start).Truncate(10*time.Millisecond))
}

// apart waits until the survivors have noticed that the victim is gone, with all it brought.
func (l *load) apart(within time.Duration) {
	l.t.Helper()
	start := time.Now()
	l.wait(within, "the end of a server is not noticed", func() string {
		for _, n := range l.survivors {
			if bad := l.state(n).not(1, 2, l.members-1); bad != "" {
				return bad
			}
		}
		return ""
	})
	l.t.Logf("noticed after %v", time.Since(start).Truncate(10*time.Millisecond))
}

// wait waits until what says nothing more.
func (l *load) wait(within time.Duration, bad string, what func() string) {
	l.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	limit := time.Now().Add(within)
	for missing := what(); missing != ""; missing = what() {
		if time.Now().After(limit) {
			l.t.Fatalf("%s after %v: %s\n%s", bad, within, missing, l.logs())
		}
		<-tick.C
	}
}

// pass lets time pass under load.
func (l *load) pass(d time.Duration) {
	if d > 0 {
		<-time.After(d)
	}
}

func (l *load) logs() string {
	var b strings.Builder
	for _, n := range l.nodes {
		lines := strings.Split(n.log.String(), "\n")
		fmt.Fprintf(&b, "--- %s\n%s\n", n.name, strings.Join(lines[max(0, len(lines)-25):], "\n"))
	}
	return b.String()
}

// intact checks that between these nodes no call got lost and no stream paused.
func (l *load) intact(nodes ...*meshNode) {
	l.t.Helper()
	for _, n := range nodes {
		s := l.state(n)
		for _, o := range nodes {
			if n == o {
				continue
			}
			h := s.heard[o.name]
			v := l.play(n, o)
			longest := time.Duration(v.longest.Load())
			l.t.Logf("%s to %s: %d calls, longest pause of the stream %v", o.name, n.name, h.count, longest.Truncate(time.Millisecond))
			if h.lost != 0 || h.count == 0 {
				l.t.Errorf("%d of %d calls from %s to %s got lost", h.lost, h.count+h.lost, o.name, n.name)
			}
			if longest > stallLimit {
				l.t.Errorf("the stream of %s paused for %v on %s", o.name, longest, n.name)
			}
			if missed, again := v.missed.Load(), v.again.Load(); missed != 0 || again != 0 {
				l.t.Errorf("of the stream of %s, %d frames of %d were missed on %s and %d came twice", o.name, missed, v.got.Load(), n.name, again)
			}
		}
	}
}

// usage is what could leak, by node.
func (l *load) usage() (list [3]map[string]float64) {
	l.t.Helper()
	for i, n := range l.nodes {
		m, err := n.metrics()
		if err != nil {
			l.t.Fatalf("metrics of %s: %v", n.name, err)
		}
		list[i] = m
	}
	return list
}

// leakless waits until the nodes use no more than before.
func (l *load) leakless(before [3]map[string]float64) {
	l.t.Helper()
	allowed := map[string]float64{ // how much more
		"go_goroutines":                 8, // requests of metrics among them
		"process_open_fds":              2,
		"process_resident_memory_bytes": 32 << 20,
		"monaserver_media_publications": 0,
		"monaserver_media_listeners":    0,
		"monaserver_group_members":      0,
		"monaserver_mesh_links":         0,
		"monaserver_mesh_waiting":       0,
	}
	l.wait(wholeWithin, "something leaks", func() string {
		for i, now := range l.usage() {
			for name, more := range allowed {
				if _, ok := now[name]; !ok {
					l.t.Fatalf("%s has no metric %s", l.nodes[i].name, name)
				}
				if now[name] > before[i][name]+more {
					return fmt.Sprintf("%s of %s was %v, is %v", name, l.nodes[i].name, before[i][name], now[name])
				}
			}
		}
		return ""
	})
}

// empty ends all clients: nothing of them stays anywhere. The members of plain scripts are no clients.
func (l *load) empty() {
	l.t.Helper()
	for _, c := range l.clients {
		close(c.end)
		<-c.stopped
	}
	var work sync.WaitGroup
	for _, p := range l.all {
		work.Go(p.leave)
	}
	work.Wait()
	names := []string{"monaserver_media_publications", "monaserver_media_listeners"}
	if l.modules {
		names = append(names, "monaserver_group_members", "monaserver_group_groups")
	}
	l.wait(wholeWithin, "something of the clients stays", func() string {
		for i, now := range l.usage() {
			for _, name := range names {
				if n, ok := now[name]; n != 0 || !ok {
					return fmt.Sprintf("%s of %s is %v (%v)", name, l.nodes[i].name, n, ok)
				}
			}
		}
		return ""
	})
}
