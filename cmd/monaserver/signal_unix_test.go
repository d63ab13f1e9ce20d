//go:build unix

package main

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestStopsInOrderOnSignal(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		t.Run(sig.String(), func(t *testing.T) {
			d := start(t, "plain", "--RTMFP.port=0", "--pidfile=pid")
			d.waitFor(t, "ready")
			pid, err := os.ReadFile(filepath.Join(d.cmd.Dir, "pid"))
			if err != nil || strings.TrimSpace(string(pid)) != strconv.Itoa(d.cmd.Process.Pid) {
				t.Errorf("pid file: %q, %v", pid, err)
			}
			d.signal(t, sig)
			if code := d.exit(); code != exitOK {
				t.Errorf("exit code %d:\n%s", code, strings.Join(d.lines, "\n"))
			}
			if log := strings.Join(d.lines, "\n"); !strings.Contains(log, "NOTE   stopped") {
				t.Errorf("log:\n%s", log)
			}
			if _, err := os.Stat(filepath.Join(d.cmd.Dir, "pid")); !os.IsNotExist(err) {
				t.Errorf("pid file after the stop: %v", err)
			}
			for _, folder := range []string{"www", "data", "logs"} {
				if _, err := os.Stat(filepath.Join(d.cmd.Dir, folder)); err != nil {
					t.Error(err)
				}
			}
			if log, err := os.ReadFile(filepath.Join(d.cmd.Dir, "logs", "log.0")); err != nil || !strings.Contains(string(log), "stopped") {
				t.Errorf("log file: %q, %v", log, err)
			}
		})
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	d := start(t, "hangs", "--RTMFP.port=0", "--application.shutdownTimeout=3600")
	d.waitFor(t, "ready")
	d.signal(t, os.Interrupt)
	d.waitFor(t, "a second signal ends it at once")
	d.signal(t, os.Interrupt)
	if code := d.exit(); code != exitFailed {
		t.Errorf("exit code %d:\n%s", code, strings.Join(d.lines, "\n"))
	}
}

func TestStopTakesNoLongerThanConfigured(t *testing.T) {
	d := start(t, "hangs", "--RTMFP.port=0", "--application.shutdownTimeout=0.1")
	d.waitFor(t, "ready")
	d.signal(t, os.Interrupt)
	if code := d.exit(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	if log := strings.Join(d.lines, "\n"); !strings.Contains(log, "RTMFP: did not stop in time") {
		t.Errorf("log:\n%s", log)
	}
}

var inBackground = regexp.MustCompile(`in the background as process (\d+)`)

func TestBackground(t *testing.T) {
	port := freePort(t)
	cmd := command(t, "plain", "--daemon", "--RTMFP.host=127.0.0.1", "--RTMFP.port="+port, "--pidfile=pid")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	m := inBackground.FindSubmatch(out)
	if m == nil {
		t.Fatalf("output: %s", out)
	}
	pid, _ := strconv.Atoi(string(m[1]))
	c, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.ReadFull(c, make([]byte, len("hello"))); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(cmd.Dir, "pid")); err != nil || strings.TrimSpace(string(text)) != string(m[1]) {
		t.Errorf("pid file: %q, %v, want %s", text, err, m[1])
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	closedByPeer(t, c)
	if log, err := os.ReadFile(filepath.Join(cmd.Dir, "logs", "log.0")); err != nil || !strings.Contains(string(log), "stopped") {
		t.Errorf("log file: %q, %v", log, err)
	}
}

func TestBackgroundCannotStart(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	_, stderr, code := output(t, "", "--daemon", "--RTMFP.host=127.0.0.1", "--RTMFP.port="+port)
	if code != exitFailed || !strings.Contains(stderr, "already in use") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// closedByPeer waits until the other end of a connection is gone.
func closedByPeer(t *testing.T, c net.Conn) {
	t.Helper()
	if _, err := io.Copy(io.Discard, c); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Fatal(err)
	}
}
