package main

import (
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/monaserver/monaserver/internal/bench"
)

// result is one of a server with the given processor time per unit.
func result(us float64) *bench.Result {
	return &bench.Result{
		Unit: "things", Done: 100, Expected: 100, Rate: 10, Server: &bench.ServerUsage{PerUnit: us, Share: us / 100, PerClient: 10 << 10, RSS: 20 << 20},
		Latency: &bench.Latency{P50: us / 10, P95: us / 5, P99: us}, Machine: bench.Machine{Processors: 2, Share: 0.5}, Limit: "load",
	}
}

func rec(set, server string, x int, hmac bool, r *bench.Result) record {
	return record{job: job{Set: set, Server: server, X: x, HMAC: hmac}, Round: 1, Result: r}
}

func some() *session {
	floor := &bench.Result{Floor: &bench.FloorUsage{Packet: 5, Seal: 2, Send: 3, Exponentiation: 100}}
	return &session{Date: "2026-01-02", Machine: "a machine", Go: "go1", Records: []record{
		rec(setFloor, "", 300, false, floor),
		rec(setFanout, ours, 300, false, result(8)),
		rec(setFanout, tc, 300, false, result(16)),
		rec(setFanout, ours, 1000, false, result(9)),
		rec(setConnect, ours, 0, true, result(300)),
		rec(setConnect, tc, 0, true, result(900)),
		rec(setIdle, ours, 1000, false, result(1)),
		{job: job{Set: setRPC, Server: mona}, Round: 2, Error: "does not start\nmore"},
	}}
}

// The report has what was measured, and nothing else.
func TestReport(t *testing.T) {
	dir := t.TempDir()
	if err := report(some(), dir); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "performance.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	for _, want := range []string{
		"a machine", "2026-01-02",
		"| processor time per connect / tcserver, HMAC on | ≤ 0.50 | 0.33 | yes |",
		"| processor time per message / tcserver, 300 listeners, HMAC off | ≤ 0.40 | 0.50 | no |",
		"| processor time per message / floor, 300 listeners, HMAC off | ≤ 1.60 | 1.60 | yes |",
		"rpc, MonaServer 1.x, round 2: does not start\n", "performance/cpu.svg", "performance/memory.svg",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
	for _, not := range []string{"publications.svg", "/ " + mona, "calls/s into Lua", "<no value>", "NaN"} {
		if strings.Contains(page, not) {
			t.Errorf("%q is in the report and was not measured", not)
		}
	}
	for _, name := range []string{"cpu.svg", "latency.svg", "memory.svg"} {
		b, err := os.ReadFile(filepath.Join(dir, "performance", name))
		if err != nil {
			t.Fatal(err)
		}
		wellFormed(t, string(b))
	}
	if t.Failed() {
		t.Log(page)
	}
}

func wellFormed(t *testing.T, s string) {
	t.Helper()
	if strings.Contains(s, "%!") || strings.Contains(s, "NaN") {
		t.Errorf("bad numbers in %s", s)
	}
	d := xml.NewDecoder(strings.NewReader(s))
	for {
		if _, err := d.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Fatalf("%v in %s", err, s)
		}
	}
}

// Points stand where they belong, whatever the axes.
func TestPlot(t *testing.T) {
	for _, log := range []bool{false, true} {
		p := plot{title: "a < b", x: "x", y: "y", logX: log, logY: log, lines: []series{
			{"one", []point{{1, 10}, {10, 100}, {100, 1000}}}, {"zero", []point{{0, 0}}},
		}}
		s := p.svg()
		wellFormed(t, s)
		want := `<circle cx="620.0" cy="40.0"`
		if !strings.Contains(s, want) {
			t.Errorf("log %v: the largest point is not in the corner: no %s in\n%s", log, want, s)
		}
	}
	wellFormed(t, (&plot{}).svg())
}

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   spread
	}{
		{nil, spread{}},
		{[]float64{3}, spread{3, 3, 3, 1}},
		{[]float64{3, 1, 2}, spread{2, 1, 3, 3}},
		{[]float64{4, 1, 2, 3}, spread{2.5, 1, 4, 4}},
	} {
		if got := spreadOf(c.values); got != c.want {
			t.Errorf("%v: %+v, want %+v", c.values, got, c.want)
		}
	}
}

// The guard lets through what is in the spread and 25 %, and no more.
func TestGuard(t *testing.T) {
	base := map[string]stored{ratioMessage: {2, 0.1}, ratioCall: {1, 0}}
	if _, worse := compare(base, map[string]stored{ratioMessage: {2.59, 0}, ratioCall: {1.25, 0}}); worse {
		t.Error("what is allowed is refused")
	}
	text, worse := compare(base, map[string]stored{ratioMessage: {2.61, 0}, ratioCall: {0.5, 0}})
	if !worse || strings.Count(text, "WORSE") != 1 {
		t.Errorf("what is worse is let through: %s", text)
	}
}

// Ratios belong to one round: a slow round is slow above and below the line.
func TestRatios(t *testing.T) {
	s := new(session)
	for round, factor := range []float64{1, 3, 2} {
		for _, r := range []record{
			rec(setFloor, "", guardListeners, true, &bench.Result{Floor: &bench.FloorUsage{Packet: 5 * factor, Exponentiation: 100 * factor}}),
			rec(setFanout, ours, guardListeners, true, result(8*factor)),
			rec(setConnect, ours, 0, true, result(250*factor)),
			rec(setRPC, ours, 0, true, result(4*factor)),
			rec(setIdle, ours, mainClients, true, result(1)),
		} {
			r.Round = round + 1
			s.Records = append(s.Records, r)
		}
	}
	got := s.ratios(3)
	for name, want := range map[string]float64{ratioMessage: 1.6, ratioConnect: 2.5, ratioCall: 0.8, ratioIdle: 10, ratioListener: 10} {
		if v := got[name]; v.Median < want-1e-9 || v.Median > want+1e-9 || v.Spread > 1e-9 {
			t.Errorf("%s: %+v, want %v without spread", name, v, want)
		}
	}
}

// Every round of the plan has servers of one set side by side, and asks MonaServer 1.x for nothing it cannot do.
func TestPlan(t *testing.T) {
	for _, quick := range []bool{false, true} {
		jobs := plan([]string{ours, tc, mona}, quick)
		servers := make(map[string]int)
		for i := range jobs {
			j := &jobs[i]
			servers[j.Server]++
			if j.Server == mona && j.HMAC {
				t.Errorf("%s: it has no HMAC", j.name())
			}
			if j.Server == tc && (j.Set == setRPC || j.Set == setMesh) {
				t.Errorf("%s: it has no scripts", j.name())
			}
		}
		if servers[ours] == 0 || servers[tc] == 0 || servers[mona] == 0 {
			t.Errorf("jobs of servers: %v", servers)
		}
	}
	for _, j := range plan([]string{ours}, true) {
		if j.Server != ours && j.Server != "" {
			t.Errorf("%s: that server is not there", j.name())
		}
	}
}

// What is stored is there and makes sense.
func TestBaseline(t *testing.T) {
	t.Chdir("../..")
	base, err := readBaseline()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{ratioMessage, ratioConnect, ratioCall, ratioIdle, ratioListener} {
		if b := base[name]; b.Median <= 0 || b.Spread < 0 || b.Spread > b.Median {
			t.Errorf("%s: %+v", name, b)
		}
	}
}
