// Command rtmfp is an RTMFP client for the command line: it connects, calls functions of an application,
// publishes FLV files or standard input, plays to FLV files or standard output, and talks to other clients
// directly.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	e := &env{
		stdin:  os.Stdin,
		stdout: os.Stdout,
		stderr: os.Stderr,
		clock:  systemClock{},
		dial:   dial,
		terminal: func(stream any) bool {
			f, ok := stream.(*os.File)
			return ok && term.IsTerminal(int(f.Fd()))
		},
	}
	code := run(ctx, e, os.Args[1:])
	stop()
	os.Exit(code)
}
