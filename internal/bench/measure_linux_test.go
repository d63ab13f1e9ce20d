package bench

import (
	"crypto/aes"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// A percentile is at most a bucket's width above the true one, and never below it.
func TestHistogram(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Int64Range(0, 1e12), 1, 200).Draw(t, "values")
		p := rapid.Float64Range(0.01, 1).Draw(t, "p")
		h, half := new(histogram), new(histogram)
		for i, v := range values {
			if i%2 == 0 {
				h.record(time.Duration(v))
			} else {
				half.record(time.Duration(v))
			}
		}
		h.add(half)
		got := int64(h.percentile(p))
		atMost, below := 0, 0
		for _, v := range values {
			if v <= got {
				atMost++
			}
			if float64(v) < float64(got)*(1-1.0/(1<<mantissa))-1 {
				below++
			}
		}
		if float64(atMost) < p*float64(len(values))-1e-3 {
			t.Fatalf("only %d of %d values are at most percentile %v = %d", atMost, len(values), p, got)
		}
		if float64(below) >= p*float64(len(values))+1 {
			t.Fatalf("%d of %d values are well below percentile %v = %d", below, len(values), p, got)
		}
	})
	if l := new(histogram).latency(); l != nil {
		t.Errorf("latency of nothing: %+v", l)
	}
	h := new(histogram)
	h.record(-time.Second) // a clock that went back
	h.record(1<<63 - 1)
	if h.percentile(1) != 1<<63-1 || h.percentile(0.5) != 0 {
		t.Errorf("extremes: %v %v", h.percentile(1), h.percentile(0.5))
	}
}

// Alarms come in the order of their times, whatever is moved or removed in between.
func TestAlarms(t *testing.T) {
	var h alarms
	var got []int
	list := make([]*alarm, 20)
	for i := range list {
		list[i] = &alarm{index: -1, do: func(rtmfp.Time) { got = append(got, i) }}
		h.set(list[i], rtmfp.Time(100+(i*7)%20))
	}
	h.set(list[3], 1)
	h.remove(list[4])
	h.remove(list[4])
	if h.due(0) != nil || h.next() != 1 {
		t.Fatal("an alarm is early")
	}
	last := rtmfp.Time(0)
	for a := h.due(1000); a != nil; a = h.due(1000) {
		if a.at < last {
			t.Errorf("alarm of %d after one of %d", a.at, last)
		}
		last = a.at
		a.do(last)
	}
	if len(got) != 19 || got[0] != 3 || h.next() != 0 {
		t.Errorf("alarms %v", got)
	}
}

func TestParseUsage(t *testing.T) {
	const stat = "4711 (a) (b c) S 1 4711 4711 0 -1 4194560 1000 0 3 0 250 50 0 0 20 0 9 0 123456 1000000 2000 1 1\n"
	const status = "Name:\ta) (b c\nVmPeak:\t  999 kB\nVmRSS:\t   12345 kB\nThreads:\t9\n"
	u, err := parseUsage([]byte(stat), []byte(status))
	if err != nil || u.cpu != 3*time.Second || u.threads != 9 || u.rss != 12345<<10 {
		t.Errorf("%+v, %v", u, err)
	}
	for _, c := range []struct{ stat, status, want string }{
		{"", status, "cut short"},
		{"4711 (x) S 1 2", status, "cut short"},
		{strings.Replace(stat, " 250 ", " many ", 1), status, "many"},
		{stat, "Name:\tx\n", "has ended"}, // a zombie has no memory
		{stat, "VmRSS:\t lots kB\n", "lots"},
	} {
		if _, err := parseUsage([]byte(c.stat), []byte(c.status)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want %q", c.stat, err, c.want)
		}
	}
}

func FuzzParseUsage(f *testing.F) {
	f.Add([]byte("1 (x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18"), []byte("VmRSS:\t1 kB\n"))
	f.Add([]byte("cpu 1 2 3 4 5 6 7"), []byte("VmRSS:"))
	f.Fuzz(func(_ *testing.T, stat, status []byte) {
		parseUsage(stat, status)
		parseMachine(stat)
	})
}

// This process and machine can be read.
func TestProc(t *testing.T) {
	p, before, err := watch(os.Getpid())
	if err != nil || before.rss < 1<<20 || before.threads < 1 {
		t.Fatalf("%+v, %v", before, err)
	}
	for begin := cpuTime(); cpuTime()-begin < 50*time.Millisecond; {
		aes.NewCipher(make([]byte, 16))
	}
	after, err := p.read()
	if d := after.cpu - before.cpu; err != nil || d < 3*tick || d > time.Minute {
		t.Errorf("used %v, %v", d, err)
	}
	if all, err := MachineTime(); err != nil || all < after.cpu {
		t.Errorf("machine %v, %v", all, err)
	}
	if _, _, err := watch(1 << 30); err == nil || !strings.Contains(err.Error(), "server process 1073741824") {
		t.Errorf("error %v", err)
	}
	if p, u, err := watch(0); p != nil || u != (usage{}) || err != nil {
		t.Error("no process is not nothing")
	}
}

func TestParseMachine(t *testing.T) {
	d, err := parseMachine([]byte("cpu  100 20 30 9000 500 4 6 10 0 0\ncpu0 1 2 3 4 5 6 7\n"))
	if err != nil || d != 1600*time.Millisecond {
		t.Errorf("%v, %v", d, err)
	}
	for _, s := range []string{"", "cpu 1 2", "cpux 1 2 3 4 5 6 7 8", "cpu a b c d e f g"} {
		if _, err := parseMachine([]byte(s)); err == nil {
			t.Errorf("%q is accepted", s)
		}
	}
}

func TestJudge(t *testing.T) {
	s := func(share float64) *ServerUsage { return &ServerUsage{Share: share} }
	g := func(share, busiest float64) GeneratorUsage { return GeneratorUsage{Share: share, Busiest: busiest} }
	m := func(share float64) Machine { return Machine{2, share} }
	for _, c := range []struct {
		s      *ServerUsage
		g      GeneratorUsage
		m      Machine
		closed bool
		want   string
	}{
		{s(0.3), g(0.3, 0.2), m(0.35), false, limitLoad},
		{s(0.3), g(0.3, 0.2), m(0.35), true, limitWaiting},
		{s(0.97), g(0.4, 0.3), m(0.7), true, limitServer},
		{s(1.5), g(0.4, 0.3), m(0.97), true, limitServer},
		{s(0.4), g(0.95, 0.96), m(0.7), true, limitGenerator},
		{s(0.3), g(1.6, 0.9), m(0.97), true, limitGenerator},
		{s(1), g(0.9, 0.7), m(0.97), true, limitMachine},
		{s(0.3), g(0.3, 0.9), m(1), true, limitOthers},
		{nil, g(0.3, 0.2), m(0.5), true, limitUnknown},
		{nil, g(0.3, 0.2), m(0.5), false, limitLoad},
		{nil, g(0.9, 0.95), m(0.5), true, limitGenerator},
	} {
		if got := judge(c.s, c.g, c.m, c.closed); got != c.want {
			t.Errorf("%+v %+v %+v closed %v: %s, want %s", c.s, c.g, c.m, c.closed, got, c.want)
		}
		if limitTexts[c.want] == "" {
			t.Errorf("no text for %s", c.want)
		}
	}
}
