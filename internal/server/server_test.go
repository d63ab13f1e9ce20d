package server

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/monaserver/monaserver/internal/config"
)

// fakePart records what happens to it in a list that it shares with others.
type fakePart struct {
	name     string
	events   *[]string
	startErr error
	stop     func(ctx context.Context) error
}

func (f *fakePart) Name() string { return f.name }

func (f *fakePart) Start(context.Context) error {
	*f.events = append(*f.events, "start "+f.name)
	return f.startErr
}

func (f *fakePart) Shutdown(ctx context.Context) error {
	*f.events = append(*f.events, "stop "+f.name)
	if f.stop != nil {
		return f.stop(ctx)
	}
	return nil
}

func (f *fakePart) option() Option {
	return With(func(Env) (Part, error) { return f, nil })
}

// testConfig is a configuration whose application folder is a new, empty one.
func testConfig(t *testing.T, argv ...string) *config.Config {
	t.Helper()
	args, err := config.ParseArgs(append([]string{"monaserver", "--application.dir=" + t.TempDir()}, argv...))
	if err != nil {
		t.Fatal(err)
	}
	env, err := config.SystemEnv()
	if err != nil {
		t.Fatal(err)
	}
	env.ReadFile = func(name string) ([]byte, error) {
		return nil, &os.PathError{Op: "open", Path: name, Err: os.ErrNotExist}
	}
	cfg, err := config.Load(args, env)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestPartsStartInOrderAndStopInReverse(t *testing.T) {
	var events []string
	a, b := &fakePart{name: "a", events: &events}, &fakePart{name: "b", events: &events}
	cfg := testConfig(t)
	s, err := New(cfg, zerolog.Nop(), a.option(), b.option())
	if err != nil {
		t.Fatal(err)
	}
	if len(events) != 0 {
		t.Errorf("New started something: %v", events)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"www", "data"} {
		if info, err := os.Stat(filepath.Join(cfg.Application.Dir, folder)); err != nil || !info.IsDir() {
			t.Errorf("%s: %v", folder, err)
		}
	}
	for range 2 { // a second stop finds nothing to do
		if err := s.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"start a", "start b", "stop b", "stop a"}
	if diff := cmp.Diff(want, events); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFailedStartStopsWhatRuns(t *testing.T) {
	var events []string
	broken := errors.New("broken")
	a := &fakePart{name: "a", events: &events}
	b := &fakePart{name: "b", events: &events, startErr: broken}
	c := &fakePart{name: "c", events: &events}
	s, err := New(testConfig(t), zerolog.Nop(), a.option(), b.option(), c.option())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "b: ") {
		t.Errorf("Start = %v", err)
	}
	if diff := cmp.Diff([]string{"start a", "start b", "stop a"}, events); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFailedBuild(t *testing.T) {
	broken := errors.New("broken")
	_, err := New(testConfig(t), zerolog.Nop(), With(func(Env) (Part, error) { return nil, broken }))
	if !errors.Is(err, broken) {
		t.Errorf("New = %v", err)
	}
}

func TestShutdownKeepsItsTime(t *testing.T) {
	cfg := testConfig(t)
	synctest.Test(t, func(t *testing.T) {
		var events []string
		release := make(chan struct{})
		hangs := &fakePart{name: "hangs", events: &events, stop: func(context.Context) error { <-release; return nil }}
		slow := &fakePart{name: "slow", events: &events, stop: func(ctx context.Context) error { <-ctx.Done(); return nil }}
		s, err := New(cfg, zerolog.Nop(), hangs.option(), slow.option())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), cfg.Application.ShutdownTimeout)
		defer cancel()
		err = s.Shutdown(ctx)
		if err == nil || !strings.Contains(err.Error(), "hangs: did not stop in time") || strings.Contains(err.Error(), "slow") {
			t.Errorf("Shutdown = %v", err)
		}
		if d := time.Since(begin); d != cfg.Application.ShutdownTimeout+lastMoment {
			t.Errorf("it took %v", d)
		}
		close(release)
	})
}

func TestFailureWhileRunning(t *testing.T) {
	var env Env
	s, err := New(testConfig(t), zerolog.Nop(), With(func(e Env) (Part, error) {
		env = e
		return &fakePart{name: "x", events: new([]string)}, nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	first := errors.New("socket is gone")
	env.Fail(first)
	env.Fail(errors.New("and more"))
	if got := <-s.Failed(); !errors.Is(got, first) {
		t.Errorf("Failed = %v", got)
	}
}

func TestApplicationFolderCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	cfg := *testConfig(t)
	cfg.Application.Dir = file
	s, err := New(&cfg, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "application.dir") {
		t.Errorf("Start = %v", err)
	}
}

func TestListenErrors(t *testing.T) {
	a, err := net.ListenUDP("udp4", &net.UDPAddr{IP: loopback.AsSlice()})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	taken := a.LocalAddr().(*net.UDPAddr).AddrPort()
	_, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(taken))
	if text := ListenError("RTMFP.port", "UDP", taken, err).Error(); !strings.Contains(text, "already in use") || !strings.Contains(text, "RTMFP.port") {
		t.Errorf("in use: %s", text)
	}
	foreign := netip.MustParseAddrPort("192.0.2.1:7")
	_, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(foreign))
	if err == nil {
		t.Fatal("an address for documentation is one of this machine")
	}
	if text := ListenError("RTMFP.port", "UDP", foreign, err).Error(); !strings.Contains(text, "not an address of this machine") {
		t.Errorf("not available: %s", text)
	}
}
