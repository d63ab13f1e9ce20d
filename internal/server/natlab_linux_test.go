package server

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// natKinds are routers as nftables makes them. All keep the port of the inside where they can, as Linux
// does; none lets strangers talk to the router itself, whose connection tracking would then take the port
// for its own.
var natKinds = []struct{ name, rules string }{
	{"full", `
		chain pre { type nat hook prerouting priority dstnat; iifname "wan" meta l4proto udp dnat to 192.168.1.2; }
		chain post { type nat hook postrouting priority srcnat; oifname "wan" masquerade; }`},
	{"address", `
		set seen { type ipv4_addr; flags dynamic,timeout; timeout 60s; size 1024; }
		chain out { type filter hook forward priority filter; oifname "wan" update @seen { ip daddr }; }
		chain pre { type nat hook prerouting priority dstnat; iifname "wan" meta l4proto udp ip saddr @seen dnat to 192.168.1.2; }
		chain post { type nat hook postrouting priority srcnat; oifname "wan" masquerade; }`},
	{"port", `
		chain post { type nat hook postrouting priority srcnat; oifname "wan" masquerade; }`},
	{"symmetric", `
		chain post { type nat hook postrouting priority srcnat; oifname "wan" masquerade fully-random; }`},
}

const natFilter = `
		chain in { type filter hook input priority filter; iifname "wan" drop; }`

// lab is a network of namespaces: a server, and for each kind of NAT two routers with a host behind.
//
//	server 203.0.113.1 ── switch ── 203.0.113.x router 192.168.1.1 ── 192.168.1.2 host
type lab struct {
	t      *testing.T
	prefix string
}

func (l *lab) ns(name string) string { return l.prefix + name }

// run executes a program with input and fails the test when it fails.
func (l *lab) run(input string, args ...string) {
	l.t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		l.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// inside returns a command that runs in a namespace until ctx is done.
func (l *lab) inside(ctx context.Context, ns string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", l.ns(ns)}, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// needLab skips tests that need namespaces where there are none for them.
func needLab(t *testing.T) {
	t.Helper()
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("the laboratory needs the program %s", tool)
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("the laboratory needs root, for network namespaces")
	}
	name := fmt.Sprintf("try%d", os.Getpid())
	if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
		t.Skipf("the laboratory needs network namespaces: %v: %s", err, out)
	}
	if err := exec.Command("ip", "netns", "del", name).Run(); err != nil {
		t.Error(err)
	}
}

// newLab needs root, and a kernel that lets it make namespaces and NAT.
func newLab(t *testing.T) *lab {
	needLab(t)
	l := &lab{t: t, prefix: fmt.Sprintf("nat%d", os.Getpid())}
	l.run("", "ip", "netns", "add", l.ns("sw"))
	var made []string
	t.Cleanup(func() {
		for _, ns := range append(made, "sw") {
			exec.Command("ip", "netns", "del", l.ns(ns)).Run()
		}
	})
	var batch strings.Builder
	do := func(format string, arg ...any) { fmt.Fprintf(&batch, format+"\n", arg...) }
	in := func(ns, format string, arg ...any) {
		l.run(fmt.Sprintf(format, arg...), "ip", "-n", l.ns(ns), "-batch", "-")
	}
	add := func(ns string) {
		made = append(made, ns)
		do("netns add %s", l.ns(ns))
	}
	plug := func(ns, port string, n int) {
		do("link add p%d netns %s type veth peer name %s netns %s", n, l.ns("sw"), port, l.ns(ns))
	}
	add("srv")
	plug("srv", "wan", 1)
	for i, k := range natKinds {
		for side := range 2 {
			site := fmt.Sprint(k.name, side)
			add("r" + site)
			add("h" + site)
			plug("r"+site, "wan", 10+2*i+side)
			do("link add lan netns %s type veth peer name eth netns %s", l.ns("r"+site), l.ns("h"+site))
		}
	}
	l.run(batch.String(), "ip", "-batch", "-")
	var sw strings.Builder
	fmt.Fprintln(&sw, "link add name sw0 type bridge\nlink set sw0 up")
	for _, n := range append([]int{1}, ports()...) {
		fmt.Fprintf(&sw, "link set p%d master sw0\nlink set p%d up\n", n, n)
	}
	in("sw", "%s", sw.String())
	in("srv", "addr add 203.0.113.1/24 dev wan\nlink set wan up\nlink set lo up\n")
	for i, k := range natKinds {
		for side := range 2 {
			site := fmt.Sprint(k.name, side)
			in("r"+site, "addr add 203.0.113.%d/24 dev wan\nlink set wan up\naddr add 192.168.1.1/24 dev lan\nlink set lan up\n", 10+2*i+side)
			in("h"+site, "addr add 192.168.1.2/24 dev eth\nlink set eth up\nlink set lo up\nroute add default via 192.168.1.1\n")
			l.run("", "ip", "netns", "exec", l.ns("r"+site), "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
			cmd := exec.Command("ip", "netns", "exec", l.ns("r"+site), "nft", "-f", "-")
			cmd.Stdin = strings.NewReader("table ip lab {" + k.rules + natFilter + "\n}\n")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Skipf("the NAT laboratory needs nftables with NAT in the kernel: %v: %s", err, out)
			}
		}
	}
	return l
}

