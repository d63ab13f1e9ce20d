package mesh

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/monaserver/monaserver/pkg/amf"
)

const (
	// hostileMemory is what a hostile peer may cost.
	hostileMemory = 64 << 20
	attackTime    = 700 * time.Millisecond
)

// echoes answers every call "ask" by a call "answer" with the same arguments, and is a little slow, as
// scripts are: what calls hold they hold for a while.
type echoes struct {
	delay   time.Duration
	news    []byte // what all others get whenever one asks
	mu      sync.Mutex
	links   map[*Link]bool
	lost    atomic.Int64
	changes atomic.Int64
	answers chan float64
}

func newEchoes(delay time.Duration) *echoes {
	return &echoes{delay: delay, links: map[*Link]bool{}, answers: make(chan float64, 1<<16)}
}

func (e *echoes) ServerConnected(l *Link) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.links[l] = true
	l.Ready(nil)
}

func (e *echoes) ServerChanged(*Link) { e.changes.Add(1) }

func (e *echoes) ServerDisconnected(l *Link, _ error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.links, l)
	e.lost.Add(1)
}

func (e *echoes) OpenApplication(string) {}

func (e *echoes) ServerCall(l *Link, name string, args []amf.Value, _ int, done func()) bool {
	switch name {
	case "ask":
		_ = l.Send("answer", arguments(args...), Media{})
		for _, other := range e.connected() {
			if other != l {
				_ = other.Send("news", e.news, Media{}) // ends a link that does not read
			}
		}
	case "answer":
		if n, ok := args[0].(amf.Number); ok {
			e.answers <- float64(n)
		}
	default:
		time.AfterFunc(e.delay, func() {
			runtime.KeepAlive(args)
			done()
		})
		return true
	}
	done()
	return true
}

func arguments(list ...amf.Value) (b []byte) {
	e := amf.Encoder{Mode: amf.AMF3InAMF0}
	for _, v := range list {
		b, _ = e.Append(b, v) // plain numbers and texts
	}
	return b
}

// connected returns the links.
func (e *echoes) connected() (list []*Link) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for l := range e.links {
		list = append(list, l)
	}
	return list
}

// victim is a server that others attack, with a neighbour that calls it all the time.
type victim struct {
	t       *testing.T
	secret  string
	files   TLSFiles
	pid     int
	good    *echoes
	addr    string
	slowest atomic.Int64 // ns, of the neighbour's calls
	asked   int
}

func startNode(t *testing.T, cfg Config, h Handler) *Node {
	t.Helper()
	cfg.Log = zerolog.Nop()
	n, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = n.Stop(ctx)
	})
	return n
}

func newVictim(t *testing.T, secret string) *victim {
	t.Helper()
	return newVictimWith(t, secret, false)
}

// newVictimWith starts the server in a process of its own, so that what the attackers need does not count.
func newVictimWith(t *testing.T, secret string, secured bool) *victim {
	t.Helper()
	v := &victim{t: t, secret: secret, good: newEchoes(0)}
	if secured {
		v.files = newAuthority(t, "mesh").issue("server", nil, "127.0.0.1")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestVictim$")
	cmd.Env = append(os.Environ(), strings.Join([]string{victimConfig + "=" + secret, v.files.Cert, v.files.Key, v.files.CA}, ","))
	hold, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = hold.Close()
		_ = cmd.Wait() // its output matters, which was read
	})
	v.pid = cmd.Process.Pid
	in := bufio.NewScanner(out)
	in.Scan()
	v.addr = in.Text()
	go func() {
		_, _ = io.Copy(io.Discard, out) // what a test says in the end
	}()
	v.neighbour(v.good)
	return v
}

// victimConfig is how the process is told secret, certificate, key and authority.
const victimConfig = "MESH_TEST_VICTIM"

