package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/monaserver/monaserver/internal/config"
	"github.com/monaserver/monaserver/internal/server"
)

// asDaemon makes the test binary behave as monaserver, with a fakeTransport as its only part; the value is its behaviour.
const asDaemon = "MONASERVER_TEST_AS_DAEMON"

func TestMain(m *testing.M) {
	behaviour := os.Getenv(asDaemon)
	if behaviour == "" {
		os.Exit(m.Run())
	}
	build := func(e server.Env) (server.Part, error) {
		return &fakeTransport{env: e, hangs: behaviour == "hangs", fails: behaviour == "fails"}, nil
	}
	run(server.With(build))
}

// fakeTransport listens on TCP at the address of RTMFP, and keeps its connections until the process ends.
type fakeTransport struct {
	env          server.Env
	hangs, fails bool
	l            net.Listener
}

func (f *fakeTransport) Name() string { return "RTMFP" }

func (f *fakeTransport) Start(context.Context) error {
	addr := netip.AddrPortFrom(f.env.Config.RTMFP.Host, f.env.Config.RTMFP.Port)
	l, err := net.Listen("tcp", addr.String())
	if err != nil {
		return server.ListenError("RTMFP.port", "UDP", addr, err)
	}
	f.l = l
	go func() { // greets one client and holds its connection until the process ends
		if c, err := l.Accept(); err == nil {
			_, _ = c.Write([]byte("hello"))
			_, _ = io.Copy(io.Discard, c)
		}
	}()
	f.env.Log.Info().Str("address", l.Addr().String()).Msg("listening")
	if f.fails {
		f.env.Fail(fmt.Errorf("the socket is gone"))
	}
	return nil
}

func (f *fakeTransport) Shutdown(ctx context.Context) error {
	if f.hangs {
		<-ctx.Done()
		select {}
	}
	return f.l.Close()
}

// daemon is a running monaserver.
type daemon struct {
	cmd   *exec.Cmd
	log   *bufio.Scanner
	lines []string
}

func command(t *testing.T, behaviour string, argv ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, argv...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), asDaemon+"="+behaviour)
	return cmd
}

func start(t *testing.T, behaviour string, argv ...string) *daemon {
	t.Helper()
	d := &daemon{cmd: command(t, behaviour, append(argv, "--RTMFP.host=127.0.0.1", "--log=debug")...)}
	stderr, err := d.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	d.log = bufio.NewScanner(stderr)
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if d.cmd.ProcessState == nil {
			_ = d.cmd.Process.Kill()
			_ = d.cmd.Wait()
		}
	})
	return d
}

// waitFor reads the log up to a line with this text.
func (d *daemon) waitFor(t *testing.T, text string) string {
	t.Helper()
	for d.log.Scan() {
		d.lines = append(d.lines, d.log.Text())
		if strings.Contains(d.log.Text(), text) {
			return d.log.Text()
		}
	}
	t.Fatalf("%q is not in the log:\n%s", text, strings.Join(d.lines, "\n"))
	return ""
}

func (d *daemon) signal(t *testing.T, sig os.Signal) {
	t.Helper()
	if err := d.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// exit reads the rest of the log and returns the exit code.
func (d *daemon) exit() int {
	for d.log.Scan() {
		d.lines = append(d.lines, d.log.Text())
	}
	_ = d.cmd.Wait() // the code tells
	return d.cmd.ProcessState.ExitCode()
}

func TestFailureWhileRunning(t *testing.T) {
	d := start(t, "fails", "--RTMFP.port=0")
	if code := d.exit(); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	if log := strings.Join(d.lines, "\n"); !strings.Contains(log, "the socket is gone") {
		t.Errorf("log:\n%s", log)
	}
}

func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	d := start(t, "plain", "--RTMFP.port="+port)
	if code := d.exit(); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	log := strings.Join(d.lines, "\n")
	for _, want := range []string{"FATAL", "port " + port + " is already in use", "RTMFP.port"} {
		if !strings.Contains(log, want) {
			t.Errorf("%q is missing:\n%s", want, log)
		}
	}
}

// output runs monaserver to its end.
func output(t *testing.T, ini string, argv ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := command(t, "plain", argv...)
	if ini != "" {
		if err := os.WriteFile(filepath.Join(cmd.Dir, config.FileName), []byte(ini), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run() // the code tells
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func TestOptionsThatDoNotServe(t *testing.T) {
	for _, tc := range []struct {
		name, ini      string
		argv           []string
		code           int
		stdout, stderr []string
	}{
		{"version", "", []string{"--version"}, exitOK, []string{"MonaServer ", "go1."}, nil},
		{"help", "", []string{"-h"}, exitOK, []string{"Usage: monaserver", "RTMFP.port=1935"}, nil},
		{
			"check", "[RTMFP]\nport=7\n[RTFMP]\nport=8\n",
			[]string{"--check", "--threads=3"},
			exitOK,
			[]string{"RTMFP.port = 7", "; MonaServer.ini:2", "; command line", "; default"},
			[]string{"warning: MonaServer.ini:4: unknown key RTFMP.port"},
		},
		{
			"check of a bad file", "\n[RTMFP]\nport=x\nhost=y\n",
			[]string{"--check"},
			exitConfig, nil,
			[]string{`MonaServer.ini:3: RTMFP.port = "x": expected a port number`, "MonaServer.ini:4: RTMFP.host"},
		},
		{"bad file", "threads = many", nil, exitConfig, nil, []string{"MonaServer.ini:1: threads"}},
		{"bad option", "", []string{"--log=loud"}, exitConfig, nil, []string{"--log", "loud", "--help"}},
		{"missing file", "", []string{"--config=nowhere.ini"}, exitConfig, nil, []string{"nowhere.ini"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			stdout, stderr, code := output(t, tc.ini, tc.argv...)
			if code != tc.code {
				t.Errorf("exit code %d, want %d", code, tc.code)
			}
			for _, want := range tc.stdout {
				if !strings.Contains(stdout, want) {
					t.Errorf("%q is not in the output:\n%s", want, stdout)
				}
			}
			for _, want := range tc.stderr {
				if !strings.Contains(stderr, want) {
					t.Errorf("%q is not in the error output:\n%s", want, stderr)
				}
			}
		})
	}
}
