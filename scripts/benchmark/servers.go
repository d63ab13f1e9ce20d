package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Servers that can be measured.
const (
	ours = "MonaServer"
	tc   = "tcserver"
	mona = "MonaServer 1.x"
)

// programs are the executables; "" = not there.
type programs struct {
	client, daemon string
	tcserver, mona string
}

// instance is how a server is started.
type instance struct {
	kind    string
	hmac    bool // tcserver has to be told that clients may do without
	threads int  // ours only; 0 = one per processor
	// With links a server listens for other servers on a TCP port, or connects to one of those of peers.
	link, peer int
	scripts    map[string]string // Lua by path below www
	address    string            // public address, for scripts
}

// server is a running one.
type server struct {
	cmd  *exec.Cmd
	port int
	out  *os.File
}

func (s *server) pid() int { return s.cmd.Process.Pid }

func (s *server) url(app string) string { return fmt.Sprintf("rtmfp://127.0.0.1:%d/%s", s.port, app) }

const (
	startTries = 40
	stopWait   = 8 * time.Second
)

// start starts a server in a folder of its own below dir and waits until a client can connect.
func (p *programs) start(ctx context.Context, dir string, i instance) (*server, error) {
	dir, err := os.MkdirTemp(dir, "server")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	for name, text := range i.scripts {
		if err := writeFile(filepath.Join(dir, "www", name), text); err != nil {
			return nil, err
		}
	}
	cmd, err := p.command(dir, port, i)
	if err != nil {
		return nil, err
	}
	out, err := os.Create(filepath.Join(dir, "output"))
	if err != nil {
		return nil, err
	}
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	s := &server{cmd: cmd, port: port, out: out}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, out.Close())
	}
	if err := p.await(ctx, s, i); err != nil {
		s.stop()
		return nil, fmt.Errorf("%s does not start: %w; see %s", i.kind, err, out.Name())
	}
	return s, nil
}

// await connects a client to the server until that works.
func (p *programs) await(ctx context.Context, s *server, i instance) error {
	var out []byte
	var err error
	for range startTries {
		c := exec.CommandContext(ctx, p.client, "bench", "idle", "-clients", "1", "-time", "1ms", "-warmup", "0s", "-timeout", "1s", "-q",
			fmt.Sprintf("-hmac=%v", i.hmac), s.url("bench"))
		if out, err = c.CombinedOutput(); err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
}

// stop ends the server, in order if it does that in time.
func (s *server) stop() {
	s.cmd.Process.Signal(syscall.SIGINT)
	kill := time.AfterFunc(stopWait, func() { s.cmd.Process.Kill() })
	s.cmd.Wait()
	kill.Stop()
	s.out.Close()
}

func (p *programs) command(dir string, port int, i instance) (*exec.Cmd, error) {
	switch i.kind {
	case tc:
		args := []string{"-B", fmt.Sprintf("127.0.0.1:%d", port)}
		if !i.hmac {
			args = append(args, "-H", "-S")
		}
		return exec.Command(p.tcserver, args...), nil
	case mona:
		return p.monaCommand(dir, port, i)
	}
	ini := fmt.Sprintf("threads = %d\n[RTMFP]\nhost = 127.0.0.1\nport = %d\n", i.threads, port)
	if i.address != "" {
		ini = "host = " + i.address + "\n" + ini
	}
	if i.link > 0 {
		ini += fmt.Sprintf("[servers]\nhost = 127.0.0.1\nport = %d\n", i.link)
	}
	if i.peer > 0 {
		ini += fmt.Sprintf("[servers]\ntargets = 127.0.0.1:%d\n", i.peer)
	}
	if err := os.MkdirAll(filepath.Join(dir, "www", "bench"), 0o777); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "MonaServer.ini")
	return exec.Command(p.daemon, "--config="+file), writeFile(file, ini)
}

// monaCommand prepares MonaServer 1.x, which reads everything from the folder of its executable.
func (p *programs) monaCommand(dir string, port int, i instance) (*exec.Cmd, error) {
	exe := filepath.Join(dir, "MonaServer")
	if err := copyFile(exe, p.mona); err != nil {
		return nil, err
	}
	ini := fmt.Sprintf("[RTMFP]\nhost=127.0.0.1\nport=%d\n", port)
	for _, other := range []string{"RTMP", "HTTP", "RTSP"} {
		ini += "[" + other + "]\nhost=127.0.0.1\nport=0\n"
	}
	if i.address != "" {
		ini = "host=" + i.address + "\n" + ini
	}
	ini += fmt.Sprintf("[servers]\nhost=127.0.0.1\nport=%d\n", i.link)
	if i.peer > 0 {
		ini += fmt.Sprintf("targets=127.0.0.1:%d\n", i.peer)
	}
	for _, folder := range []string{"data", "www/bench"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o777); err != nil {
			return nil, err
		}
	}
	main := filepath.Join(dir, "www", "bench", "main.lua") // without it there is no application
	if _, err := os.Stat(main); errors.Is(err, os.ErrNotExist) {
		if err := writeFile(main, ""); err != nil {
			return nil, err
		}
	}
	return exec.Command(exe), writeFile(filepath.Join(dir, "MonaServer.ini"), ini)
}

func writeFile(name, text string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return err
	}
	return os.WriteFile(name, []byte(text), 0o666)
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o777)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// freePort returns a port that is free now, for UDP and TCP.
func freePort() (int, error) {
	for range 20 {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			return 0, err
		}
		port := c.LocalAddr().(*net.UDPAddr).Port
		l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		c.Close()
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("no free port")
}