// TestVictim is the server of newVictim: it serves until its input ends.
func TestVictim(t *testing.T) {
	f := strings.Split(os.Getenv(victimConfig), ",")
	if len(f) != 4 {
		return // run by itself there is nothing to serve
	}
	apps := newEchoes(20 * time.Millisecond)
	apps.news = arguments(amf.String(strings.Repeat("n", 100<<10)))
	n := startNode(t, Config{Listen: anyPort, Secret: f[0], TLS: TLSFiles{f[1], f[2], f[3]}}, apps)
	fmt.Println(n.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// memory reads what the server has in memory, now and at most so far, in bytes.
func (v *victim) memory() (now, peak int64) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", v.pid))
	if err != nil {
		v.t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		switch {
		case len(f) < 2:
		case f[0] == "VmRSS:":
			now, _ = strconv.ParseInt(f[1], 10, 64)
		case f[0] == "VmHWM:":
			peak, _ = strconv.ParseInt(f[1], 10, 64)
		}
	}
	return now << 10, peak << 10
}

// neighbour lets another server connect, and waits until it has.
func (v *victim) neighbour(h *echoes) {
	v.t.Helper()
	at := netip.MustParseAddrPort(v.addr)
	startNode(v.t, Config{Secret: v.secret, TLS: v.files, Targets: []Target{{Host: at.Addr().String(), Port: at.Port()}}}, h)
	for limit := time.Now().Add(10 * time.Second); len(h.connected()) == 0; {
		if time.Now().After(limit) {
			v.t.Fatal("a good neighbour cannot connect")
		}
		<-time.After(time.Millisecond)
	}
}

// ask lets the neighbour call until end, and checks every answer.
func (v *victim) ask(end <-chan struct{}) {
	l := v.good.connected()[0]
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-end:
			return
		case <-tick.C:
		}
		v.asked++
		start := time.Now()
		if err := l.Send("ask", arguments(amf.Number(v.asked)), Media{}); err != nil {
			v.t.Errorf("the neighbour's call %d: %v", v.asked, err)
			return
		}
		select {
		case n := <-v.good.answers:
			if int(n) != v.asked {
				v.t.Errorf("answer %v to call %d", n, v.asked)
			}
		case <-time.After(10 * time.Second):
			v.t.Errorf("no answer to call %d of the neighbour", v.asked)
			return
		}
		v.slowest.Store(max(v.slowest.Load(), int64(time.Since(start))))
	}
}

// withstand runs an attack until its context ends, and checks what it costs. An attack sends from many
// goroutines through attackers.
func (v *victim) withstand(attack func(a *attackers)) {
	v.t.Helper()
	before, _ := v.memory()
	ctx, cancel := context.WithTimeout(v.t.Context(), attackTime)
	defer cancel()
	a := &attackers{ctx: ctx, addr: v.addr}
	var work sync.WaitGroup
	work.Go(func() { attack(a) })
	end := make(chan struct{})
	work.Go(func() { v.ask(end) })
	<-ctx.Done()
	v.neighbour(newEchoes(0)) // a new one is let in meanwhile
	close(end)
	a.close()
	work.Wait()
	_, peak := v.memory()
	cost := peak - before
	v.t.Logf("%d connections: %.1f MB, %d calls of the neighbour, the slowest took %v",
		a.dialled.Load(), float64(cost)/(1<<20), v.asked, time.Duration(v.slowest.Load()).Truncate(time.Microsecond))
	if cost > hostileMemory && !raceEnabled {
		v.t.Errorf("%d MB", cost>>20)
	}
	if v.asked < 3 || v.good.lost.Load() > 0 || time.Duration(v.slowest.Load()) > 3*time.Second {
		v.t.Errorf("a good neighbour suffers: %d calls, the slowest took %v, the link ended %d times",
			v.asked, time.Duration(v.slowest.Load()), v.good.lost.Load())
	}
}

// attackers are connections from another address than the neighbour's.
type attackers struct {
	ctx     context.Context
	addr    string
	dialled atomic.Int64
	mu      sync.Mutex
	conns   []net.Conn
}

func (a *attackers) dial() net.Conn {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 6, 6, 6)}}
	c, err := d.DialContext(a.ctx, "tcp", a.addr)
	if err != nil {
		return nil
	}
	a.dialled.Add(1)
	a.mu.Lock()
	a.conns = append(a.conns, c)
	a.mu.Unlock()
	return c
}

func (a *attackers) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.conns {
		_ = c.Close()
	}
}

// each runs f on many connections at once; when one ends it is replaced.
func (a *attackers) each(connections int, f func(c net.Conn, i int)) {
	var work sync.WaitGroup
	for i := range connections {
		work.Go(func() {
			for a.ctx.Err() == nil {
				c := a.dial()
				if c == nil {
					return
				}
				f(c, i)
				_ = c.Close()
			}
		})
	}
	work.Wait()
}

// flood writes until the connection ends or the attack is over.
func (a *attackers) flood(c net.Conn, what func(i int) []byte) {
	_ = c.SetWriteDeadline(time.Now().Add(attackTime))
	for i := 0; a.ctx.Err() == nil; i++ {
		if _, err := c.Write(what(i)); err != nil {
			return
		}
	}
}

// join says hello as a server of the original implementation and reads in the background what comes.
func join(c net.Conn) {
	_, _ = c.Write(frameOf("", appendHello(nil, []pair{{"host", "evil.example"}})))
	go func() { _, _ = io.Copy(io.Discard, c) }()
}

