package main

import (
	_ "embed"
	"fmt"
	"path/filepath"
	"strings"
	"text/template"
)

//go:embed performance.md.tmpl
var pageText string

// report writes the page and its plots.
func report(s *session, docs string) error {
	t, err := template.New("performance").Funcs(template.FuncMap{
		"results": s.targets, "connect": s.connectTable, "fanout": s.fanoutTable, "idle": s.idleTable, "listener": s.listenerTable,
		"rest": s.restTable, "floor": s.floorTable, "threads": s.threadsTable, "publications": s.publicationsTable,
		"mesh": s.meshTable, "breaking": s.breaking, "failed": s.failures, "disturbed": s.disturbance, "rounds": s.rounds,
		"plots": func() []string { return sortedNames(s.plots()) },
	}).Parse(pageText)
	if err != nil {
		return err
	}
	var b strings.Builder
	if err := t.Execute(&b, s); err != nil {
		return err
	}
	if err := writeFile(filepath.Join(docs, "performance.md"), b.String()); err != nil {
		return err
	}
	for name, p := range s.plots() {
		if err := writeFile(filepath.Join(docs, "performance", name), p.svg()); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) rounds() (n int) {
	for _, r := range s.Records {
		n = max(n, r.Round)
	}
	return n
}

// table makes a Markdown table. Columns in which nothing was measured are left
// out; without rows there is no table.
func table(head []string, rows [][]string) string {
	if len(rows) == 0 {
		return ""
	}
	var b strings.Builder
	var keep []int
	for i := range head {
		for _, row := range rows {
			if row[i] != "" {
				keep = append(keep, i)
				break
			}
		}
	}
	line := func(cells []string) {
		for _, i := range keep {
			b.WriteString("| " + cells[i] + " ")
		}
		b.WriteString("|\n")
	}
	line(head)
	for range keep {
		b.WriteString("|---")
	}
	b.WriteString("|\n")
	for _, row := range rows {
		line(row)
	}
	return b.String()
}

// show writes a spread with its ends, "" if there is nothing.
func show(v spread, format string) string {
	if v.n == 0 {
		return ""
	}
	text := fmt.Sprintf(format, v.median)
	if low, high := fmt.Sprintf(format, v.low), fmt.Sprintf(format, v.high); low != high {
		text += fmt.Sprintf(" (%s–%s)", low, high)
	}
	return text
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

func sortedNames(m map[string]*plot) (list []string) {
	for _, name := range []string{"cpu.svg", "latency.svg", "memory.svg", "publications.svg"} {
		if m[name] != nil {
			list = append(list, name)
		}
	}
	return list
}

// plots returns the diagrams by file name.
func (s *session) plots() map[string]*plot {
	line := func(set, server string, hmac bool, m metric) (l series) {
		l.name = server
		for _, x := range s.sizes(set) {
			if v := s.get(key{set, server, x, hmac, 0}, m); v.n > 0 {
				l.points = append(l.points, point{float64(x), v.median})
			}
		}
		return l
	}
	all := map[string]*plot{
		"cpu.svg":          {title: "Processor time, 30 messages/s of 1000 bytes", x: "listeners", y: "% of one core"},
		"latency.svg":      {title: "Latency p99, 30 messages/s of 1000 bytes", x: "listeners", y: "ms", logY: true},
		"memory.svg":       {title: "Resident memory, idle clients", x: "clients", y: "MB", logX: true, logY: true},
		"publications.svg": {title: fmt.Sprintf("Processor time, %d listeners", pubListeners), x: "publications", y: "µs per message delivered", logX: true},
	}
	for _, server := range s.servers(setFanout) {
		all["cpu.svg"].lines = append(all["cpu.svg"].lines, line(setFanout, server, false, cpuShare))
		all["latency.svg"].lines = append(all["latency.svg"].lines, line(setFanout, server, false, p99))
	}
	for _, server := range s.servers(setIdle) {
		all["memory.svg"].lines = append(all["memory.svg"].lines, line(setIdle, server, false, rss))
	}
	for _, server := range s.servers(setPubs) {
		all["publications.svg"].lines = append(all["publications.svg"].lines, line(setPubs, server, true, cpuPerUnit))
	}
	for name, p := range all {
		if len(p.lines) == 0 {
			delete(all, name)
		}
	}
	return all
}

// failures lists what could not be measured.
func (s *session) failures() string {
	var list []string
	for i := range s.Records {
		if r := &s.Records[i]; r.Error != "" {
			list = append(list, fmt.Sprintf("- %s, round %d: %s\n", r.name(), r.Round, firstLine(r.Error)))
		}
	}
	return strings.Join(list, "")
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// disturbance tells what else the machine did meanwhile.
func (s *session) disturbance() string {
	var values []float64
	for _, r := range s.Records {
		if r.Result != nil && r.Result.Machine.Processors > 0 {
			values = append(values, 100*others(r.Result))
		}
	}
	v := spreadOf(values)
	return fmt.Sprintf("%.0f %% of one core in the median, %.0f %% at most", v.median, v.high)
}
