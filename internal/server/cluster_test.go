package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// The samples of "Scalability and load-balancing" and the modules of www/cluster, on several servers of this process
// that are connected by TCP.

// member is a server of a cluster.
type member struct {
	*testDaemon
	t     testing.TB
	links netip.AddrPort // where other servers reach it
	logs  logBuffer
	stop  func()
}

// logBuffer is what a server logged.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// logged waits for a line of the logs that ends with text.
func (m *member) logged(text string) {
	m.t.Helper()
	until(m.t, "line "+text, func() bool { return strings.Contains(m.logs.String(), text+`"}`) })
}

// sampleScripts is a sample as the root application, and an application for clients.
func sampleScripts(t testing.TB, name string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "script", "testdata", "samples", name+".lua"))
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"main.lua": string(text), "live/main.lua": ""}
}

// moduleScripts is a root application with modules of www/cluster, and the application live, which defines all events
// itself.
func moduleScripts(t testing.TB, modules ...string) map[string]string {
	t.Helper()
	scripts := map[string]string{"live/main.lua": `
		function onConnection(client)
			function client:onPublish() end
			function client:onSubscribe() end
			function client:onJoinGroup() end
		end
		function onServerConnection() end`}
	list, err := filepath.Glob(filepath.Join("..", "..", "www", "cluster", "*.lua"))
	if err != nil || len(list) == 0 {
		t.Fatalf("no modules: %v", err)
	}
	for _, file := range list {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		scripts["cluster/"+filepath.Base(file)] = string(text)
	}
	for _, module := range modules {
		scripts["main.lua"] += fmt.Sprintf("require %q\n", "cluster."+module)
	}
	return scripts
}

// freeTCPPort is an address at which nobody listens.
func freeTCPPort(t testing.TB, ip netip.Addr) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", netip.AddrPortFrom(ip, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// startMember starts a server that others can connect to. targets are those it connects to; settings are more lines of
// MonaServer.ini, the first ones outside of any section. $PORT in them is the port for clients.
func startMember(t testing.TB, scripts map[string]string, targets, settings string) *member {
	t.Helper()
	return startMemberAt(t, loopback, scripts, targets, settings)
}

func startMemberAt(t testing.TB, ip netip.Addr, scripts map[string]string, targets, settings string) *member {
	t.Helper()
	dir := t.TempDir()
	for name, text := range scripts {
		file := filepath.Join(dir, "www", filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(settings, "host =") {
		settings = "host = 127.0.0.1:$PORT\n" + settings
	}
	for range 10 { // another process may take a port before the server does
		m := &member{t: t, links: freeTCPPort(t, ip)}
		port := freeUDPPort(t)
		m.testDaemon = &testDaemon{addr: netip.AddrPortFrom(loopback, port)}
		ini := fmt.Sprintf("threads = 2\n%s\n[RTMFP]\nhost = %s\nport = %d\n[servers]\nhost = %s\nport = %d\nretry = 1\ntargets = %s\n",
			strings.ReplaceAll(settings, "$PORT", fmt.Sprint(port)), loopback, port, ip, m.links.Port(), targets)
		s, err := New(loadINI(t, dir, ini), zerolog.New(&m.logs).Level(zerolog.InfoLevel), Parts()...)
		if err != nil {
			t.Fatal(err)
		}
		if err = s.Start(context.Background()); errors.Is(err, syscall.EADDRINUSE) {
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		m.stop = sync.OnceFunc(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if err := s.Shutdown(ctx); err != nil {
				t.Errorf("Shutdown = %v", err)
			}
		})
		t.Cleanup(m.stop)
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("server %s:\n%s", m.addr, notable(m.logs.String()))
			}
		})
		for _, p := range s.parts {
			if r, ok := p.(*rtmfpPart); ok {
				m.rtmfp = r
			}
		}
		return m
	}
	t.Fatal("no free port")
	return nil
}

// startChain starts n servers with the same scripts, each a target of the one before it; back makes the first one a
// target of the last one, too. The first one is the first of the list.
func startChain(t testing.TB, n int, scripts map[string]string, mesh bool, settings string) []*member {
	t.Helper()
	list := make([]*member, n)
	for i := n - 1; i >= 0; i-- {
		var targets []string
		for j := i + 1; j < n && (mesh || j == i+1); j++ {
			targets = append(targets, list[j].links.String())
		}
		list[i] = startMember(t, maps.Clone(scripts), strings.Join(targets, ";"), settings)
	}
	for i, m := range list[:n-1] {
		want := 1
		if mesh {
			want = n - 1 - i
		}
		until(t, "connections", func() bool {
			return strings.Count(m.logs.String(), "Connection established with") >= want
		})
	}
	return list
}

// clip is a stream; the configuration of its codecs comes first.
var clip = []peerFrame{
	{media.Audio, 0, "\xaf\x00\x12\x10"},
	{media.Video, 0, "\x17\x00\x00\x00\x00\x01"},
	{media.Video, 0, "\x17\x01\x00\x00\x00key"},
	{media.Audio, 23, "\xaf\x01sound"},
	{media.Video, 40, "\x27\x01\x00\x00\x00inter"},
	{media.Video, 80, "\x27\x01\x00\x00\x00inter again"},
}

// send publishes the clip, later by some time, and then without configuration.
func (p *peer) send(later uint32) {
	p.t.Helper()
	p.do(func(now rtmfp.Time) {
		for i, f := range clip {
			if later > 0 && i < 2 {
				continue
			}
			if err := p.stream.WriteFrame(now, f.kind, f.ts+later, rtmfp.CopyBuffer([]byte(f.body)), media.WriteOptions{}); err != nil {
				p.t.Error(err)
			}
		}
	})
}

// receives waits until everything of the clip has come, in the order of each kind.
func (p *peer) receives(what string) {
	p.t.Helper()
	bodies := func(list []peerFrame, kind media.Kind) (s []string) {
		for _, f := range list {
			if f.kind == kind {
				s = append(s, f.body)
			}
		}
		return s
	}
	for _, kind := range []media.Kind{media.Audio, media.Video} {
		want := bodies(clip, kind)
		var got []string
		until(p.t, fmt.Sprintf("%d %v frames on %s", len(want), kind, what), func() bool {
			got = bodies(p.received(), kind)
			return len(got) >= len(want)
		})
		if fmt.Sprintf("%q", got[:len(want)]) != fmt.Sprintf("%q", want) {
			p.t.Errorf("%s: %v frames %q, want %q", what, kind, got, want)
		}
	}
}

// answer waits for a status with one of these codes.
func (p *peer) answer(codes ...string) netconn.Info {
	p.t.Helper()
	limit := time.After(patience)
	for {
		select {
		case i := <-p.status:
			for _, code := range codes {
				if i.Code == code {
					return i
				}
			}
		case <-limit:
			p.t.Fatalf("none of %s after %v", codes, patience)
		}
	}
}

// notable are the lines that tell of something unusual, and the last ones.

func notable(logs string) string {
	lines := strings.Split(logs, "\n")
	keep := max(0, len(lines)-20)
	return strings.Join(slices.DeleteFunc(lines[:keep], func(line string) bool {
		return strings.Contains(line, `"INFO"`) || strings.Contains(line, "left out")
	}), "\n") + "\n" + strings.Join(lines[keep:], "\n")
}
