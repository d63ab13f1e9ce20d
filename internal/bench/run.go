package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// Options are what all scenarios have in common.
type Options struct {
	Config
	PID      int           // of the server, 0 = not on this machine
	FarPID   int           // of the second server, if there is one
	Time     time.Duration // of the measurement
	Warmup   time.Duration // before it
	Parallel int           // connects under way at once
	Patience time.Duration // for a client to connect
	Progress io.Writer     // nil = quiet
	Every    time.Duration // between lines of progress
}

// Scenario measures one thing.
type Scenario interface {
	// Name is the name of the scenario.
	Name() string
	// Check tells what is wrong with its options.
	Check() error
	// closedLoop tells that operations wait for the answers to others, so that the rate is the server's.
	closedLoop() bool
	run(ctx context.Context, r *run) error
}

// Run runs a scenario. When ctx ends early it returns what was measured so far, if anything was.
func Run(ctx context.Context, o Options, s Scenario) (*Result, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	r := &run{Options: o, scenario: s, result: Result{
		Scenario: s.Name(), URL: o.URL, Started: time.Now().UTC().Round(time.Second), Errors: make(map[string]int),
		Options: map[string]any{
			"dh_group": o.Group, "hmac": o.HMAC, "seconds": o.Time.Seconds(), "warmup": o.Warmup.Seconds(), "parallel": o.Parallel,
		},
	}}
	var err error
	if r.server, r.before, err = watch(o.PID); err != nil {
		return nil, err
	}
	if r.far, r.farBefore, err = watch(o.FarPID); err != nil {
		return nil, err
	}
	if r.farm, err = NewFarm(o.Config); err != nil {
		return nil, err
	}
	stop := r.showProgress()
	err = s.run(ctx, r)
	stop()
	r.farm.HangUp(hangUp)
	err = errors.Join(err, r.farm.Close())
	if r.measured == (phase{}) {
		if err == nil {
			err = errors.New("nothing was measured")
		}
		return nil, err
	}
	r.finish()
	return &r.result, err
}

// hangUp is how long the sessions may take to end.
const hangUp = 5 * time.Second

// run is one run of a scenario.
type run struct {
	Options
	scenario  Scenario
	farm      *Farm
	server    *proc // nil = not watched
	before    usage
	far       *proc
	farBefore usage
	result    Result
	measured  phase
	hist      []*histogram // one per worker

	// Read by the progress line.
	stage     atomic.Value // string: what goes on
	done      atomic.Uint64
	connected atomic.Int64
	failed    atomic.Int64
	ready     atomic.Bool // a client was
	secured   atomic.Bool // and its packets were authenticated

	mu     sync.Mutex
	errors map[string]int
}

// phase is what a stretch of time took.
type phase struct {
	wall    time.Duration
	own     time.Duration
	busiest float64
	machine time.Duration // of all processors
	done    uint64        // units in that time
	sampled bool          // done is set; otherwise it is all that were done
	server  usage         // cpu is what it used in the phase, the rest what it had at the end
	far     usage
}

// meter measures a phase.
type meter struct {
	r           *run
	start       time.Time
	own         time.Duration
	idle        []time.Duration
	all         time.Duration
	server, far usage
}

func (r *run) meter() (*meter, error) {
	m := &meter{r: r, start: time.Now(), own: cpuTime(), idle: r.farm.idle()}
	var err error
	if m.all, err = MachineTime(); err != nil {
		return nil, err
	}
	if m.server, err = r.server.read(); err != nil {
		return nil, err
	}
	if m.far, err = r.far.read(); err != nil {
		return nil, err
	}
	return m, nil
}

// end ends the phase, which becomes that of the result.
func (m *meter) end() error {
	p := phase{wall: time.Since(m.start), own: cpuTime() - m.own}
	for i, d := range m.r.farm.idle() {
		p.busiest = max(p.busiest, 1-float64(d-m.idle[i])/float64(p.wall))
	}
	all, err := MachineTime()
	p.machine = all - m.all
	var e error
	if p.server, e = m.r.server.read(); err == nil {
		err = e
	}
	if p.far, e = m.r.far.read(); err == nil {
		err = e
	}
	p.server.cpu -= m.server.cpu
	p.far.cpu -= m.far.cpu
	m.r.measured = p
	return err
}

// inTime sets how many units were done in the phase, if it took place.
func (r *run) inTime(n uint64) {
	if r.measured.wall > 0 {
		r.measured.done, r.measured.sampled = n, true
	}
}

// fail counts an error by its text.
func (r *run) fail(err error) {
	r.failed.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.errors == nil {
		r.errors = make(map[string]int)
	}
	text := err.Error()
	if errors.Is(err, rtmfp.ErrOpenTimeout) {
		text = "no answer"
	}
	if _, known := r.errors[text]; !known && len(r.errors) >= maxErrors {
		text = "other errors"
	}
	r.errors[text]++
}

