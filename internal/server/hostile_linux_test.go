package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/monaserver/monaserver/pkg/amf"
)

// hostileScript answers clients, and lets other servers call functions.
const hostileScript = `
function onConnection(client)
  function client:echo(n) return n end
  function client:servers() return mona.servers.count end
end
function onServerConnection(server)
  function server:take(...) self.took = select("#", ...) end
end
function onServerDisconnection(server) end
`

// assault is what a hostile server does on each of its connections, in the time that attackFor gives.
type assault struct {
	name        string
	connections int
	do          func(c net.Conn)
}

const attackFor = 2 * time.Second

// serverFrame is a message between servers; without a name a control message.
func serverFrame(name string, payload []byte) []byte {
	head := append([]byte{byte(len(name))}, name...)
	if name == "" {
		head = []byte{0, 0}
	}
	b := binary.BigEndian.AppendUint32(nil, uint32(len(head)+len(payload)))
	return append(append(b, head...), payload...)
}

// helloFrame is a hello with n parameters.
func helloFrame(n int) []byte {
	b := []byte{1}
	for i := range n {
		k, v := fmt.Sprintf("parameter.%d", i), strings.Repeat("v", 40)
		b = append(append(b, byte(len(k))), k...)
		b = append(append(b, byte(len(v))), v...)
	}
	return serverFrame("", b)
}

func assaults() []assault {
	repeat := func(c net.Conn, b []byte) {
		for {
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	}
	join := func(c net.Conn) {
		_, _ = c.Write(helloFrame(3)) // an error shows in the next one
		go func() { _, _ = io.Copy(io.Discard, c) }()
	}
	nulls := bytes.Repeat([]byte{5}, 1<<20)
	call := serverFrame("take", []byte{0x11, 0x06, 0x03, 'x'})
	return []assault{
		{"no hello", 10000, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }},
		{"hellos", 200, func(c net.Conn) {
			_, _ = c.Write(helloFrame(4000))
			_, _ = io.Copy(io.Discard, c)
		}},
		{"come and go", 64, func(c net.Conn) {
			_, _ = c.Write(helloFrame(3))
			_, _ = c.Read(make([]byte, 1))
		}},
		{"large messages", 64, func(c net.Conn) {
			join(c)
			_, _ = c.Write([]byte{1, 0, 0, 0})
			repeat(c, nulls)
		}},
		{"bombs", 64, func(c net.Conn) {
			join(c)
			repeat(c, serverFrame("take", nulls))
		}},
		{"calls", 32, func(c net.Conn) {
			join(c)
			_, _ = c.Write(call)
			repeat(c, bytes.Repeat([]byte{0, 0, 0, 6, 0, 1, 0x11, 0x06, 0x03, 'x'}, 500))
		}},
		{"applications", 8, func(c net.Conn) {
			join(c)
			var list []byte
			for i := range 1000 {
				p := fmt.Sprintf("/x%d", i)
				list = append(append(list, byte(len(p))), p...)
			}
			_, _ = c.Write(serverFrame(".", list))
			repeat(c, append(append(binary.BigEndian.AppendUint32(nil, uint32(2+len(list))), 0, 1), list...))
		}},
	}
}

// Other servers that mean no good cost little memory, and clients are served all the time; when they have gone
// nothing of them is left.
func TestHostileServers(t *testing.T) {
	if testing.Short() {
		t.Skip("long: another process is attacked")
	}
	bin := filepath.Join(t.TempDir(), "monaserver")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", bin, "../../cmd/monaserver").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, a := range assaults() {
		t.Run(a.name, func(t *testing.T) { a.run(t, bin) })
	}
}

func (a assault) run(t *testing.T, bin string) {
	d := startProcess(t, bin, map[string]string{"main.lua": hostileScript})
	client := dialPeerTo(t, d.rtmfp, "")
	client.call("echo", amf.Number(0))
	before, _ := d.memory()
	ctx, cancel := context.WithTimeout(t.Context(), attackFor)
	defer cancel()
	var work sync.WaitGroup
	for range min(a.connections, 200) {
		work.Go(func() {
			for n := 0; ctx.Err() == nil && n <= a.connections/200; n++ {
				dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 6, 6, 6)}}
				c, err := dialer.DialContext(ctx, "tcp", d.servers.String())
				if err != nil {
					return
				}
				_ = c.(*net.TCPConn).SetLinger(0) // nothing goes on after the end
				defer context.AfterFunc(ctx, func() { _ = c.Close() })()
				if a.connections > 200 { // held until the end
					defer c.Close()
					continue
				}
				n = 0
				a.do(c)
				_ = c.Close()
			}
			<-ctx.Done()
		})
	}
	calls, slowest := 0, time.Duration(0)
	for ; ctx.Err() == nil; calls++ {
		r, took := client.call("echo", amf.Number(calls))
		if r.Err != nil || r.Value() != amf.Value(amf.Number(calls)) {
			t.Fatalf("call %d of a client: %v, %v", calls, r.Value(), r.Err)
		}
		slowest = max(slowest, took)
	}
	work.Wait()
	until(t, "end of the hostile servers", func() bool {
		r, _ := client.call("servers")
		return r.Value() == amf.Value(amf.Number(0))
	})
	_, peak := d.memory()
	t.Logf("%.1f MB, %d calls of a client, the slowest took %v", float64(peak-before)/(1<<20), calls, slowest.Truncate(time.Millisecond))
	if peak-before > 64<<20 {
		t.Errorf("%d MB", (peak-before)>>20)
	}
	if slowest > 3*time.Second || calls < 5 {
		t.Errorf("a client suffers: %d calls, the slowest took %v", calls, slowest)
	}
	client.close()
}

// process is a daemon of its own process on loopback.
type process struct {
	t       *testing.T
	pid     int
	rtmfp   netip.AddrPort
	servers netip.AddrPort
	log     lockedBuffer
}

// startProcess runs a daemon with these files below www, and servers.port.
func startProcess(t *testing.T, bin string, files map[string]string) *process {
	t.Helper()
	dir := t.TempDir()
	d := &process{t: t, rtmfp: netip.AddrPortFrom(loopback, freeUDPPort(t)), servers: freeTCPPort(t, loopback)}
	ini := fmt.Sprintf("threads = 1\n[RTMFP]\nhost = %s\nport = %d\n[servers]\nhost = %s\nport = %d\n",
		loopback, d.rtmfp.Port(), loopback, d.servers.Port())
	if err := os.MkdirAll(filepath.Join(dir, "www"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "MonaServer.ini"), []byte(ini), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, "www", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(bin, "--config="+filepath.Join(dir, "MonaServer.ini"))
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d.pid = cmd.Process.Pid
	ready, ended := make(chan struct{}), make(chan struct{})
	go func() {
		in := bufio.NewScanner(out)
		for in.Scan() {
			fmt.Fprintln(&d.log, in.Text())
			if strings.HasSuffix(in.Text(), "ready") {
				close(ready)
			}
		}
		_ = cmd.Wait() // stopped
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-ended:
		case <-time.After(patience):
			_ = cmd.Process.Kill()
			t.Error("the daemon does not stop")
		}
	})
	select {
	case <-ready:
	case <-ended:
		t.Fatalf("the daemon ended:\n%s", d.log.String())
	case <-time.After(patience):
		t.Fatalf("the daemon does not start:\n%s", d.log.String())
	}
	return d
}

// memory reads what the daemon has in memory, now and at most so far, in bytes.
func (d *process) memory() (now, peak int64) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.pid))
	if err != nil {
		d.t.Fatal(err)
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
