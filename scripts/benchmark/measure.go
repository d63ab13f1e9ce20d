package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/monaserver/monaserver/internal/bench"
)

// record is a job and what came of it.
type record struct {
	job
	Round  int           `json:"round"`
	Result *bench.Result `json:"result,omitempty"`
	Error  string        `json:"error,omitempty"` // instead
}

// session is what was measured, and where.
type session struct {
	Date    string   `json:"date"`
	Machine string   `json:"machine"`
	Go      string   `json:"go"`
	Records []record `json:"records"`
}

// lab does measurements.
type lab struct {
	programs
	dir  string // for servers
	log  io.Writer
	wait time.Duration // for a quiet machine, before each
	only *regexp.Regexp
	full bool // repeat also what is measured once otherwise
}

// build compiles our programs.
func (l *lab) build(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", l.dir+"/bin/", "./cmd/monaserver", "./cmd/rtmfp")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building: %w\n%s", err, out)
	}
	l.client, l.daemon = l.dir+"/bin/rtmfp", l.dir+"/bin/monaserver"
	return nil
}

// have lists the servers there are, ours first.
func (l *lab) have() []string {
	list := []string{ours}
	if l.tcserver != "" {
		list = append(list, tc)
	}
	if l.mona != "" {
		list = append(list, mona)
	}
	return list
}

// do runs a job.
func (l *lab) do(ctx context.Context, j job) (*bench.Result, error) {
	l.awaitQuiet(ctx)
	if j.Set == setFloor {
		return l.generate(ctx, j, nil)
	}
	if j.Set == setMesh || j.Set == setMeshRPC {
		return l.mesh(ctx, j)
	}
	s, err := l.start(ctx, l.dir, instance{kind: j.Server, hmac: j.HMAC, threads: j.Threads, scripts: map[string]string{"bench/main.lua": echo}})
	if err != nil {
		return nil, err
	}
	defer s.stop()
	return l.generate(ctx, j, []string{"-pid", fmt.Sprint(s.pid())}, s.url("bench"))
}

// mesh runs a job with two servers that are connected.
func (l *lab) mesh(ctx context.Context, j job) (*bench.Result, error) {
	link, err := freePort()
	if err != nil {
		return nil, err
	}
	scripts := map[string]string{"main.lua": meshRoot, "bench/main.lua": meshScript}
	far, err := l.start(ctx, l.dir, instance{kind: j.Server, hmac: j.HMAC, link: link, scripts: scripts, address: "127.0.0.1"})
	if err != nil {
		return nil, err
	}
	defer far.stop()
	near, err := l.start(ctx, l.dir, instance{kind: j.Server, hmac: j.HMAC, peer: link, scripts: scripts, address: "127.0.0.1"})
	if err != nil {
		return nil, err
	}
	defer near.stop()
	urls := []string{near.url("bench"), far.url("bench")}
	if j.Set == setMeshRPC {
		urls = urls[:1]
	}
	return l.generate(ctx, j, []string{"-pid", fmt.Sprint(near.pid()), "-farpid", fmt.Sprint(far.pid())}, urls...)
}

// generate runs the load generator.
func (l *lab) generate(ctx context.Context, j job, flags []string, urls ...string) (*bench.Result, error) {
	args := append([]string{"bench", j.scenario, "-q", "-json", "-"}, j.flags...)
	args = append(append(args, flags...), urls...)
	cmd := exec.CommandContext(ctx, l.client, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	r := new(bench.Result)
	if out.Len() > 0 {
		if e := json.Unmarshal(out.Bytes(), r); e != nil {
			return nil, errors.Join(err, e)
		}
		return r, nil
	}
	return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(errs.String()))
}

// quiet is the share of one processor up to which a machine is quiet.
const quiet = 0.15

// awaitQuiet waits until little else runs on the machine, but not for ever.
func (l *lab) awaitQuiet(ctx context.Context) {
	for end := time.Now().Add(l.wait); time.Now().Before(end) && ctx.Err() == nil; {
		before, err := bench.MachineTime()
		time.Sleep(time.Second)
		after, _ := bench.MachineTime()
		if err != nil || (after-before).Seconds() <= quiet {
			return
		}
	}
}

const (
	// disturbing is the share of one processor used by others from which a result does not count.
	disturbing = 0.3
	calmTries  = 2
)

// calm runs a job again when others disturbed it, and returns what was disturbed least.
func (l *lab) calm(ctx context.Context, j job) (best *bench.Result, err error) {
	for range calmTries {
		r, e := l.do(ctx, j)
		if e != nil {
			if best == nil {
				err = e
			}
			break
		}
		if best == nil || others(r) < others(best) {
			best = r
		}
		if l.wait == 0 || others(best) < disturbing {
			break
		}
		fmt.Fprint(l.log, " …")
	}
	return best, err
}

// all runs every job of a plan, rounds times, except what one round is enough for. What fails is recorded, too.
func (l *lab) all(ctx context.Context, jobs []job, rounds int, each func(record)) error {
	for round := range rounds {
		for i, j := range jobs {
			if j.once && round > 0 && !l.full || !l.only.MatchString(j.name()) {
				continue
			}
			fmt.Fprintf(l.log, "round %d of %d, %d of %d: %s", round+1, rounds, i+1, len(jobs), j.name())
			r := record{job: j, Round: round + 1}
			var err error
			if r.Result, err = l.calm(ctx, j); err != nil {
				r.Error = err.Error()
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			fmt.Fprintln(l.log, ": "+brief(&r))
			each(r)
		}
	}
	return nil
}

// brief is a result in a few words.
func brief(r *record) string {
	v := r.Result
	switch {
	case v == nil:
		return r.Error
	case v.Floor != nil:
		return fmt.Sprintf("%.2f µs", v.Floor.Packet)
	}
	s := fmt.Sprintf("%d %s, lost %d", v.Done, v.Unit, v.Lost)
	if v.Server != nil {
		s += fmt.Sprintf(", %.1f µs each, %.1f %% of a core, %.1f KB per client", v.Server.PerUnit, 100*v.Server.Share, float64(v.Server.PerClient)/1024)
	}
	if v.Latency != nil {
		s += fmt.Sprintf(", p99 %.1f ms", v.Latency.P99)
	}
	return fmt.Sprintf("%s; others %.0f %% of a core", s, 100*others(v))
}

// others is the share of a processor that neither server nor generator used.
func others(r *bench.Result) float64 {
	x := r.Machine.Share*float64(r.Machine.Processors) - r.Generator.Share
	for _, s := range []*bench.ServerUsage{r.Server, r.Far} {
		if s != nil {
			x -= s.Share
		}
	}
	return max(x, 0)
}

// describeMachine tells what this runs on.
func describeMachine() string {
	model := "unknown processor"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	kernel := ""
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		kernel = ", Linux " + strings.TrimSpace(string(b))
	}
	return fmt.Sprintf("%s, %d processors%s", model, runtime.NumCPU(), kernel)
}
