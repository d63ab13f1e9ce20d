//go:build unix

package server

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// freePorts is the first of n ports in a row that nobody uses.
func freePorts(t *testing.T, n int) (first int) {
	t.Helper()
search:
	for range 50 {
		first = int(freeUDPPort(t))
		for port := first; port < first+n; port++ {
			u, err := net.ListenPacket("udp4", fmt.Sprintf("%s:%d", loopback, port))
			if err != nil {
				continue search
			}
			_ = u.Close()
			l, err := net.Listen("tcp4", fmt.Sprintf("%s:%d", loopback, port))
			if err != nil {
				continue search
			}
			_ = l.Close()
		}
		return first
	}
	t.Fatalf("no %d free ports in a row", n)
	return 0
}

// scripts/cluster starts three servers that know each other, and takes them down with it.
func TestClusterScript(t *testing.T) {
	dir, port := t.TempDir(), freePorts(t, 6)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, need(t, "bash"), filepath.Join("..", "..", "scripts", "cluster"), "-q", "-p", fmt.Sprint(port), "-d", dir)
	cmd.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	started := false
	for lines := bufio.NewScanner(out); !started && lines.Scan(); {
		started = strings.HasPrefix(lines.Text(), "Edit ")
	}
	if !started {
		t.Fatalf("it did not start: %v", cmd.Wait())
	}
	for i, want := range []string{"B C", "A C", "A B"} {
		var answer string
		until(t, fmt.Sprintf("servers %s of server %d", want, i), func() bool {
			b, _ := exec.CommandContext(ctx, filepath.Join(dir, "bin", "rtmfp"), "call", // again if it fails
				fmt.Sprintf("rtmfp://%s:%d/cluster-demo", loopback, port+i), "servers").Output()
			answer = string(b)
			for name := range strings.SplitSeq(want, " ") {
				if !strings.Contains(answer, fmt.Sprintf(`"name":%q`, name)) {
					return false
				}
			}
			return true
		})
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGINT: %v", err)
	}
	l, err := net.Listen("tcp4", fmt.Sprintf("%s:%d", loopback, port+3))
	if err != nil {
		t.Fatalf("a server is left: %v", err)
	}
	_ = l.Close()
}