// maxErrors is how many different errors are told.
const maxErrors = 8

// note adds a remark to the result.
func (r *run) note(format string, arg ...any) {
	if text := fmt.Sprintf(format, arg...); !slices.Contains(r.result.Notes, text) {
		r.result.Notes = append(r.result.Notes, text)
	}
}

// histograms makes one for each worker.
func (r *run) histograms() {
	r.hist = nil
	for range r.farm.workers {
		r.hist = append(r.hist, new(histogram))
	}
}

// total adds the histograms up.
func (r *run) total() *histogram { return r.merge(r.hist) }

func (r *run) merge(list []*histogram) *histogram {
	sum := new(histogram)
	i := 0
	r.farm.each(func(*worker, rtmfp.Time) {
		sum.add(list[i])
		i++
	})
	return sum
}

// finish computes what follows from what was counted.
func (r *run) finish() {
	p, res := &r.measured, &r.result
	res.Seconds = round(p.wall.Seconds(), 3)
	if !p.sampled {
		p.done = res.Done
	}
	if res.Seconds > 0 && r.scenario.Name() != "idle" {
		res.Rate = round(float64(p.done)/p.wall.Seconds(), 1)
	}
	if res.Expected > res.Done {
		res.Lost = res.Expected - res.Done
		res.Loss = float64(res.Lost) / float64(res.Expected)
	}
	res.Errors = r.errors
	share := func(d time.Duration) float64 { return round(float64(d)/float64(p.wall), 4) }
	res.Generator = GeneratorUsage{CPU: round(p.own.Seconds(), 3), Share: share(p.own), Busiest: round(p.busiest, 3)}
	for _, w := range r.farm.workers {
		res.Generator.Refused += w.refused.Load()
	}
	res.Server = r.serverUsage(r.server, r.PID, r.before, p.server)
	res.Far = r.serverUsage(r.far, r.FarPID, r.farBefore, p.far)
	procs := float64(runtime.NumCPU())
	res.Machine = Machine{Processors: runtime.NumCPU(), Share: round(float64(p.machine)/float64(p.wall)/procs, 3)}
	res.Limit = judge(res.Server, res.Generator, res.Machine, r.scenario.closedLoop())
}

// serverUsage computes what a server used, nil if it was not watched.
func (r *run) serverUsage(p *proc, pid int, before, u usage) *ServerUsage {
	if p == nil {
		return nil
	}
	s := &ServerUsage{
		PID: pid, CPU: round(u.cpu.Seconds(), 3), Share: round(float64(u.cpu)/float64(r.measured.wall), 4),
		RSSBefore: before.rss, RSS: u.rss, Threads: u.threads,
	}
	if r.result.Rate > 0 { // also: something was done
		s.PerUnit = round(float64(u.cpu.Nanoseconds())/1e3/float64(r.measured.done), 3)
	}
	if r.result.Clients > 0 {
		if s.PerClient = (s.RSS - s.RSSBefore) / int64(r.result.Clients); s.PerClient <= 0 {
			s.PerClient = 0
			r.note("the server uses memory that it had before: start it anew to see what a client needs")
		}
	}
	if u.cpu < 20*tick && r.result.Done > 0 {
		r.note("the server's processor time is coarse: %v in steps of %v; measure longer", u.cpu, tick)
	}
	return s
}

// showProgress writes a line from time to time until stop is called.
func (r *run) showProgress() (stop func()) {
	r.stage.Store("starting")
	if r.Progress == nil || r.Every <= 0 {
		return func() {}
	}
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(r.Every)
		defer tick.Stop()
		last, lastCPU, at := uint64(0), r.before.cpu, time.Now()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
			}
			done, dt := r.done.Load(), time.Since(at).Seconds()
			line := fmt.Sprintf("%s: %s, %d clients", r.scenario.Name(), r.stage.Load(), r.connected.Load())
			if done > 0 {
				line += fmt.Sprintf(", %d %s (%.0f/s)", done, r.result.Unit, float64(done-last)/dt)
			}
			if n := r.failed.Load(); n > 0 {
				line += fmt.Sprintf(", %d failed", n)
			}
			if r.server != nil {
				if u, err := r.server.read(); err == nil {
					line += fmt.Sprintf(", server %.0f %% of a core, %.1f MB", 100*(u.cpu-lastCPU).Seconds()/dt, float64(u.rss)/1e6)
					lastCPU = u.cpu
				}
			}
			fmt.Fprintln(r.Progress, line)
			last, at = done, time.Now()
		}
	}()
	return func() {
		close(quit)
		<-ended
	}
}

// sleep waits, or fails when ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
