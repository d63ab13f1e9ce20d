package server

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
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
// MONASERVER_LAB_PAUSE=60s makes the pauses longer.
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
	for _, c := range []struct {
		name   string
		victim int
		tls    bool
		run    func(l *load)
	}{
		{"kill", 0, false, func(l *load) {
			for range 3 {
				l.victim.signal(syscall.SIGKILL)
				<-l.victim.ended
				l.apart(wholeWithin)
				l.victim.start()
				l.join(l.victim)
				l.whole()
			}
		}},
		{"stop", 1, true, func(l *load) {
			l.victim.signal(syscall.SIGSTOP)
			l.apart(noticed)
			l.pass(pause - noticed)
			l.victim.signal(syscall.SIGCONT)
			l.whole()
		}},
		{"cut", 2, false, func(l *load) {
			l.victim.ip("link", "set", "lan", "down")
			l.apart(noticed)
			l.pass(pause - noticed)
			l.victim.ip("link", "set", "lan", "up")
			l.whole()
		}},
		{"loss", 1, true, func(l *load) {
			l.run("table inet lab {\n"+
				"chain in { type filter hook input priority 0; iifname lan numgen random mod 100 < 5 drop; }\n"+
				"chain out { type filter hook output priority 0; oifname lan numgen random mod 100 < 5 drop; }\n}\n",
				"ip", "netns", "exec", l.lab.ns(l.victim.name), "nft", "-f", "-")
			l.pass(pause)
			l.run("", "ip", "netns", "exec", l.lab.ns(l.victim.name), "nft", "delete", "table", "inet", "lab")
			l.whole()
			l.intact(l.nodes[:]...)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			settings := "secret = a long password\n"
			if c.tls {
				settings += certificates(t)
			}
			l := &load{meshLab: newMeshLab(t, bin, settings)}
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
		})
	}
}

// load is the clients of a lab: on each node one publishes a stream and calls, and one plays each stream of
// the others.
type load struct {
	*meshLab
	victim    *meshNode
	survivors []*meshNode
	clients   [3]*nodeLoad
}

type nodeLoad struct {
	node    *meshNode
	peer    *peer
	told    atomic.Int64 // the last call
	end     chan struct{}
	stopped chan struct{}
	viewers map[string]*viewer // by name of the node that has the stream
}

// viewer watches a stream: how long was its longest pause?
type viewer struct {
	peer    *peer
	got     atomic.Int64
	longest atomic.Int64 // ns
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
	}
	c.peer = n.dial()
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

// dial connects a client in the node's own network, so that nothing that happens to the node's cable happens
// to it.
func (n *meshNode) dial() *peer {
	n.l.t.Helper()
	listen := func(c udp.Config) (t *udp.Transport, err error) {
		err = n.inside(func() error {
			t, err = udp.Listen(c)
			return err
		})
		return t, err
	}
	return dialPeerFrom(n.l.t, listen, netip.AddrPortFrom(loopback, 1935), "")
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
		p := &viewer{peer: n.dial()}
		p.peer.play(stream(of))
		c.viewers[of.name] = p
		go p.watch(c.end)
	}
	return c.viewers[of.name]
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
	servers, publications, members int
	heard                          map[string]heard
}

type heard struct{ count, lost int }

func (l *load) state(n *meshNode) nodeState {
	l.t.Helper()
	r, _ := l.clients[l.index(n)].peer.call("state")
	o, ok := r.Value().(*amf.Object)
	if !ok {
		l.t.Fatalf("state of %s: %v, %v", n.name, r.Value(), r.Err)
	}
	number := func(o *amf.Object, name string) int {
		f, _ := o.Number(name)
		return int(f)
	}
	s := nodeState{number(o, "servers"), number(o, "publications"), number(o, "members"), map[string]heard{}}
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
			if s.servers != 2 || s.publications != 3 || s.members != 2 {
				return fmt.Sprintf("%s has %d servers, %d publications, %d members", n.name, s.servers, s.publications, s.members)
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
			if s := l.state(n); s.servers != 1 || s.publications != 2 || s.members != 1 {
				return fmt.Sprintf("%s has %d servers, %d publications, %d members", n.name, s.servers, s.publications, s.members)
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
			longest := time.Duration(l.play(n, o).longest.Load())
			l.t.Logf("%s to %s: %d calls, longest pause of the stream %v", o.name, n.name, h.count, longest.Truncate(time.Millisecond))
			if h.lost != 0 || h.count == 0 {
				l.t.Errorf("%d of %d calls from %s to %s got lost", h.lost, h.count+h.lost, o.name, n.name)
			}
			if longest > stallLimit {
				l.t.Errorf("the stream of %s paused for %v on %s", o.name, longest, n.name)
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
