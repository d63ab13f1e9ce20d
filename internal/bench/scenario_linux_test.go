package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// Every scenario runs against a server, loses nothing, and accounts for what it asked for.
func TestScenarios(t *testing.T) {
	server := startServer(t)
	fanout := Fanout{Publications: 2, Listeners: 6, Rate: 50, Size: 200, Kind: "video", Stream: "test"}
	audio := fanout
	audio.Kind, audio.Size = "audio", stampLen
	for _, c := range []struct {
		name    string
		s       Scenario
		clients int // at the end
		least   uint64
	}{
		{"handshakes", &Handshakes{Count: 20}, 20, 20},
		{"handshakes closed", &Handshakes{Close: true}, -1, 2},
		{"handshakes at a rate", &Handshakes{Rate: 50}, 20, 20},
		{"idle", &Idle{Clients: 12}, 12, 12},
		{"rpc", &RPC{Clients: 3, Method: "echo", Pending: 2, Size: 16}, 3, 10},
		{"rpc at a rate", &RPC{Clients: 3, Method: "echo", Pending: 1, Rate: 100}, 3, 20},
		{"fanout", &fanout, 8, 6 * 15},
		{"fanout audio", &audio, 8, 6 * 15},
		{"introduce", &Introduce{Clients: 4, Timeout: 10 * time.Second}, 4, 2},
		{"introduce at a rate", &Introduce{Clients: 4, Timeout: 10 * time.Second, Rate: 20}, 4, 2},
		{"group", &Group{Clients: 6, Groups: 2, Churners: 2}, 6, 2},
		{"mesh", &Mesh{Fanout: fanout, Far: server, Direct: 2}, 10, 6 * 15},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := Run(context.Background(), options(server), c.s)
			if err != nil {
				t.Fatal(err)
			}
			if r.Done < c.least || r.Lost != 0 || r.Expected != r.Done || len(r.Errors) > 0 {
				t.Errorf("done %d of %d, lost %d, errors %v; want at least %d and nothing lost", r.Done, r.Expected, r.Lost, r.Errors, c.least)
			}
			if c.clients >= 0 && r.Clients != c.clients {
				t.Errorf("%d clients, want %d", r.Clients, c.clients)
			}
			if !r.Secured {
				t.Error("HMAC was asked for and is off")
			}
			if strings.HasPrefix(c.name, "idle") {
				return
			}
			if l := r.Latency; l == nil || l.P50 <= 0 || l.P50 > l.P99 || l.P99 > l.Max {
				t.Errorf("latency %+v", l)
			}
			if r.Rate <= 0 || r.Generator.CPU <= 0 || r.Server == nil || r.Server.RSS <= 0 {
				t.Errorf("rate %v, generator %+v, server %+v", r.Rate, r.Generator, r.Server)
			}
		})
	}
}

// Without HMAC neither side authenticates.
func TestUnsecured(t *testing.T) {
	o := options(startServer(t))
	o.HMAC = false
	r, err := Run(context.Background(), o, &Idle{Clients: 2})
	if err != nil || r.Secured {
		t.Errorf("secured %v, error %v", r.Secured, err)
	}
}

// Real clients get through a flood of hellos.
func TestFlood(t *testing.T) {
	r, err := Run(context.Background(), options(startServer(t)), &Handshakes{Count: 10, Rate: 50, Flood: 2000})
	if err != nil || r.Done != 10 {
		t.Fatalf("%+v, %v", r, err)
	}
	if len(r.Notes) == 0 || !strings.Contains(r.Notes[0], "hellos of the flood") {
		t.Errorf("notes %q do not tell of the flood", r.Notes)
	}
}

// A function that is not there is answered with errors, which are told.
func TestRPCWithoutFunction(t *testing.T) {
	r, err := Run(context.Background(), options(startServer(t)), &RPC{Clients: 1, Method: "nothing", Pending: 1})
	if err != nil || r.Done == 0 || !strings.Contains(strings.Join(r.Notes, "\n"), `"nothing"`) {
		t.Errorf("%+v, %v", r, err)
	}
}

// A server that is not there, and an application that is not, are named.
func TestNobodyThere(t *testing.T) {
	o := options(target(freePort(t)))
	o.Patience = 300 * time.Millisecond
	if _, err := Run(context.Background(), o, &Idle{Clients: 2}); err == nil || !strings.Contains(err.Error(), "none of 2 clients could be connected: 2 × no answer") {
		t.Errorf("error %v", err)
	}
	o = options(startServer(t))
	o.App = "nowhere"
	o.URL = strings.TrimSuffix(o.URL, "test") + "nowhere"
	if _, err := Run(context.Background(), o, &Idle{Clients: 1}); err == nil || !strings.Contains(err.Error(), "InvalidApp") {
		t.Errorf("error %v", err)
	}
}

