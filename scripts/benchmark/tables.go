package main

import (
	"fmt"

	"github.com/monaserver/monaserver/internal/bench"
)

func (s *session) connectTable() string {
	var rows [][]string
	for _, hmac := range []bool{true, false} {
		for _, server := range s.servers(setConnect) {
			k := key{setConnect, server, 0, hmac, 0}
			if cpu := s.get(k, cpuPerUnit); cpu.n > 0 {
				rows = append(rows, []string{
					server, onOff(hmac), show(cpu, "%.0f"), show(s.get(k, rate), "%.0f"), show(s.get(k, p99), "%.0f"), show(s.get(k, loss), "%.1f"),
					show(s.get(k, othersShare), "%.0f"),
				})
			}
		}
	}
	return table([]string{"server", "HMAC", "processor time per connect, µs", "connects/s", "p99, ms", "failed, %", "others, % of a core"}, rows)
}

func (s *session) fanoutTable() string {
	var rows [][]string
	for _, x := range s.sizes(setFanout) {
		for _, hmac := range []bool{true, false} {
			for _, server := range s.servers(setFanout) {
				k := key{setFanout, server, x, hmac, 0}
				if cpu := s.get(k, cpuPerUnit); cpu.n > 0 {
					rows = append(rows, []string{
						fmt.Sprint(x), server, onOff(hmac), show(cpu, "%.1f"), show(s.get(k, cpuShare), "%.0f"),
						show(s.get(k, loss), "%.2f"), show(s.get(k, p50), "%.1f"), show(s.get(k, p99), "%.1f"), show(s.get(k, othersShare), "%.0f"),
					})
				}
			}
		}
	}
	return table([]string{"listeners", "server", "HMAC", "µs per message", "% of a core", "lost, %", "p50, ms", "p99, ms", "others, % of a core"}, rows)
}

func (s *session) idleTable() string {
	var rows [][]string
	for _, x := range s.sizes(setIdle) {
		for _, hmac := range []bool{true, false} {
			for _, server := range s.servers(setIdle) {
				k := key{setIdle, server, x, hmac, 0}
				if mem := s.get(k, memory); mem.n > 0 {
					rows = append(rows, []string{
						fmt.Sprint(x), server, onOff(hmac), show(mem, "%.1f"), show(s.get(k, cpuShare), "%.1f"), show(s.get(k, loss), "%.1f"),
					})
				}
			}
		}
	}
	return table([]string{"clients", "server", "HMAC", "KB per client", "% of a core", "lost, %"}, rows)
}

func (s *session) listenerTable() string {
	var rows [][]string
	for _, hmac := range []bool{true, false} {
		for _, server := range s.servers(setFanout) {
			if mem := s.get(key{setFanout, server, mainListeners, hmac, 0}, memory); mem.n > 0 {
				rows = append(rows, []string{server, onOff(hmac), show(mem, "%.1f")})
			}
		}
	}
	return table([]string{"server", "HMAC", "KB per listener"}, rows)
}

func (s *session) restTable() string {
	var rows [][]string
	for _, set := range []string{setRPC, setIntroduce, setGroup} {
		for _, server := range s.servers(set) {
			k := key{set, server, 0, false, 0}
			list := s.of(k)
			if len(list) == 0 {
				continue
			}
			rows = append(rows, []string{
				list[0].Unit, server, show(s.get(k, cpuPerUnit), "%.1f"), show(s.get(k, rate), "%.0f"),
				show(s.get(k, p50), "%.1f"), show(s.get(k, p99), "%.1f"), limits(list),
			})
		}
	}
	return table([]string{"what", "server", "µs each", "per second", "p50, ms", "p99, ms", "limited by"}, rows)
}

// limits names what limited the results, each once.
func limits(list []*bench.Result) string {
	text := ""
	seen := make(map[string]bool)
	for _, r := range list {
		if !seen[r.Limit] {
			if seen[r.Limit] = true; text != "" {
				text += ", "
			}
			text += r.Limit
		}
	}
	return text
}

func (s *session) floorTable() string {
	seal := func(r *bench.Result) (float64, bool) { return r.Floor.Seal, true }
	send := func(r *bench.Result) (float64, bool) { return r.Floor.Send, true }
	var rows [][]string
	for _, x := range s.sizes(setFloor) {
		for _, hmac := range []bool{true, false} {
			k := key{setFloor, "", x, hmac, 0}
			if len(s.of(k)) == 0 {
				continue
			}
			row := []string{fmt.Sprint(x), onOff(hmac), show(s.get(k, cpuPerUnit), "%.2f"), show(s.get(k, seal), "%.2f"), show(s.get(k, send), "%.2f")}
			for _, server := range []string{ours, tc, mona} {
				r, ok := s.ratio(key{setFanout, server, x, hmac, 0}, k, cpuPerUnit)
				if row = append(row, ""); ok {
					row[len(row)-1] = fmt.Sprintf("%.2f", r)
				}
			}
			rows = append(rows, row)
		}
	}
	return table([]string{"listeners", "HMAC", "floor, µs", "encrypt", "send", ours + " / floor", tc + " / floor", mona + " / floor"}, rows)
}

func (s *session) threadsTable() string {
	var rows [][]string
	for _, set := range []string{setConnect, setFanout, setRPC} {
		for _, threads := range []int{1, 2} {
			x := 0
			if set == setFanout {
				x = mainListeners
			}
			k := key{set, ours, x, true, threads}
			list := s.of(k)
			if len(list) == 0 {
				continue
			}
			rows = append(rows, []string{
				list[0].Unit, fmt.Sprint(threads), show(s.get(k, cpuPerUnit), "%.1f"), show(s.get(k, cpuShare), "%.0f"),
				show(s.get(k, rate), "%.0f"), show(s.get(k, p99), "%.1f"),
			})
		}
	}
	return table([]string{"what", "threads", "µs each", "% of a core", "per second", "p99, ms"}, rows)
}

func (s *session) publicationsTable() string {
	var rows [][]string
	for _, x := range s.sizes(setPubs) {
		k := key{setPubs, ours, x, true, 0}
		rows = append(rows, []string{
			fmt.Sprint(x), show(s.get(k, cpuPerUnit), "%.1f"), show(s.get(k, cpuShare), "%.0f"), show(s.get(k, loss), "%.2f"), show(s.get(k, p99), "%.1f"),
		})
	}
	return table([]string{"publications", "µs per message delivered", "% of a core", "lost, %", "p99, ms"}, rows)
}

func (s *session) meshTable() string {
	hop := func(f func(*bench.Hop) float64) metric {
		return func(r *bench.Result) (float64, bool) {
			if r.Hop == nil || r.Latency == nil {
				return 0, false
			}
			return f(r.Hop), true
		}
	}
	var rows [][]string
	for _, set := range []string{setMesh, setMeshRPC} {
		for _, server := range s.servers(set) {
			k := key{set, server, 0, false, 0}
			rows = append(rows, []string{
				map[string]string{setMesh: "message", setMeshRPC: "call"}[set], server, show(s.get(k, meshCPU), "%.1f"), show(s.get(k, cpuPerUnit), "%.1f"), show(s.get(k, farCPU), "%.1f"),
				show(s.get(k, hop(func(h *bench.Hop) float64 { return h.AddedP50 })), "%.2f"),
				show(s.get(k, hop(func(h *bench.Hop) float64 { return h.AddedP99 })), "%.2f"), show(s.get(k, loss), "%.2f"),
			})
		}
	}
	return table([]string{"what", "servers", "µs each, both servers", "first server", "second server", "hop adds, p50 ms", "p99 ms", "lost, %"}, rows)
}
