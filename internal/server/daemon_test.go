package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/monaserver/monaserver/internal/config"
	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
	"github.com/monaserver/monaserver/pkg/rtmfp/udp"
)

// patience bounds what a test waits for that should happen soon.
const patience = 30 * time.Second

// testDaemon is the whole server in this process, with two shards and the application live, on a port of its own.
type testDaemon struct {
	addr  netip.AddrPort
	rtmfp *rtmfpPart
}

func startDaemon(t testing.TB) *testDaemon {
	t.Helper()
	return startDaemonWith(t, nil, "")
}

// startDaemonWith is startDaemon with scripts, by path below www, and further settings.
func startDaemonWith(t testing.TB, scripts map[string]string, settings string) *testDaemon {
	t.Helper()
	return startDaemonLogging(t, zerolog.Nop(), scripts, settings)
}

// startDaemonLogging is startDaemonWith with a log and options of the command line.
func startDaemonLogging(t testing.TB, log zerolog.Logger, scripts map[string]string, settings string, argv ...string) *testDaemon {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "www", "live"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range scripts {
		file := filepath.Join(dir, "www", filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 { // another process may take the port before the server does
		port := freeUDPPort(t)
		ini := fmt.Sprintf("threads = 2\n[RTMFP]\nhost = %s\nport = %d\n%s", loopback, port, settings)
		s, err := New(loadINI(t, dir, ini, argv...), log, Parts()...)
		if err != nil {
			t.Fatal(err)
		}
		err = s.Start(context.Background())
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if err := s.Shutdown(ctx); err != nil {
				t.Errorf("Shutdown = %v", err)
			}
		})
		d := &testDaemon{addr: netip.AddrPortFrom(loopback, port)}
		for _, p := range s.parts {
			if r, ok := p.(*rtmfpPart); ok {
				d.rtmfp = r
			}
		}
		return d
	}
	t.Fatal("no free port")
	return nil
}

func freeUDPPort(t testing.TB) uint16 {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: loopback.AsSlice()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Port()
}

// loadINI is the configuration that an ini file in dir makes, with options of the command line.
func loadINI(t testing.TB, dir, ini string, argv ...string) *config.Config {
	t.Helper()
	file := filepath.Join(dir, config.FileName)
	if err := os.WriteFile(file, []byte(ini), 0o644); err != nil {
		t.Fatal(err)
	}
	args, err := config.ParseArgs(append([]string{"monaserver", "--config=" + file}, argv...))
	if err != nil {
		t.Fatal(err)
	}
	env, err := config.SystemEnv()
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(args, env)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// url is where a stream of the application live is.
func (d *testDaemon) url(stream string) string {
	return fmt.Sprintf("rtmfp://%s/live/%s", d.addr, stream)
}

// connected is the number of clients on each shard.
func (d *testDaemon) connected() (n [2]int64) {
	for i, s := range d.rtmfp.shards {
		n[i] = s.Counters().Connected.Load()
	}
	return n
}

// sum adds up a counter of the endpoints.
func (d *testDaemon) sum(counter func(*rtmfp.Counters) uint64) (n uint64) {
	for _, s := range d.rtmfp.transport.Shards() {
		n += counter(s.Endpoint().Counters())
	}
	return n
}

// until waits for a condition that nothing announces.
func until(t testing.TB, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(patience); !cond(); {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("no %s after %v", what, patience)
		}
	}
}

// peer is a client of the daemon in this process, with one stream.
type peer struct {
	t         testing.TB
	id        rtmfp.PeerID
	transport *udp.Transport
	conn      *netconn.Client
	stream    *netconn.ClientStream
	status    chan netconn.Info // of the stream
	over      chan struct{}
	arrived   func(body string) // told of frames; set before there are any

	mu     sync.Mutex
	frames []peerFrame
}

type peerFrame struct {
	kind media.Kind
	ts   uint32
	body string
}

// dialPeer connects to the application live at addr and makes a stream.
func dialPeer(t testing.TB, addr netip.AddrPort) *peer {
	t.Helper()
	return dialPeerTo(t, addr, "live")
}

// dialPeerTo is dialPeer for another application.
func dialPeerTo(t testing.TB, addr netip.AddrPort, app string) *peer {
	t.Helper()
	return dialPeerFrom(t, udp.Listen, addr, app)
}

