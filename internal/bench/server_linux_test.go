package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/monaserver/monaserver/internal/config"
	"github.com/monaserver/monaserver/internal/server"
)

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

const echoScript = `function onConnection(client)
  function client:echo(...) return ... end
end`

// startServer starts the whole server in this process and returns its application "test", which has the
// function echo.
func startServer(t *testing.T) Target {
	t.Helper()
	dir := t.TempDir()
	app := filepath.Join(dir, "www", "test")
	if err := os.MkdirAll(app, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(app, "main.lua"), []byte(echoScript), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 10 { // another process may take the port before the server does
		port := freePort(t)
		s, err := server.New(settings(t, dir, port), zerolog.Nop(), server.Parts()...)
		if err != nil {
			t.Fatal(err)
		}
		if err = s.Start(context.Background()); errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			if err := s.Shutdown(ctx); err != nil {
				t.Errorf("Shutdown = %v", err)
			}
		})
		return target(port)
	}
	t.Fatal("no free port")
	return Target{}
}

func target(port uint16) Target {
	return Target{Addr: netip.AddrPortFrom(loopback, port), URL: fmt.Sprintf("rtmfp://127.0.0.1:%d/test", port), App: "test"}
}

func settings(t *testing.T, dir string, port uint16) *config.Config {
	t.Helper()
	file := filepath.Join(dir, config.FileName)
	if err := os.WriteFile(file, fmt.Appendf(nil, "threads = 2\n[RTMFP]\nhost = 127.0.0.1\nport = %d\n", port), 0o644); err != nil {
		t.Fatal(err)
	}
	args, err := config.ParseArgs([]string{"monaserver", "--config=" + file})
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

func freePort(t *testing.T) uint16 {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: loopback.AsSlice()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Port()
}

// options are short: long enough to see that it works.
func options(t Target) Options {
	return Options{
		Config: Config{Target: t, Threads: 2, HMAC: true, Group: 2, Encoding: 3},
		PID:    os.Getpid(), Time: 400 * time.Millisecond, Parallel: 8, Patience: 10 * time.Second,
	}
}
