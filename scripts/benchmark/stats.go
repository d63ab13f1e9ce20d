package main

import (
	"slices"

	"github.com/monaserver/monaserver/internal/bench"
)

// spread is the middle and the ends of what was measured several times.
type spread struct {
	median, low, high float64
	n                 int
}

func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	v := slices.Sorted(slices.Values(values))
	m := v[len(v)/2]
	if len(v)%2 == 0 {
		m = (v[len(v)/2-1] + m) / 2
	}
	return spread{median: m, low: v[0], high: v[len(v)-1], n: len(v)}
}

// metric takes a number out of a result; ok is false if it is not there.
type metric func(*bench.Result) (v float64, ok bool)

func cpuPerUnit(r *bench.Result) (float64, bool) {
	if r.Floor != nil {
		return r.Floor.Packet, true
	}
	if r.Server == nil || r.Done == 0 {
		return 0, false
	}
	return r.Server.PerUnit, r.Server.PerUnit > 0
}

func exponentiation(r *bench.Result) (float64, bool) {
	if r.Floor == nil {
		return 0, false
	}
	return r.Floor.Exponentiation, true
}

func farCPU(r *bench.Result) (float64, bool) {
	if r.Far == nil || r.Done == 0 {
		return 0, false
	}
	return r.Far.PerUnit, true
}

// meshCPU is the processor time of both servers.
func meshCPU(r *bench.Result) (float64, bool) {
	near, ok := cpuPerUnit(r)
	far, ok2 := farCPU(r)
	return near + far, ok && ok2
}

func cpuShare(r *bench.Result) (float64, bool) {
	if r.Server == nil {
		return 0, false
	}
	return 100 * r.Server.Share, true
}

func memory(r *bench.Result) (float64, bool) {
	if r.Server == nil || r.Server.PerClient == 0 {
		return 0, false
	}
	return float64(r.Server.PerClient) / 1024, true
}

func rss(r *bench.Result) (float64, bool) {
	if r.Server == nil {
		return 0, false
	}
	return float64(r.Server.RSS) / (1 << 20), true
}

func othersShare(r *bench.Result) (float64, bool) { return 100 * others(r), r.Machine.Processors > 0 }

func rate(r *bench.Result) (float64, bool) { return r.Rate, r.Rate > 0 }
func loss(r *bench.Result) (float64, bool) { return 100 * r.Loss, r.Expected > 0 }

func latency(f func(*bench.Latency) float64) metric {
	return func(r *bench.Result) (float64, bool) {
		if r.Latency == nil {
			return 0, false
		}
		return f(r.Latency), true
	}
}

var (
	p50 = latency(func(l *bench.Latency) float64 { return l.P50 })
	p95 = latency(func(l *bench.Latency) float64 { return l.P95 })
	p99 = latency(func(l *bench.Latency) float64 { return l.P99 })
)

// key is what records have in common.
type key struct {
	set, server string
	x           int
	hmac        bool
	threads     int
}

// of returns the results of a key, of all rounds.
func (s *session) of(k key) (list []*bench.Result) {
	for i := range s.Records {
		r := &s.Records[i]
		if r.Result != nil && (key{r.Set, r.Server, r.X, r.HMAC, r.Threads}) == k {
			list = append(list, r.Result)
		}
	}
	return list
}

// get returns a metric of a key over all rounds.
func (s *session) get(k key, m metric) spread {
	var values []float64
	for _, r := range s.of(k) {
		if v, ok := m(r); ok {
			values = append(values, v)
		}
	}
	return spreadOf(values)
}

// calmest returns a metric of the round in which others did least, and what they did, in percent of a core.
func (s *session) calmest(k key, m metric) (v, disturbed float64, ok bool) {
	for _, r := range s.of(k) {
		if x, has := m(r); has && (!ok || 100*others(r) < disturbed) {
			v, disturbed, ok = x, 100*others(r), true
		}
	}
	return v, disturbed, ok
}

// ratio returns the metric of one key divided by that of another.
func (s *session) ratio(a, b key, m metric) (float64, bool) {
	x, y := s.get(a, m), s.get(b, m)
	if x.n == 0 || y.n == 0 || y.median == 0 {
		return 0, false
	}
	return x.median / y.median, true
}

// servers lists those that a set was measured with, in the order they came.
func (s *session) servers(set string) (list []string) {
	for _, r := range s.Records {
		if r.Set == set && r.Result != nil && r.Server != "" && !slices.Contains(list, r.Server) {
			list = append(list, r.Server)
		}
	}
	return list
}

// sizes lists what a set was measured with.
func (s *session) sizes(set string) (list []int) {
	for _, r := range s.Records {
		if r.Set == set && !slices.Contains(list, r.X) {
			list = append(list, r.X)
		}
	}
	slices.Sort(list)
	return list
}
