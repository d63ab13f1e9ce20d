package server

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// meshLab is three daemons of their own process, network and folder, each linked with both others.
//
//	a 10.9.0.1 ── switch ── b 10.9.0.2
//	                └────── c 10.9.0.3
type meshLab struct {
	*lab
	bin   string
	nodes [3]*meshNode
}

// meshNode is one of the daemons.
type meshNode struct {
	l     *meshLab
	name  string
	dir   string
	ns    int // descriptor of its network namespace
	http  http.Client
	cmd   *exec.Cmd
	ended chan struct{} // closed when the process of cmd is gone
	log   lockedBuffer
}

// meshTargets makes one pair dial each other, one only one way each.
var meshTargets = [3]string{"10.9.0.2:1936; 10.9.0.3:1936", "10.9.0.1:1936; 10.9.0.3:1936", "10.9.0.2:1936"}

func newMeshLab(t *testing.T, bin string, scripts map[string]string, settings string) *meshLab {
	l := &meshLab{lab: &lab{t: t, prefix: "mesh" + strings.NewReplacer("TestMeshLab/", "", "modules_", "m").Replace(t.Name()) + strconv.Itoa(os.Getpid())}, bin: bin}
	t.Cleanup(func() {
		for _, name := range []string{"a", "b", "c", "sw"} {
			_ = exec.Command("ip", "netns", "del", l.lab.ns(name)).Run() // it may not have been made
		}
	})
	var batch strings.Builder
	do := func(format string, arg ...any) { fmt.Fprintf(&batch, format+"\n", arg...) }
	do("netns add %s", l.lab.ns("sw"))
	for i, name := range []string{"a", "b", "c"} {
		do("netns add %s", l.lab.ns(name))
		do("link add p%d netns %s type veth peer name lan netns %s", i, l.lab.ns("sw"), l.lab.ns(name))
	}
	l.run(batch.String(), "ip", "-batch", "-")
	l.run("link add name sw0 type bridge\nlink set sw0 up\n"+
		"link set p0 master sw0\nlink set p0 up\nlink set p1 master sw0\nlink set p1 up\nlink set p2 master sw0\nlink set p2 up\n",
		"ip", "-n", l.lab.ns("sw"), "-batch", "-")
	for i, name := range []string{"a", "b", "c"} {
		l.run(fmt.Sprintf("addr add 10.9.0.%d/24 dev lan\nlink set lan up\nlink set lo up\n", i+1), "ip", "-n", l.lab.ns(name), "-batch", "-")
		fd, err := unix.Open("/var/run/netns/"+l.lab.ns(name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(fd) })
		n := &meshNode{l: l, name: name, dir: t.TempDir(), ns: fd}
		n.http.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, addr string) (c net.Conn, err error) {
			err = n.inside(func() error {
				c, err = new(net.Dialer).DialContext(ctx, network, addr)
				return err
			})
			return c, err
		}}
		n.http.Timeout = 5 * time.Second
		ini := fmt.Sprintf("host = 10.9.0.%d\nthreads = 1\n[application]\nshutdownTimeout = 1\n[servers]\nport = 1936\ntargets = %s\n%s\n[metrics]\nport = 9100\n[lab]\nname = %s\n",
			i+1, meshTargets[i], settings, name)
		files := map[string]string{"MonaServer.ini": ini}
		for file, text := range scripts {
			files["www/"+file] = text
		}
		for file, text := range files {
			file = filepath.Join(n.dir, filepath.FromSlash(file))
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		l.nodes[i] = n
	}
	return l
}

// certificates makes a certificate for all nodes, and settings that use it.
func certificates(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(10, 9, 0, 1), net.IPv4(10, 9, 0, 2), net.IPv4(10, 9, 0, 3)},
		IsCA:        true, BasicConstraintsValid: true, // it signs itself
	}
	cert, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: cert}, "key.pem": {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return fmt.Sprintf("tls.cert = %[1]s/cert.pem\ntls.key = %[1]s/key.pem\ntls.ca = %[1]s/cert.pem\n", dir)
}