func ports() (list []int) {
	for i := range 2 * len(natKinds) {
		list = append(list, 10+i)
	}
	return list
}

// Clients behind real NATs meet whenever theory allows, through the daemon and with the command line
// client; where theory does not, the daemon says why.
func TestNATLab(t *testing.T) {
	if testing.Short() {
		t.Skip("long: other processes do the work")
	}
	l := newLab(t)
	dir := t.TempDir()
	bin := filepath.Join(dir, "bin") + "/"
	l.run("", "go", "build", "-buildvcs=false", "-o", bin, "../../cmd/monaserver", "../../cmd/rtmfp")
	if err := os.MkdirAll(filepath.Join(dir, "www", "app"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "www", "app", "main.lua"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 55*time.Second)
	defer cancel()
	var log lockedBuffer
	srv := l.inside(ctx, "srv", bin+"monaserver", "--application.dir="+dir, "--RTMFP.port=1935", "--metrics.port=0")
	out, err := srv.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	isReady := sync.OnceFunc(func() { close(ready) })
	go func() {
		in := bufio.NewScanner(out)
		for in.Scan() {
			fmt.Fprintln(&log, in.Text())
			if strings.HasSuffix(in.Text(), "ready") {
				isReady()
			}
		}
	}()
	select {
	case <-ready:
	case <-ctx.Done():
		t.Fatalf("the server did not start:\n%s", log.String())
	}
	hopeless := func(a, b string) bool { return a == "symmetric" && (b == "port" || b == "symmetric") }
	// All at once: those that cannot meet take as long as clients try.
	type result struct {
		from, to string
		err      error
	}
	results := make(chan result)
	for _, from := range natKinds {
		for _, to := range natKinds {
			go func() {
				results <- result{from.name, to.name, l.meet(ctx, bin+"rtmfp", "h"+from.name+"0", "h"+to.name+"1")}
			}()
		}
	}
	for range len(natKinds) * len(natKinds) {
		r := <-results
		want := !hopeless(r.from, r.to) && !hopeless(r.to, r.from)
		if (r.err == nil) != want {
			t.Errorf("%s to %s: want a meeting: %v, got %v", r.from, r.to, want, r.err)
		}
	}
	if n := strings.Count(log.String(), "symmetric"); n < 1 {
		t.Errorf("the server does not say why some did not meet:\n%s", log.String())
	}
	srv.Cancel()
	srv.Wait()
}

// meet lets a client in one namespace send a line to one in another.
func (l *lab) meet(ctx context.Context, rtmfp, from, to string) error {
	const url, greeting = "rtmfp://203.0.113.1/app", "hello from behind"
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	listener := l.inside(ctx, to, rtmfp, "peer", "-once", url)
	out, err := listener.StdoutPipe()
	if err != nil {
		return err
	}
	hold, release := io.Pipe() // its input does not end
	defer release.Close()
	listener.Stdin = hold
	if err := listener.Start(); err != nil {
		return err
	}
	lines := bufio.NewScanner(out)
	var id string
	if lines.Scan() {
		id = strings.TrimPrefix(lines.Text(), "peer id: ")
	}
	// Long enough for the hello that makes the server report a failure.
	caller := l.inside(ctx, from, rtmfp, "peer", "-timeout", "24s", url, id)
	caller.Stdin = strings.NewReader(greeting + "\n")
	said, err := caller.CombinedOutput()
	if err != nil {
		cancel()
		release.Close()
		listener.Wait()
		return fmt.Errorf("%w: %s", err, said)
	}
	if !lines.Scan() || lines.Text() != greeting {
		err = errors.New("the line did not arrive")
	}
	cancel()
	release.Close()
	listener.Wait()
	return err
}

// lockedBuffer is a bytes.Buffer for several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
