// Command benchmark measures the server of this repository, and others in turn on the same machine, and writes
// docs/performance.md; or it compares the server with what is stored of it. See docs/performance.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"runtime"
	"syscall"
	"time"
)

const usage = `Measures the server of this repository and writes docs/performance.md with docs/performance/*.svg.

    scripts/bench [flags]

Other servers are measured in turn with ours when the environment names their programs:

    TCSERVER=/path/to/tcserver      of rtmfp-cpp
    MONASERVER=/path/to/MonaServer  version 1.x

Flags:
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	fs := flag.CommandLine
	fs.Usage = func() {
		fmt.Fprint(fs.Output(), usage)
		fs.PrintDefaults()
	}
	guard := fs.Bool("guard", false, "compare with the stored ratios instead, and fail when one is much worse")
	store := fs.Bool("store", false, "with -guard: store the ratios instead of comparing")
	rounds := fs.Int("rounds", 3, "repeat so often; medians count")
	only := fs.String("only", "", "measure only what matches this regular `expression`: fanout, \"fanout 1000, tcserver\", connect …")
	full := fs.Bool("full", false, "repeat everything; otherwise what hardly needs it is measured once")
	quick := fs.Bool("quick", false, "fewer sizes, shorter")
	wait := fs.Duration("wait", 20*time.Second, "wait this long at most for a quiet machine before each measurement")
	results := fs.String("results", "", "keep all results in this `file` (JSON)")
	more := fs.Bool("more", false, "add to what the file of -results has already")
	from := fs.String("from", "", "measure nothing, write the report from this `file` of results")
	docs := fs.String("docs", "docs", "folder of the report")
	flag.Parse()
	filter, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	if *from != "" {
		s, err := load(*from)
		if err != nil {
			return err
		}
		return report(s, *docs)
	}
	dir, err := os.MkdirTemp("", "rtmfp-bench")
	if err != nil {
		return err
	}
	l := &lab{dir: dir, log: os.Stderr, wait: *wait, full: *full, only: filter, programs: programs{tcserver: os.Getenv("TCSERVER"), mona: os.Getenv("MONASERVER")}}
	for _, name := range []string{l.tcserver, l.mona} {
		if name != "" {
			if _, err := exec.LookPath(name); err != nil {
				return err
			}
		}
	}
	if err := l.build(ctx); err != nil {
		return err
	}
	if *guard {
		err = l.guard(ctx, *rounds, *store)
	} else {
		err = l.measure(ctx, *rounds, *quick, *more, *results, *docs)
	}
	if err != nil {
		return fmt.Errorf("%w (outputs of servers are in %s)", err, dir)
	}
	return os.RemoveAll(dir)
}

// measure runs the plan and writes the report, also of what there is when it is interrupted.
func (l *lab) measure(ctx context.Context, rounds int, quick, more bool, results, docs string) error {
	s := &session{Date: time.Now().Format(time.DateOnly), Machine: describeMachine(), Go: runtime.Version()}
	if more {
		var err error
		if s, err = load(results); err != nil {
			return err
		}
	}
	before := s.rounds()
	err := l.all(ctx, plan(l.have(), quick), rounds, func(r record) {
		r.Round += before
		s.Records = append(s.Records, r)
		if results != "" {
			if err := save(s, results); err != nil {
				fmt.Fprintln(l.log, err)
			}
		}
	})
	if len(s.Records) == 0 {
		return err
	}
	return errors.Join(err, report(s, docs))
}

func save(s *session, file string) error {
	b, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, b, 0o666)
}

func load(file string) (*session, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	s := new(session)
	if err := json.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return s, nil
}
