package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// allowance is how much worse than stored a ratio may be, beyond its stored spread.
const allowance = 1.25

// baselineFile has the stored ratios.
const baselineFile = "scripts/benchmark/baseline.json"

// stored is a ratio as it was.
type stored struct {
	Median float64 `json:"median"`
	// Spread is how far single rounds were from the median, at most.
	Spread float64 `json:"spread"`
}

func (s stored) limit() float64 { return s.Median*allowance + s.Spread }

// The ratios that are watched. All but memory are processor time divided by the floor's of the same round,
// so that they hold on other machines, too.
const (
	ratioMessage  = "processor time per message / floor"
	ratioConnect  = "processor time per connect / exponentiation"
	ratioCall     = "processor time per call / floor"
	ratioIdle     = "KB per idle client"
	ratioListener = "KB per listener"
)

const guardListeners = 300

// guardJobs is one round. The floor comes before and after what is compared with it.
func guardJobs() []job {
	n := fmt.Sprint(guardListeners)
	floor := job{Set: setFloor, scenario: "floor", X: guardListeners, HMAC: true, flags: []string{"-time", "3s", "-listeners", n}}
	return []job{
		floor,
		{Set: setFanout, scenario: "fanout", Server: ours, X: guardListeners, HMAC: true, flags: []string{"-time", "5s", "-listeners", n}},
		floor,
		{Set: setConnect, scenario: "handshakes", Server: ours, HMAC: true, flags: []string{"-count", "2000", "-time", "60s"}},
		{Set: setRPC, scenario: "rpc", Server: ours, HMAC: true, flags: []string{"-time", "3s", "-warmup", "1s", "-pending", "4"}},
		{Set: setIdle, scenario: "idle", Server: ours, X: mainClients, HMAC: true, flags: []string{"-time", "1s", "-clients", fmt.Sprint(mainClients)}},
	}
}

// guard measures the ratios and compares them with the stored ones, or stores them.
func (l *lab) guard(ctx context.Context, rounds int, store bool) error {
	s := new(session)
	var failed []string
	err := l.all(ctx, guardJobs(), rounds, func(r record) {
		s.Records = append(s.Records, r)
		if r.Error != "" {
			failed = append(failed, r.name()+": "+r.Error)
		}
	})
	if err != nil {
		return err
	}
	if len(failed) > 0 {
		return fmt.Errorf("not measured: %s", strings.Join(failed, "; "))
	}
	now := s.ratios(rounds)
	if store {
		return storeBaseline(now)
	}
	base, err := readBaseline()
	if err != nil {
		return err
	}
	text, worse := compare(base, now)
	fmt.Print(text)
	if worse {
		return fmt.Errorf("worse than stored in %s by more than %.0f %% and the spread", baselineFile, 100*(allowance-1))
	}
	return nil
}

// ratios computes the ratios of every round and their medians.
func (s *session) ratios(rounds int) map[string]stored {
	lists := make(map[string][]float64)
	for round := 1; round <= rounds; round++ {
		one := new(session)
		for _, r := range s.Records {
			if r.Round == round {
				one.Records = append(one.Records, r)
			}
		}
		floor := key{setFloor, "", guardListeners, true, 0}
		packet, power := one.get(floor, cpuPerUnit).median, one.get(floor, exponentiation).median
		for name, v := range map[string]float64{
			ratioMessage:  one.get(key{setFanout, ours, guardListeners, true, 0}, cpuPerUnit).median / packet,
			ratioConnect:  one.get(key{setConnect, ours, 0, true, 0}, cpuPerUnit).median / power,
			ratioCall:     one.get(key{setRPC, ours, 0, true, 0}, cpuPerUnit).median / packet,
			ratioIdle:     one.get(key{setIdle, ours, mainClients, true, 0}, memory).median,
			ratioListener: one.get(key{setFanout, ours, guardListeners, true, 0}, memory).median,
		} {
			lists[name] = append(lists[name], v)
		}
	}
	all := make(map[string]stored)
	for name, list := range lists {
		v := spreadOf(list)
		all[name] = stored{Median: v.median, Spread: max(v.high-v.median, v.median-v.low)}
	}
	return all
}

// compare shows the ratios beside the stored ones and tells whether one is worse than it may be.
func compare(base, now map[string]stored) (text string, worse bool) {
	names := make([]string, 0, len(now))
	for name := range now {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		v := now[name]
		b, known := base[name]
		verdict := "ok"
		switch {
		case !known:
			verdict = "not stored"
		case v.Median > b.limit():
			verdict, worse = "WORSE", true
		}
		text += fmt.Sprintf("%-46s %8.2f ± %.2f, stored %.2f, at most %.2f: %s\n", name, v.Median, v.Spread, b.Median, b.limit(), verdict)
	}
	return text, worse
}

func readBaseline() (map[string]stored, error) {
	b, err := os.ReadFile(filepath.FromSlash(baselineFile))
	if err != nil {
		return nil, err
	}
	m := make(map[string]stored)
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("%s: %w", baselineFile, err)
	}
	return m, nil
}

func storeBaseline(m map[string]stored) error {
	for name, v := range m {
		m[name] = stored{Median: round2(v.Median), Spread: round2(v.Spread)}
	}
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	text, _ := compare(m, m)
	fmt.Print(text)
	return os.WriteFile(filepath.FromSlash(baselineFile), append(b, '\n'), 0o666)
}

func round2(v float64) float64 { return float64(int(v*100+0.5)) / 100 }