// An interrupted measurement gives what was measured so far.
func TestInterrupted(t *testing.T) {
	o := options(startServer(t))
	o.Time = time.Hour
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	r, err := Run(ctx, o, &RPC{Clients: 1, Method: "echo", Pending: 1})
	if err == nil || r == nil || r.Done == 0 || r.Seconds > 30 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestFloor(t *testing.T) {
	for _, hmac := range []bool{false, true} {
		o := options(target(1))
		o.PID, o.HMAC = 0, hmac
		r, err := Run(context.Background(), o, &Floor{Listeners: 40, Rate: 20, Size: 1000})
		if err != nil {
			t.Fatal(err)
		}
		if f := r.Floor; r.Done != 40*8 || f == nil || f.Seal <= 0 || f.Send <= 0 || f.Packet < f.Send || f.Exponentiation <= 0 {
			t.Errorf("%d packets, %+v", r.Done, f)
		}
	}
}

// The names in the JSON are what others read.
func TestJSON(t *testing.T) {
	o := options(startServer(t))
	r, err := Run(context.Background(), o, &RPC{Clients: 1, Method: "echo", Pending: 1})
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"scenario", "url", "started", "options", "hmac", "clients", "seconds", "unit", "done", "lost", "loss", "rate", "latency_ms", "server", "generator", "machine", "limit"} {
		if got[key] == nil {
			t.Errorf("no %q in %s", key, b)
		}
	}
	if got["floor"] != nil || got["hop"] != nil || got["far_server"] != nil {
		t.Errorf("what was not measured is in %s", b)
	}
	for _, key := range []string{"p50", "p90", "p99", "p99.9", "max"} {
		if got["latency_ms"].(map[string]any)[key] == nil {
			t.Errorf("no latency %q in %s", key, b)
		}
	}
	if o := got["options"].(map[string]any); o["method"] != "echo" || o["dh_group"] != 2.0 {
		t.Errorf("options %v", o)
	}
}

// Progress shows what goes on, and the table what came of it.
func TestProgressAndTable(t *testing.T) {
	o := options(startServer(t))
	var progress, table bytes.Buffer
	o.Progress, o.Every = &progress, 50*time.Millisecond
	r, err := Run(context.Background(), o, &RPC{Clients: 2, Method: "echo", Pending: 1})
	if err != nil {
		t.Fatal(err)
	}
	if s := progress.String(); !strings.Contains(s, "rpc: measuring, 2 clients, ") || !strings.Contains(s, "calls (") {
		t.Errorf("progress:\n%s", s)
	}
	if err := r.Table(&table); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"scenario", "rpc, 2 clients, HMAC on", "calls", "latency", "server processor", "generator", "limited by"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("no %q in\n%s", want, table.String())
		}
	}
}

// Options that make no sense are named.
func TestCheck(t *testing.T) {
	fanout := Fanout{Publications: 1, Listeners: 1, Rate: 1, Size: 100, Kind: "video"}
	with := func(change func(*Fanout)) *Fanout {
		f := fanout
		change(&f)
		return &f
	}
	for _, c := range []struct {
		s    Scenario
		want string
	}{
		{with(func(f *Fanout) { f.Publications = 0 }), "0 publications"},
		{with(func(f *Fanout) { f.Listeners = -1 }), "-1 listeners"},
		{with(func(f *Fanout) { f.Rate = 0 }), "rate 0"},
		{with(func(f *Fanout) { f.Size = 3 }), "size 3"},
		{with(func(f *Fanout) { f.Kind = "text" }), `kind "text"`},
		{&Mesh{Fanout: fanout}, "0 listeners at the first server"},
		{&Handshakes{Count: -1}, "count -1"},
		{&Handshakes{Flood: -1}, "flood -1"},
		{&Idle{}, "0 clients"},
		{&Idle{Clients: 1e6}, "at most 200000"},
		{&RPC{Clients: 1, Pending: 1}, "method"},
		{&RPC{Clients: 1, Method: "f"}, "0 calls under way"},
		{&Introduce{Clients: 1, Timeout: 1}, "1 clients"},
		{&Group{Clients: 3, Groups: 2, Churners: 1}, "3 clients"},
		{&Group{Clients: 4, Groups: 2, Churners: 3}, "3 clients that leave"},
		{&Floor{Listeners: 1, Rate: 1, Size: 5000}, "size 5000"},
	} {
		if err := c.s.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %+v: error %v, want %q", c.s.Name(), c.s, err, c.want)
		}
	}
}
