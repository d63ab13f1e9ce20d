package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/monaserver/monaserver/internal/bench"
)

// benchCommands are the scenarios of bench.
var benchCommands = []*command{
	benchHandshakes, benchFanout, benchIdle, benchRPC, benchIntroduce, benchGroup, benchMesh, benchFloor,
}

const benchHelp = `rtmfp bench makes load for an RTMFP server, any that speaks the protocol, and measures how fast it is and what it
costs.

Usage: rtmfp bench SCENARIO [flags] URL

Scenarios:
`

const benchFooter = `
Run 'rtmfp bench SCENARIO --help' for the flags of a scenario.

Every client has an address of its own, because servers keep one session per address: towards a server at
127.0.0.1 it is one of 127.0.0.0/8, otherwise a port (and an open file: see ulimit -n). With -pid the processor time
and memory of a server process on this machine are measured, too. Compare servers only by results of the same
machine, run in turn, with the same flags; on a machine that both share compare processor times, not rates.
The load stops when its time is over, or on the first Control-C, which still gives a result.

What can go wrong:
  "no answer"        the server is not there, or drops connects: try a smaller -parallel
  limited by the generator
                     this program was busier than the server: more -threads, another machine, or fewer messages
  Publish.BadName    a stream of that name is published: another -stream
Measure only servers that are yours: this is as good as an attack.
`

// runBench finds the scenario.
func runBench(ctx context.Context, e *env, args []string) int {
	if len(args) == 0 {
		writeBenchHelp(e.stderr)
		return exitUsage
	}
	name, args := args[0], args[1:]
	switch name {
	case "help", "-h", "-help", "--help":
		if len(args) == 0 {
			writeBenchHelp(e.stdout)
			return exitOK
		}
		name, args = args[0], []string{"-help"}
	}
	for _, cmd := range benchCommands {
		if cmd.name == "bench "+name {
			return runCommand(ctx, e, cmd, args)
		}
	}
	fmt.Fprintf(e.stderr, "rtmfp: bench: unknown scenario %q\nRun 'rtmfp bench help' for the scenarios.\n", name)
	return exitUsage
}

func writeBenchHelp(w io.Writer) {
	fmt.Fprint(w, benchHelp)
	for _, c := range benchCommands {
		fmt.Fprintf(w, "  %-11s %s\n", strings.TrimPrefix(c.name, "bench "), c.short)
	}
	fmt.Fprint(w, benchFooter)
}

// benchFlags are the flags of every scenario.
type benchFlags struct {
	bench.Options
	json string
}

func (c *call) benchFlags() *benchFlags {
	f := new(benchFlags)
	fs := c.fs
	fs.IntVar(&f.PID, "pid", 0, "process `id` of the server, when it runs on this machine: its processor time and memory are measured")
	fs.IntVar(&f.FarPID, "farpid", 0, "process `id` of a second server that takes part")
	fs.DurationVar(&f.Time, "time", 10*time.Second, "measure for this `time`")
	fs.DurationVar(&f.Warmup, "warmup", 2*time.Second, "let things go on for this `time` before measuring")
	fs.IntVar(&f.Parallel, "parallel", 64, "connects under way at once")
	fs.IntVar(&f.Threads, "threads", 0, "threads of the generator; 0 = one per processor")
	fs.BoolVar(&f.HMAC, "hmac", true, "ask for authenticated and numbered packets; clients of the time of Flash did not")
	fs.Uint64Var(&f.Group, "group", 2, "Diffie-Hellman `group` of the clients: 2 (as Flash Player), 14 or 16")
	fs.StringVar(&f.json, "json", "", "also write the result as JSON to this `file`; - = to standard output, instead of the table")
	fs.BoolVar(&c.quiet, "q", false, "show no progress")
	return f
}

// bench runs a scenario and writes its result.
func (c *call) bench(ctx context.Context, t bench.Target, f *benchFlags, s bench.Scenario) error {
	if err := f.check(); err != nil {
		return err
	}
	if err := s.Check(); err != nil {
		return &usageError{err.Error()}
	}
	f.Target, f.Patience = t, c.timeout
	f.Args, f.Encoding = c.dialing.Args, c.dialing.Encoding
	if !c.quiet {
		f.Progress, f.Every = c.stderr, time.Second
	}
	debug.SetGCPercent(400) // memory for speed: the generator should not be the bottleneck
	result, err := bench.Run(ctx, f.Options, s)
	if result == nil {
		return err
	}
	if errors.Is(err, context.Canceled) {
		result.Notes, err = append(result.Notes, "interrupted"), nil
	}
	return errors.Join(err, c.writeResult(result, f.json))
}

func (f *benchFlags) check() error {
	switch {
	case f.Group != 2 && f.Group != 14 && f.Group != 16:
		return usagef("-group %d: must be 2, 14 or 16", f.Group)
	case f.Time <= 0 || f.Time > 24*time.Hour:
		return usagef("-time %v: must be above 0 and at most a day", f.Time)
	case f.Warmup < 0:
		return usagef("-warmup %v is negative", f.Warmup)
	case f.Parallel < 1:
		return usagef("-parallel %d: must be at least 1", f.Parallel)
	case f.Threads < 0 || f.Threads > 256:
		return usagef("-threads %d: must be 0 to 256", f.Threads)
	case f.PID < 0:
		return usagef("-pid %d is negative", f.PID)
	case f.FarPID < 0:
		return usagef("-farpid %d is negative", f.FarPID)
	}
	return nil
}

func (c *call) benchTarget(ctx context.Context, url string) (bench.Target, error) {
	t, err := parseTarget(url)
	if err != nil {
		return bench.Target{}, err
	}
	addrs, err := resolve(ctx, t.Host)
	if err != nil {
		return bench.Target{}, err
	}
	app := t.App
	if t.Query != "" {
		app += "?" + t.Query
	}
	return bench.Target{Addr: addrs[0], URL: t.URL, App: app}, nil
}

func (c *call) writeResult(r *bench.Result, file string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	b = append(b, '\n')
	switch file {
	case "-":
		_, err = c.stdout.Write(b)
		return err
	case "":
	default:
		if err := os.WriteFile(file, b, 0o666); err != nil {
			return err
		}
	}
	return r.Table(c.stdout)
}

// benchScenario makes a command; flags adds its flags and returns the scenario, which is complete when
// they are parsed.
func benchScenario(name, short, long string, flags func(fs *flag.FlagSet) bench.Scenario) *command {
	return &command{
		name: "bench " + name, args: "URL", short: short, long: long, load: true,
		prepare: func(c *call) func(context.Context, []string) error {
			f := c.benchFlags()
			s := flags(c.fs)
			return func(ctx context.Context, args []string) error {
				if err := c.expect(args, 1, 1); err != nil {
					return err
				}
				t, err := c.benchTarget(ctx, args[0])
				if err != nil {
					return err
				}
				return c.bench(ctx, t, f, s)
			}
		},
	}
}
