// Command monaserver is the media server: it reads the configuration, starts the server and stops it on a signal.
// "monaserver --help" tells the rest.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/term"

	"github.com/monaserver/monaserver/internal/config"
	"github.com/monaserver/monaserver/internal/server"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // could not start, had to stop, or was told twice to stop
	exitConfig = 2 // mistake in the configuration or command line
)

func main() { run(server.Parts()...) }

// run is the daemon made of these parts; it does not return.
func run(parts ...server.Option) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	env, err := config.SystemEnv()
	if err != nil {
		fmt.Fprintln(os.Stderr, "monaserver:", err)
		os.Exit(exitFailed)
	}
	p := process{
		argv: os.Args, env: env, stdout: os.Stdout, stderr: os.Stderr, signals: signals, parts: parts,
		color: term.IsTerminal(int(os.Stderr.Fd())) && os.Getenv("NO_COLOR") == "",
	}
	os.Exit(p.run())
}

// process is what a run depends on.
type process struct {
	argv           []string
	env            config.Env
	stdout, stderr io.Writer
	color          bool
	signals        <-chan os.Signal
	parts          []server.Option
}

// run is the whole life of the process; it returns the exit code.
func (p *process) run() int {
	parent := parentProcess()
	args, err := config.ParseArgs(p.argv)
	if err != nil {
		return p.mistake(err)
	}
	switch {
	case args.Help:
		if err := config.WriteHelp(p.stdout); err != nil {
			return exitFailed
		}
		return exitOK
	case args.Version:
		fmt.Fprintln(p.stdout, versionText())
		return exitOK
	}
	cfg, err := config.Load(args, p.env)
	if err != nil {
		parent.tell(err)
		return p.mistake(err)
	}
	switch {
	case args.Check:
		return p.check(cfg)
	case args.Daemon && !parent.exists():
		return p.background()
	}
	return p.serve(cfg, args.PIDFile, parent)
}

// mistake prints what is wrong with the configuration or command line.
func (p *process) mistake(err error) int {
	fmt.Fprintf(p.stderr, "monaserver cannot start, its configuration has mistakes:\n  %s\n(--help explains options and keys, --check shows what is in effect)\n",
		strings.ReplaceAll(err.Error(), "\n", "\n  "))
	return exitConfig
}

// check prints the configuration in effect.
func (p *process) check(cfg *config.Config) int {
	if err := cfg.WriteEffective(p.stdout); err != nil {
		return exitFailed
	}
	for _, w := range cfg.Warnings() {
		fmt.Fprintln(p.stderr, "warning:", w)
	}
	return exitOK
}

// serve runs the server until a signal or a failure ends it.
func (p *process) serve(cfg *config.Config, pidFile string, parent parentPipe) (code int) {
	log := server.OpenLog(cfg.Logs, p.stderr, p.color)
	defer func() {
		if err := log.Close(); err != nil {
			fmt.Fprintln(p.stderr, "monaserver:", err)
		}
	}()
	fail := func(err error) int {
		server.Event(&log.Logger, config.LevelFatal).Err(err).Msg("cannot start")
		parent.tell(err)
		return exitFailed
	}

	file := cfg.File()
	if file == "" {
		file = "none, defaults"
	}
	log.Logger.Info().Str("configuration", file).Str("applications", cfg.Application.Dir).Int("threads", cfg.Threads).Msg(versionText())
	for _, w := range cfg.Warnings() {
		log.Logger.Warn().Msg(w)
	}

	s, err := server.New(cfg, log.Logger, p.parts...)
	if err != nil {
		return fail(err)
	}
	if err := addProcessMetrics(s.Metrics(), log); err != nil {
		return fail(err)
	}
	if err := s.Start(context.Background()); err != nil {
		return fail(err)
	}
	remove, err := writePID(pidFile)
	if err != nil {
		p.stop(cfg, s, log)
		return fail(err)
	}
	defer remove()
	parent.tell(nil)
	server.Note(&log.Logger).Msg("ready")

	select {
	case sig := <-p.signals:
		server.Note(&log.Logger).Stringer("signal", sig).Msg("stops; a second signal ends it at once")
		return p.stop(cfg, s, log)
	case err := <-s.Failed():
		server.Event(&log.Logger, config.LevelFatal).Err(err).Msg("stops, it cannot go on")
		p.stop(cfg, s, log)
		return exitFailed
	}
}

// stop ends the server in order within the configured time; another signal ends the process at once.
func (p *process) stop(cfg *config.Config, s *server.Server, log *server.Log) int {
	ctx, cancel := context.WithTimeout(context.Background(), cfg.Application.ShutdownTimeout)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(ctx) }()
	select {
	case err := <-done:
		if err != nil {
			log.Logger.Warn().Err(err).Msg("stopped, not everything in order")
		} else {
			server.Note(&log.Logger).Msg("stopped")
		}
		return exitOK
	case sig := <-p.signals:
		log.Logger.Warn().Stringer("signal", sig).Msg("ends at once")
		return exitFailed
	}
}

func addProcessMetrics(m *server.Metrics, log *server.Log) error {
	if err := m.Counter("log_missed_total", "Log lines dropped because the log could not be written fast enough.", log.Missed); err != nil {
		return err
	}
	return m.Gauge("build_info", "Always 1; the label tells the version.", func() float64 { return 1 }, "version", buildVersion())
}