func sized(size uint32) []byte { return binary.BigEndian.AppendUint32(nil, size) }

// Whatever comes from an address that no good neighbour has, the neighbour's calls are answered all the
// time, another neighbour can connect, and it all costs little memory.
func TestHostilePeers(t *testing.T) {
	zeros := make([]byte, 64<<10)
	for name, attack := range map[string]func(a *attackers){
		"random bytes": func(a *attackers) {
			a.each(32, func(c net.Conn, i int) {
				b := make([]byte, 4096)
				a.flood(c, func(j int) []byte {
					for k := range b {
						b[k] = byte((i + 31*j + k*k*7) >> 3)
					}
					return b
				})
			})
		},
		"no hello": func(a *attackers) {
			var work sync.WaitGroup
			for range 20 {
				work.Go(func() {
					for range 500 {
						a.dial()
					}
				})
			}
			work.Wait()
			<-a.ctx.Done()
		},
		"a hello byte by byte": func(a *attackers) {
			hello := frameOf("", appendHello(nil, []pair{{"host", "evil.example"}}))
			a.each(200, func(c net.Conn, _ int) {
				a.flood(c, func(i int) []byte {
					<-time.After(20 * time.Millisecond)
					return hello[i%len(hello):][:1]
				})
			})
		},
		"half of a large hello": func(a *attackers) {
			a.each(200, func(c net.Conn, _ int) {
				_, _ = c.Write(sized(1 << 20))
				a.flood(c, func(i int) []byte {
					if i == 15 {
						<-a.ctx.Done()
					}
					return zeros
				})
			})
		},
		"large hellos": func(a *attackers) {
			var pairs []pair
			for i := range 4000 {
				pairs = append(pairs, pair{fmt.Sprintf("k%d", i), "some value, as long as it may be " + fmt.Sprint(i)})
			}
			hello := frameOf("", appendHello(nil, pairs))
			a.each(100, func(c net.Conn, _ int) {
				_, _ = c.Write(hello)
				_, _ = io.Copy(io.Discard, c)
			})
		},
		"hellos without end": func(a *attackers) {
			hello := frameOf("", appendHello(nil, []pair{{"host", "evil.example"}, {"x", string(zeros[:1000])}}))
			a.each(16, func(c net.Conn, _ int) {
				join(c)
				a.flood(c, func(int) []byte { return hello })
			})
		},
		"nothing is read": func(a *attackers) {
			a.each(64, func(c net.Conn, _ int) {
				_, _ = c.Write(frameOf("", appendHello(nil, []pair{{"host", "evil.example"}})))
				<-a.ctx.Done()
			})
		},
		"huge sizes": func(a *attackers) {
			a.each(64, func(c net.Conn, i int) {
				join(c)
				_, _ = c.Write(sized([]uint32{1<<32 - 1, 16<<20 + 1, 16 << 20, 1 << 31}[i%4]))
				a.flood(c, func(int) []byte { return zeros })
			})
		},
		"long messages that do not end": func(a *attackers) {
			a.each(64, func(c net.Conn, _ int) {
				join(c)
				_, _ = c.Write(sized(16 << 20))
				a.flood(c, func(i int) []byte {
					if i == 255 {
						<-a.ctx.Done()
					}
					return zeros
				})
			})
		},
		"endless names": func(a *attackers) {
			a.each(64, func(c net.Conn, i int) {
				join(c)
				a.flood(c, func(j int) []byte {
					var b []byte
					for k := range 100 {
						b = append(b, frameOf(fmt.Sprintf("%0255d", i<<40+j<<10+k), nil)...)
					}
					return b
				})
			})
		},
		"references to nothing": func(a *attackers) {
			b := bytes.Repeat([]byte{0, 0, 0, 3, 0, 0xFF, 0x7F}, 1000)
			a.each(16, func(c net.Conn, _ int) {
				join(c)
				a.flood(c, func(int) []byte { return b })
			})
		},
		"applications without end": func(a *attackers) {
			var list []byte
			for i := range 10000 {
				list = appendServices(list, fmt.Sprintf("/x%d", i))
			}
			b := frameOf(".", list)
			a.each(8, func(c net.Conn, _ int) {
				join(c)
				a.flood(c, func(int) []byte { return b })
			})
		},
		"bombs": func(a *attackers) {
			nulls := bytes.Repeat([]byte{5}, 1<<20)
			arrays := append([]byte{0x11, 0x09, 0xBF, 0xFF, 0xFF, 0xFF, 1}, bytes.Repeat([]byte{9, 3, 1}, 1<<18)...)
			objects := bytes.Repeat([]byte{0x11, 0x0A, 0x0B, 1, 1}, 1<<18)
			counts := []byte{0x0A, 0xFF, 0xFF, 0xFF, 0xFF}
			bombs := [][]byte{frameOf("a", nulls), frameOf("b", arrays), frameOf("c", objects), frameOf("d", counts)}
			a.each(64, func(c net.Conn, i int) {
				join(c)
				a.flood(c, func(j int) []byte { return bombs[(i+j)%len(bombs)] })
			})
		},
		"calls without end": func(a *attackers) {
			many := bytes.Repeat(frameOf("f", arguments(amf.String("x"), amf.Number(1))), 100)
			a.each(32, func(c net.Conn, _ int) {
				join(c)
				a.flood(c, func(int) []byte { return many })
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			newVictim(t, "").withstand(attack)
		})
	}
	t.Run("TLS handshakes", func(t *testing.T) {
		v := newVictimWith(t, "", true)
		hello := []byte{22, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3} // the first bytes of a ClientHello
		v.withstand(func(a *attackers) {
			a.each(200, func(c net.Conn, i int) {
				if i%2 == 0 {
					_, _ = c.Write(hello)
					_, _ = io.Copy(io.Discard, c)
					return
				}
				x := tls.Client(c, &tls.Config{InsecureSkipVerify: true}) // has no certificate
				_ = x.HandshakeContext(a.ctx)
				_, _ = io.Copy(io.Discard, x)
			})
		})
	})
	challenge := []pair{{keyNodeID, "evil"}, {keyChallenge, encodeProof(make([]byte, challengeBytes))}}
	proof := append([]pair{{keyProof, encodeProof(make([]byte, 32))}}, challenge...)
	for name, hellos := range map[string][][]pair{
		"no proof":     {challenge},
		"wrong proofs": {challenge, proof[:1]},
		"no secret":    {{{"host", "evil.example"}}},
	} {
		t.Run(name, func(t *testing.T) {
			newVictim(t, "a secret").withstand(func(a *attackers) {
				a.each(64, func(c net.Conn, _ int) {
					for _, h := range hellos {
						_, _ = c.Write(frameOf("", appendHello(nil, h)))
					}
					_, _ = c.Write(frameOf("f", zeros[:1000]))
					_, _ = io.Copy(io.Discard, c)
				})
			})
		})
	}
}

// The identity of a neighbour is told to everybody, so who claims it from another address does not take the
// neighbour's place, nor change its parameters.
func TestImpostor(t *testing.T) {
	for name, ids := range map[string][2]string{"lower": {"a", "b"}, "higher": {"b", "a"}} {
		t.Run(name, func(t *testing.T) {
			s := startID(t, ids[0], nil)
			good := startID(t, ids[1], func(c *Config) { c.Targets = []Target{s.target()} })
			s.wait("open /live")
			good.wait("open /live")
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 6, 6, 6)}}
			conn, err := d.Dial("tcp", s.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			w := &wire{t, conn}
			w.write(frameOf("", appendHello(nil, []pair{{keyNodeID, ids[1]}, {keyPing, "4"}, {"type", "master"}})))
			w.write(frameOf("", appendOffer(nil, offer{number: 1000})))
			w.write(frameOf("", []byte{kindConfirm}))
			for w.receive() != "" { // until it is given up
			}
			link := s.linked()
			if len(link) != 1 || link[0].Params()["type"] != "" {
				t.Fatalf("links %v", link)
			}
			if err := link[0].Send("f", nil, Media{}); err != nil {
				t.Error(err)
			}
			good.wait("f()")
		})
	}
}

// Nor does it keep out a neighbour that is a target and not there yet.
func TestImpostorFirst(t *testing.T) {
	for name, ids := range map[string][2]string{"lower": {"a", "b"}, "higher": {"b", "a"}} {
		t.Run(name, func(t *testing.T) {
			port := freePort(t)
			s := startID(t, ids[0], func(c *Config) { c.Targets = []Target{{Host: "127.0.0.1", Port: port}} })
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 6, 6, 6)}}
			conn, err := d.Dial("tcp", s.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			w := &wire{t, conn}
			w.write(frameOf("", appendHello(nil, []pair{{keyNodeID, ids[1]}})))
			w.write(frameOf("", appendOffer(nil, offer{number: 1 << 31})))
			w.write(frameOf("", []byte{kindConfirm}))
			s.wait("+initiator")
			good := startID(t, ids[1], func(c *Config) { c.Listen = netip127(port) })
			s.wait("-" + errReplaced.Error())
			s.wait("+target")
			good.wait("open /live")
			if err := s.linked()[0].Send("f", nil, Media{}); err != nil {
				t.Error(err)
			}
			good.wait("f()")
		})
	}
}
