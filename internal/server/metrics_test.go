package server

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rs/zerolog"
)

var loopback = netip.MustParseAddr("127.0.0.1")

// testCounters is shaped like the counters of the protocol packages.
type testCounters struct {
	Hellos        atomic.Uint64 `help:"Hellos received."`
	HellosLimited atomic.Uint64
	Sessions      atomic.Int64
	Flows         struct {
		Open atomic.Int64
	}
	hidden atomic.Uint64
}

// scrape reads the metrics as a Prometheus server does.
func scrape(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v\n%s", resp.Status, err, body)
	}
	return string(body)
}

// freePort returns a TCP port of the loopback address that nobody listens on, and one on which somebody does.
func freePort(t *testing.T) (free, taken netip.AddrPort) {
	t.Helper()
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	a, b := listen(), listen()
	t.Cleanup(func() { b.Close() })
	a.Close()
	return netip.MustParseAddrPort(a.Addr().String()), netip.MustParseAddrPort(b.Addr().String())
}

func TestMetricsServeCounters(t *testing.T) {
	addr, _ := freePort(t)
	m := NewMetrics(addr, zerolog.Nop())
	var shards [2]testCounters
	for i := range shards {
		if err := m.Counters("rtmfp", &shards[i], "shard", string(rune('0'+i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Gauge("build_info", "Version of this server.", func() float64 { return 1 }, "version", "1.2.3"); err != nil {
		t.Fatal(err)
	}
	if err := m.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := m.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	shards[0].Hellos.Add(7)
	shards[1].HellosLimited.Add(3)
	shards[1].Sessions.Add(2)
	shards[1].Flows.Open.Add(4)
	shards[0].hidden.Add(1)
	text := scrape(t, "http://"+m.Addr().String()+"/metrics")
	for _, want := range []string{
		"# HELP monaserver_rtmfp_hellos_total Hellos received.\n",
		"# TYPE monaserver_rtmfp_hellos_total counter\n",
		`monaserver_rtmfp_hellos_total{shard="0"} 7`,
		`monaserver_rtmfp_hellos_limited_total{shard="1"} 3`,
		`monaserver_rtmfp_sessions{shard="1"} 2`,
		`monaserver_rtmfp_flows_open{shard="1"} 4`,
		`monaserver_build_info{version="1.2.3"} 1`,
		"go_goroutines ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if strings.Contains(text, "hidden") {
		t.Error("an unexported field is served")
	}
}

func TestMetricsRefuseNonsense(t *testing.T) {
	m := NewMetrics(netip.AddrPort{}, zerolog.Nop())
	if err := m.Counters("x", 7); err == nil {
		t.Error("a number is taken as a struct of counters")
	}
	if err := m.Counter("twice_total", "Once.", func() uint64 { return 0 }); err != nil {
		t.Fatal(err)
	}
	if err := m.Counter("twice_total", "Twice.", func() uint64 { return 0 }); err == nil {
		t.Error("the same metric is registered twice")
	}
	if err := m.Start(context.Background()); err != nil || m.Addr() != nil {
		t.Errorf("without a port: %v, %v", m.Addr(), err)
	}
}

func TestMetricsPortInUse(t *testing.T) {
	_, taken := freePort(t)
	err := NewMetrics(taken, zerolog.Nop()).Start(context.Background())
	if err == nil || !strings.Contains(err.Error(), "already in use") || !strings.Contains(err.Error(), "metrics.port") {
		t.Errorf("err = %v", err)
	}
}

func TestSnakeCase(t *testing.T) {
	for in, want := range map[string]string{
		"Hellos": "hellos", "HellosLimited": "hellos_limited", "BadMACs": "bad_macs", "RTTMillis": "rtt_millis",
		"Group2Keys": "group2_keys", "BadMAC": "bad_mac",
	} {
		if got := snakeCase(in); got != want {
			t.Errorf("snakeCase(%q) = %q, want %q", in, got, want)
		}
	}
}