// inside runs f on a thread that is in the node's network: sockets it makes stay there.
func (n *meshNode) inside(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
		err := unix.Setns(n.ns, unix.CLONE_NEWNET)
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

// start starts the daemon and waits until it serves.
func (n *meshNode) start() {
	t := n.l.t
	t.Helper()
	cmd := exec.Command("ip", "netns", "exec", n.l.lab.ns(n.name), n.l.bin, "--config="+filepath.Join(n.dir, "MonaServer.ini"))
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready, ended := make(chan struct{}), make(chan struct{})
	go func() {
		in := bufio.NewScanner(out)
		for in.Scan() {
			fmt.Fprintln(&n.log, in.Text())
			if strings.HasSuffix(in.Text(), "ready") {
				close(ready)
			}
		}
		_ = cmd.Wait() // killed or stopped
		close(ended)
	}()
	n.cmd, n.ended = cmd, ended
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGCONT)
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-ended:
		case <-time.After(patience):
			_ = cmd.Process.Kill()
			t.Errorf("%s does not stop", n.name)
		}
	})
	select {
	case <-ready:
	case <-ended:
		t.Fatalf("%s ended:\n%s", n.name, n.log.String())
	case <-time.After(patience):
		t.Fatalf("%s does not start:\n%s", n.name, n.log.String())
	}
}

// signal sends a signal to the daemon.
func (n *meshNode) signal(s syscall.Signal) {
	if err := n.cmd.Process.Signal(s); err != nil {
		n.l.t.Errorf("signal %v to %s: %v", s, n.name, err)
	}
}

// ip configures the node's network.
func (n *meshNode) ip(args ...string) {
	n.l.run("", append([]string{"ip", "-n", n.l.lab.ns(n.name)}, args...)...)
}

// metrics reads the daemon's metrics, those without labels.
func (n *meshNode) metrics() (map[string]float64, error) {
	r, err := n.http.Get("http://127.0.0.1:9100/metrics")
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	m := map[string]float64{}
	in := bufio.NewScanner(r.Body)
	for in.Scan() {
		name, text, _ := strings.Cut(in.Text(), " ")
		if v, err := strconv.ParseFloat(text, 64); err == nil {
			m[name] = v
		}
	}
	return m, in.Err()
}

// countScript counts the calls that come, by name of the server that calls, and tells clients of it.
const countScript = `
local me = mona.configs["lab.name"]
local heard = {}

local function state()
  local members = 0
  for id, g in pairs(mona.groups) do members = members + g.count end
  return { name = me, servers = mona.servers.count, publications = mona.publications.count, members = members, heard = heard }
end

local function tell(_, n) mona.servers:broadcast("told", me, n) end

local function told(_, from, n)
  local h = heard[from]
  if not h then
    h = { last = n - 1, count = 0, lost = 0 }
    heard[from] = h
  end
  h.lost = h.lost + n - h.last - 1
  h.last = n
  h.count = h.count + 1
end
`

// meshScript is a root application for the three: it passes streams of its clients on to the other servers, and tells
// them of a member of a group.
const meshScript = countScript + `
local group = string.rep("g", 32)
local mine = {} -- publications of clients here, by name

function onConnection(client)
  client.tell, client.state = tell, state

  function client:onPublish(publication)
    local name = publication.name
    mine[name] = publication
    mona.servers:broadcast("publish", name)
    function publication:onVideo(time, packet) mona.servers:broadcast("video", name, time, packet) end
  end

  function client:onUnpublish(publication)
    mine[publication.name] = nil
    mona.servers:broadcast("unpublish", publication.name)
  end
end

function onServerConnection(server)
  server.copies = {}
  server.told = told
  function server:publish(name) self.copies[name] = mona:publish(name) or false end
  function server:video(name, time, packet)
    local copy = self.copies[name]
    if copy then copy:pushVideo(time, packet) end
  end
  function server:unpublish(name)
    if self.copies[name] then self.copies[name]:close() end
    self.copies[name] = nil
  end
  function server:member(id) self.guest = mona:joinGroup(id, group) end

  server:send("member", string.rep(me, 32))
  for name in pairs(mine) do server:send("publish", name) end
end

function onServerDisconnection(server)
  for name, copy in pairs(server.copies) do
    if copy then copy:close() end
  end
  if server.guest then server.guest:release() end
end
`
