package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/monaserver/monaserver/pkg/amf"
)

// command is one subcommand.
type command struct {
	name  string
	args  string // after the flags
	short string
	long  string
	load  bool // one of bench: thousands of clients, about which nothing is said one by one
	// prepare adds flags to c.fs and returns what runs when they are parsed.
	prepare func(c *call) func(ctx context.Context, args []string) error
}

// call is one use of a command.
type call struct {
	*env
	cmd     *command
	fs      *flag.FlagSet
	timeout time.Duration
	dialing dialOptions
	verbose bool
	quiet   bool
}

var commands = []*command{connectCommand, callCommand, publishCommand, playCommand, peerCommand, groupCommand}

// run is the program.
func run(ctx context.Context, e *env, args []string) int {
	if len(args) == 0 {
		writeHelp(e.stderr)
		return exitUsage
	}
	name, args := args[0], args[1:]
	switch name {
	case "help", "-h", "-help", "--help":
		if len(args) == 0 {
			writeHelp(e.stdout)
			return exitOK
		}
		name, args = args[0], []string{"-help"}
	}
	if name == "bench" {
		return runBench(ctx, e, args)
	}
	for _, cmd := range commands {
		if cmd.name == name {
			return runCommand(ctx, e, cmd, args)
		}
	}
	fmt.Fprintf(e.stderr, "rtmfp: unknown command %q\nRun 'rtmfp help' for the commands.\n", name)
	return exitUsage
}

func runCommand(ctx context.Context, e *env, cmd *command, args []string) int {
	c := &call{env: e, cmd: cmd, fs: flag.NewFlagSet(cmd.name, flag.ContinueOnError)}
	c.fs.SetOutput(io.Discard)
	c.fs.DurationVar(&c.timeout, "timeout", 15*time.Second, "give up connecting and waiting for answers after this `time`")
	if !cmd.load {
		c.fs.BoolVar(&c.verbose, "v", false, "say what happens, on stderr")
	}
	c.fs.Func("encoding", "AMF version of calls, `0 or 3` (default 3)", c.setEncoding)
	c.fs.Func("arg", "argument for the application's connect, a JSON `value` or text; may be repeated", func(s string) error {
		c.dialing.Args = append(c.dialing.Args, parseValue(s))
		return nil
	})
	c.dialing.Encoding = 3
	do := cmd.prepare(c)
	err := c.fs.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		c.writeHelp(e.stdout)
		return exitOK
	}
	if err != nil {
		err = &usageError{err.Error()}
	} else {
		if c.verbose {
			c.dialing.Log = c.logf
		}
		err = do(ctx, c.fs.Args())
	}
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(e.stderr, "rtmfp: %s: %s\n", cmd.name, errorText(err))
	code := exitCode(err)
	if code == exitUsage {
		fmt.Fprintf(e.stderr, "usage: rtmfp %s [flags] %s\n", cmd.name, cmd.args)
	}
	return code
}

func (c *call) setEncoding(s string) error {
	switch s {
	case "0":
		c.dialing.Encoding = 0
	case "3":
		c.dialing.Encoding = 3
	default:
		return errors.New("must be 0 or 3")
	}
	return nil
}

func (c *call) logf(format string, arg ...any) { fmt.Fprintf(c.stderr, format+"\n", arg...) }

// expect checks the number of arguments. Flags have to come first, as anything may be an argument.
func (c *call) expect(args []string, least, most int) error {
	names := strings.Fields(c.cmd.args)
	for i, a := range args {
		if i < least && len(a) > 1 && a[0] == '-' {
			return usagef("flag %s must come before %s", a, names[0])
		}
	}
	if len(args) < least {
		return usagef("missing %s", names[len(args)])
	}
	if most >= 0 && len(args) > most {
		if a := args[most]; len(a) > 1 && a[0] == '-' {
			return usagef("flag %s must come before %s", a, names[0])
		}
		return usagef("too many arguments: %q", args[most])
	}
	return nil
}

// connect dials within the timeout.
func (c *call) connect(ctx context.Context, t target) (conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	conn, err := c.dial(ctx, t, c.dialing)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", t.Host, err)
	}
	return conn, nil
}

// closing is how long an orderly end may take.
const closing = 5 * time.Second

// close ends the connection, also after ctx of the command was cancelled.
func (c *call) close(ctx context.Context, conn conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closing)
	defer cancel()
	if err := conn.Close(ctx); err != nil && c.verbose {
		c.logf("close: %v", err)
	}
}

func values(args []string) []amf.Value {
	vs := make([]amf.Value, len(args))
	for i, a := range args {
		vs[i] = parseValue(a)
	}
	return vs
}
