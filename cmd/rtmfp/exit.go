package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
)

// The exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
	exitRefused = 3
)

const exitHelp = `Exit codes:
  0  done (also when interrupted while publishing, playing or connected)
  1  failure: network, file, server gone, interrupted before it began
  2  wrong usage
  3  refused by the server
`

// usageError is a mistake on the command line.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, arg ...any) error { return &usageError{fmt.Sprintf(format, arg...)} }

// exitCode is what the process returns for err.
func exitCode(err error) int {
	var usage *usageError
	var refused *refusedError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &refused):
		return exitRefused
	}
	return exitFailure
}

// errorText is err as the user sees it.
func errorText(err error) string {
	s := strings.ReplaceAll(err.Error(), context.DeadlineExceeded.Error(), "timed out")
	return strings.ReplaceAll(s, context.Canceled.Error(), "interrupted")
}