// dialPeerFrom is dialPeerTo with sockets that listen makes.
func dialPeerFrom(t testing.TB, listen func(udp.Config) (*udp.Transport, error), addr netip.AddrPort, app string) *peer {
	t.Helper()
	id, err := rtmfp.NewClientIdentity(rand.Reader, 2)
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{t: t, id: id.PeerID(), status: make(chan netconn.Info, 64), over: make(chan struct{})}
	p.transport, err = listen(udp.Config{
		Addr: netip.AddrPortFrom(loopback, 0), Shards: 1,
		RTMFP:   rtmfp.Config{Identity: id, Security: rtmfp.Security{RequestHMAC: true, RequestSSEQ: true}},
		Handler: func(*udp.Shard) udp.Handler { return netconn.Clients{} },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.leave() // a server waits for the end of every session when it shuts down
		_ = p.transport.Close()
	})
	ready := make(chan error, 1)
	p.do(func(now rtmfp.Time) {
		url := fmt.Sprintf("rtmfp://%s/%s", addr, app)
		s, err := p.transport.Shards()[0].Endpoint().Dial(now, rtmfp.DialConfig{EPD: rtmfp.EPDForURI(url), Addrs: []netip.AddrPort{addr}})
		if err != nil {
			ready <- err
			return
		}
		p.conn = netconn.NewClient(now, s, netconn.ClientConfig{
			URL:     url,
			OnClose: func(rtmfp.Time, error) { close(p.over) },
			OnConnect: func(now rtmfp.Time, _ netconn.Info) {
				cfg := netconn.StreamConfig{OnStatus: func(_ rtmfp.Time, i netconn.Info) { p.status <- i }, OnFrame: p.frame}
				p.conn.CreateStream(now, cfg, func(_ rtmfp.Time, ns *netconn.ClientStream, err error) {
					p.stream = ns
					ready <- err
				})
			},
		})
	})
	select {
	case err = <-ready:
	case <-p.over:
		err = errors.New("closed")
	case <-time.After(patience):
		err = errors.New("no answer")
	}
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	return p
}

// dialPeers connects several at once.
func dialPeers(t testing.TB, n int, addr netip.AddrPort, app string) []*peer {
	t.Helper()
	peers := make([]*peer, n)
	var all sync.WaitGroup
	for i := range peers {
		all.Go(func() { peers[i] = dialPeerTo(t, addr, app) })
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return peers
}

// do runs f where everything of the client lives, and waits for it.
func (p *peer) do(f func(rtmfp.Time)) {
	done := make(chan struct{})
	p.transport.Shards()[0].Post(func(now rtmfp.Time) {
		f(now)
		close(done)
	})
	<-done
}

// call calls a function of the application and waits for the answer; it returns how long that took.
func (p *peer) call(name string, args ...amf.Value) (netconn.Result, time.Duration) {
	p.t.Helper()
	start := time.Now()
	answer := make(chan netconn.Result, 1)
	p.transport.Shards()[0].Post(func(now rtmfp.Time) {
		p.conn.Call(now, name, func(_ rtmfp.Time, r netconn.Result) { answer <- r }, args...)
	})
	select {
	case r := <-answer:
		return r, time.Since(start)
	case <-p.over:
		p.t.Fatalf("closed while waiting for %s", name)
	case <-time.After(patience):
		p.t.Fatalf("no answer to %s after %v", name, patience)
	}
	return netconn.Result{}, 0
}

// expect waits for a status of the stream.
func (p *peer) expect(code string) {
	p.t.Helper()
	limit := time.After(patience)
	for {
		select {
		case i := <-p.status:
			if i.Code == code {
				return
			}
		case <-p.over:
			p.t.Fatalf("closed while waiting for %s", code)
		case <-limit:
			p.t.Fatalf("no %s after %v", code, patience)
		}
	}
}

func (p *peer) play(name string) {
	p.t.Helper()
	p.do(func(now rtmfp.Time) { _ = p.stream.Play(now, name) }) // the status tells
	p.expect(netconn.CodePlayStart)
}

func (p *peer) publish(name string) {
	p.t.Helper()
	p.do(func(now rtmfp.Time) { _ = p.stream.Publish(now, name, "live") }) // the status tells
	p.expect(netconn.CodePublishStart)
}

func (p *peer) frame(_ rtmfp.Time, kind media.Kind, ts uint32, body *rtmfp.Buffer) {
	if kind == media.Audio || kind == media.Video {
		if p.arrived != nil {
			p.arrived(string(body.Bytes()))
		}
		p.mu.Lock()
		p.frames = append(p.frames, peerFrame{kind, ts, string(body.Bytes())})
		p.mu.Unlock()
	}
}

// received is what came so far.
func (p *peer) received() []peerFrame {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.frames[:len(p.frames):len(p.frames)]
}

// close ends the connection in order.
func (p *peer) close() {
	p.t.Helper()
	p.hangUp()
	until(p.t, "end of the session", p.gone)
}

// leave is close for a connection that may not have come about, or whose server may be gone.
func (p *peer) leave() {
	p.hangUp()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for limit := time.After(time.Second); !p.gone(); {
		select {
		case <-tick.C:
		case <-limit:
			return
		}
	}
}

func (p *peer) hangUp() {
	p.do(func(now rtmfp.Time) {
		if p.conn != nil {
			p.conn.Close(now)
		}
	})
}

// gone reports whether the peer has no session any more.
func (p *peer) gone() bool {
	n := 0
	p.do(func(rtmfp.Time) { n = p.transport.Shards()[0].Endpoint().NumSessions() })
	return n == 0
}
