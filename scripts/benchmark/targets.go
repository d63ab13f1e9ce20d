package main

import (
	"fmt"
)

// targets compares what was measured with what the project wants to reach.
func (s *session) targets() string {
	var rows [][]string
	calm := "" // the same in the calmest round
	add := func(what, want string, v float64, ok, met bool, format string) {
		note := calm
		if calm = ""; !ok {
			return
		}
		verdict := "no"
		if met {
			verdict = "yes"
		}
		rows = append(rows, []string{what, want, fmt.Sprintf(format, v), verdict, note})
	}
	atMost := func(what string, limit float64, v float64, ok bool, format string) {
		add(what, "≤ "+fmt.Sprintf(format, limit), v, ok, v <= limit, format)
	}
	ratio := func(what string, limit float64, a, b key, m metric) {
		v, ok := s.ratio(a, b, m)
		atMost(what, limit, v, ok, "%.2f")
	}
	value := func(k key, m metric) (float64, bool) {
		v := s.get(k, m)
		if x, disturbed, ok := s.calmest(k, m); ok && v.n > 1 {
			calm = fmt.Sprintf("%v (%.0f %%)", round2(x), disturbed)
		}
		return v.median, v.n > 0
	}
	for _, hmac := range []bool{true, false} {
		h := ", HMAC " + onOff(hmac)
		a, b := key{setConnect, ours, 0, hmac, 0}, key{setConnect, tc, 0, hmac, 0}
		ratio("processor time per connect / "+tc+h, 0.5, a, b, cpuPerUnit)
		if v, ok := s.ratio(a, b, rate); ok {
			add("connects/s on two cores, generator included / "+tc+h, "≥ 2.00", v, ok, v >= 2, "%.2f")
		}
	}
	flood := key{setFlood, ours, 0, true, 0}
	if v, ok := value(flood, p95); ok {
		lost, _ := value(flood, loss)
		add(fmt.Sprintf("during %d hellos/s that nobody follows up: 95 %% of clients connected within, ms (%.1f %% failed)", floodRate, lost),
			"≤ 2000", v, ok, v <= 2000 && lost <= 5, "%.0f")
	}
	for _, hmac := range []bool{true, false} {
		for _, x := range []int{fewListeners, mainListeners} {
			h := fmt.Sprintf(", %d listeners, HMAC %s", x, onOff(hmac))
			a := key{setFanout, ours, x, hmac, 0}
			ratio("processor time per message / "+tc+h, 0.4, a, key{setFanout, tc, x, hmac, 0}, cpuPerUnit)
			ratio("processor time per message / "+mona+h, 0.16, a, key{setFanout, mona, x, hmac, 0}, cpuPerUnit)
			ratio("processor time per message / floor"+h, 1.6, a, key{setFloor, "", x, hmac, 0}, cpuPerUnit)
		}
	}
	for _, hmac := range []bool{true, false} {
		k := key{setFanout, ours, mainListeners, hmac, 0}
		h := fmt.Sprintf("%d listeners × 30/s, HMAC %s: ", mainListeners, onOff(hmac))
		v, ok := value(k, loss)
		atMost(h+"lost, %", 0, v, ok, "%.2f")
		v, ok = value(k, p99)
		atMost(h+"p99, ms", 30, v, ok, "%.1f")
		v, ok = value(k, cpuShare)
		atMost(h+"% of one core", 35, v, ok, "%.0f")
		v, ok = value(k, memory)
		atMost(h+"KB per listener", 24, v, ok, "%.1f")
	}
	for _, hmac := range []bool{true, false} {
		v, ok := value(key{setIdle, ours, mainClients, hmac, 0}, memory)
		atMost(fmt.Sprintf("KB per idle client of %d, HMAC %s", mainClients, onOff(hmac)), 12, v, ok, "%.1f")
	}
	v, ok := value(key{setIdle, ours, 10000, false, 0}, cpuShare)
	atMost("10 000 idle clients, % of one core", 3, v, ok, "%.1f")
	rpc := key{setRPC, ours, 0, false, 0}
	if v, ok := value(rpc, rate); ok {
		add("calls/s into Lua", "≥ 50000", v, ok, v >= 50000, "%.0f")
	}
	v, ok = value(rpc, p99)
	atMost("calls into Lua, p99, ms", 10, v, ok, "%.1f")
	both := func(server string) key { return key{setMesh, server, 0, false, 0} }
	if v, ok := s.ratio(both(ours), both(mona), meshCPU); ok {
		add("processor time of both servers per forwarded message / "+mona, "< 1.00", v, ok, v < 1, "%.2f")
	}
	return table([]string{"what", "wanted", "measured", "reached", "in the calmest round (others, % of a core)"}, rows)
}

// breaks returns the least number of listeners at which a server lost more than 0.1 % or its p99 was above
// a second; 0 = none.
func (s *session) breaks(server string) int {
	for _, x := range s.sizes(setFanout) {
		k := key{setFanout, server, x, false, 0}
		if s.get(k, loss).median > 0.1 || s.get(k, p99).median > 1000 {
			return x
		}
	}
	return 0
}

// breaking tells where servers break.
func (s *session) breaking() string {
	var rows [][]string
	sizes := s.sizes(setFanout)
	for _, server := range s.servers(setFanout) {
		at := s.breaks(server)
		text := fmt.Sprint(at)
		if at == 0 && len(sizes) > 0 {
			text = fmt.Sprintf("not up to %d", sizes[len(sizes)-1])
		}
		rows = append(rows, []string{server, text})
	}
	return table([]string{"server", "breaks at listeners"}, rows)
}
