package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// Origin is where a value comes from.
type Origin struct {
	File    string // with Line: a line of the ini file
	Line    int
	Command bool   // the command line
	From    string // a key whose value this one takes over
}

// String is "default", "command line", "file:line" or "from key".
func (o Origin) String() string {
	switch {
	case o.Command:
		return "command line"
	case o.File != "":
		return o.File + ":" + strconv.Itoa(o.Line)
	case o.From != "":
		return "from " + o.From
	}
	return "default"
}

// Error is one mistake in the configuration. Either Key and Value are set, or Line with a whole line of the file.
type Error struct {
	Origin Origin
	Key    string
	Value  string
	Line   string
	Want   string // what was expected
	Detail string // what exactly is wrong with the value, empty when Want says it all
}

func (e *Error) Error() string {
	detail := ""
	if e.Detail != "" {
		detail = " (" + e.Detail + ")"
	}
	if e.Key == "" {
		return fmt.Sprintf("%s: %q: expected %s%s", e.Origin, e.Line, e.Want, detail)
	}
	return fmt.Sprintf("%s: %s = %q: expected %s%s", e.Origin, e.Key, e.Value, e.Want, detail)
}

// joinErrors puts all mistakes into one error, one line each, those of the file in the order of its lines.
func joinErrors(errs []error) error {
	line := func(err error) int {
		if e, ok := errors.AsType[*Error](err); ok && e.Origin.Line > 0 {
			return e.Origin.Line
		}
		return maxFileSize
	}
	slices.SortStableFunc(errs, func(a, b error) int { return cmp.Compare(line(a), line(b)) })
	return errors.Join(errs...)
}
