package mesh

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/monaserver/monaserver/pkg/amf"
)

// patience bounds what a test waits for that should happen soon.
const patience = 20 * time.Second

// apps are the applications of a node in a test: they note what they see.
type apps struct {
	t    testing.TB
	mu   sync.Mutex
	cond *sync.Cond
	log  []string
	list []*Link // connected

	accept func(l *Link) (reject string) // nil accepts all
	busy   bool                          // refuses calls
	keep   bool                          // calls are not done
	kept   []func()
}

func newApps(t testing.TB) *apps {
	a := &apps{t: t}
	a.cond = sync.NewCond(&a.mu)
	return a
}

func (a *apps) note(format string, args ...any) {
	a.log = append(a.log, fmt.Sprintf(format, args...))
	a.cond.Broadcast()
}

func (a *apps) ServerConnected(l *Link) {
	a.mu.Lock()
	defer a.mu.Unlock()
	role := "initiator"
	if l.IsTarget() {
		role = "target"
	}
	a.list = append(a.list, l)
	a.note("+%s", role)
	if a.accept != nil {
		if why := a.accept(l); why != "" {
			go l.Reject(why)
			return
		}
	}
	l.Ready([]string{"", "/live"})
}

func (a *apps) ServerChanged(l *Link) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.note("changed")
}

func (a *apps) ServerDisconnected(l *Link, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, x := range a.list {
		if x == l {
			a.list = append(a.list[:i:i], a.list[i+1:]...)
			break
		}
	}
	if err != nil {
		a.note("-%v", err)
		return
	}
	a.note("-")
}

func (a *apps) ServerCall(l *Link, name string, args []amf.Value, size int, done func()) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.busy {
		return false
	}
	var text []string
	for _, v := range args {
		if s, ok := v.(amf.String); ok && len(s) > 20 {
			v = amf.String(fmt.Sprintf("%d bytes", len(s)))
		}
		text = append(text, fmt.Sprint(v))
	}
	a.note("%s(%s)", name, strings.Join(text, " "))
	if a.keep {
		a.kept = append(a.kept, done)
		return true
	}
	done()
	return true
}

func (a *apps) OpenApplication(path string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.note("open %s", path)
}

// linked are the servers that are connected.
func (a *apps) linked() []*Link {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]*Link(nil), a.list...)
}

// wait waits until something is in the log, and takes the log up to there.
func (a *apps) wait(what string) {
	a.t.Helper()
	late := time.AfterFunc(patience, a.cond.Broadcast)
	defer late.Stop()
	limit := time.Now().Add(patience)
	a.mu.Lock()
	defer a.mu.Unlock()
	for {
		for i, line := range a.log {
			if line == what {
				a.log = a.log[i+1:]
				return
			}
		}
		if !time.Now().Before(limit) {
			a.t.Fatalf("no %q in %q", what, a.log)
		}
		a.cond.Wait()
	}
}

// seen are the lines so far.
func (a *apps) seen() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.log...)
}

func (a *apps) count(what string) (n int) {
	for _, line := range a.seen() {
		if line == what {
			n++
		}
	}
	return n
}

// logBuffer keeps what a node logs.
type logBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// server is a node with its applications.
type server struct {
	*Node
	*apps
	logs *logBuffer
}

var anyPort = netip.MustParseAddrPort("127.0.0.1:0")

// start runs a node on loopback. change may be nil.
func start(t testing.TB, change func(*Config)) *server {
	t.Helper()
	return startID(t, "", change)
}

// startID is start with a node.id of the test's choice.
func startID(t testing.TB, id string, change func(*Config)) *server {
	t.Helper()
	return startApps(t, id, change, newApps(t))
}

// startWith is start with applications that decide about servers.
func startWith(t testing.TB, change func(*Config), accept func(*Link) string) *server {
	t.Helper()
	a := newApps(t)
	a.accept = accept
	return startApps(t, "", change, a)
}

func startApps(t testing.TB, id string, change func(*Config), a *apps) *server {
	t.Helper()
	s := &server{apps: a, logs: &logBuffer{}}
	cfg := Config{
		Listen: anyPort, Retry: time.Second, Log: zerolog.New(s.logs), Note: zerolog.InfoLevel,
		Params: map[string]string{"RTMFP.publicAddress": "203.0.113.1:1935", "application.dir": "secret", "host": "www.hostA.com"},
	}
	if change != nil {
		change(&cfg)
	}
	n, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if id != "" {
		n.id = id
	}
	s.Node = n
	if err := n.Start(context.Background(), s.apps); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	return s
}

func (s *server) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		s.t.Error(err)
	}
}

// port is where the node listens.
func (s *server) port() uint16 { return uint16(s.Addr().(*net.TCPAddr).Port) }

// target is an entry of servers.targets for the node.
func (s *server) target(properties ...Property) Target {
	return Target{Host: "127.0.0.1", Port: s.port(), Properties: properties}
}

// freePort is a port where nothing listens.
func freePort(t testing.TB) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

// wire is the other end of a link, handled byte by byte as a server of another implementation would.
type wire struct {
	t    testing.TB
	conn net.Conn
}

func (s *server) connect(t testing.TB) *wire {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &wire{t, c}
}

func (w *wire) send(text string) {
	w.t.Helper()
	if _, err := w.conn.Write(unhex(w.t, text)); err != nil {
		w.t.Fatal(err)
	}
}

// receive reads a frame; "" is the end.
func (w *wire) receive() string {
	w.t.Helper()
	_ = w.conn.SetReadDeadline(time.Now().Add(patience))
	head := make([]byte, 4)
	if _, err := io.ReadFull(w.conn, head); err != nil {
		if err != io.EOF {
			w.t.Fatal(err)
		}
		return ""
	}
	body := make([]byte, int(head[0])<<24|int(head[1])<<16|int(head[2])<<8|int(head[3]))
	if _, err := io.ReadFull(w.conn, body); err != nil {
		w.t.Fatal(err)
	}
	return string(body)
}

func frameOf(name string, payload []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(1+len(name)+len(payload)))
	b = append(b, byte(len(name)))
	if name == "" {
		binary.BigEndian.PutUint32(b, uint32(2+len(payload)))
		b = append(b, 0)
	}
	return append(append(b, name...), payload...)
}
