package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// kind is one type of value: how it is called, what is expected of it, how it is read and written. A parse error
// other than errWant adds detail to what was expected.
type kind[T any] struct {
	name  string // in the documentation: "port"
	want  string // after "expected": "a port number from 0 to 65535"
	parse func(text string) (T, error)
	show  func(T) string // reads back to the same value
}

// errWant says that a value is wrong and that the kind's own sentence explains it well enough.
var errWant = errors.New("")

func text() kind[string] {
	return kind[string]{
		name: "text", want: "a text",
		parse: func(s string) (string, error) { return s, nil },
		show:  func(s string) string { return s },
	}
}

// fileName is a text that can stand as the name of a file in a folder.
func fileName() kind[string] {
	k := text()
	k.want = `the name of a file, without "/"`
	k.parse = func(s string) (string, error) {
		if s == "." || s == ".." || strings.ContainsAny(s, `/\`) {
			return "", errWant
		}
		return s, nil
	}
	return k
}

// path is a folder or file; the loader makes it absolute before it is parsed.
func path(name string) kind[string] {
	k := text()
	k.name, k.want = name, "a "+name
	return k
}

func oneOf(values ...string) kind[string] {
	k := text()
	k.name = strings.Join(values, " or ")
	k.want = k.name
	k.parse = func(s string) (string, error) {
		for _, v := range values {
			if strings.EqualFold(s, v) {
				return v, nil
			}
		}
		return "", errWant
	}
	return k
}

// boolean follows MonaServer: 0, false, no and off are false, everything else is true.
func boolean() kind[bool] {
	return kind[bool]{
		name: "boolean", want: "true or false",
		parse: func(s string) (bool, error) { return parseBool(s), nil },
		show:  strconv.FormatBool,
	}
}

func parseBool(s string) bool {
	switch strings.ToLower(s) {
	case "0", "false", "no", "off":
		return false
	}
	return true
}

// plainBool reports that s is one of the usual spellings of a boolean.
func plainBool(s string) bool {
	switch strings.ToLower(s) {
	case "", "1", "true", "yes", "on":
		return true
	}
	return !parseBool(s)
}

type integer interface{ ~int | ~int64 | ~uint16 }

// whole is a number without sign from low to high.
func whole[T integer](name, want string, low, high int64) kind[T] {
	return kind[T]{
		name: name,
		want: fmt.Sprintf("%s from %d to %d", want, low, high),
		parse: func(s string) (T, error) {
			n, err := strconv.ParseUint(s, 10, 63)
			if err != nil || int64(n) < low || int64(n) > high {
				return 0, errWant
			}
			return T(n), nil
		},
		show: func(n T) string { return strconv.FormatInt(int64(n), 10) },
	}
}

func number(low, high int64) kind[int] { return whole[int]("number", "a whole number", low, high) }
func port() kind[uint16]               { return whole[uint16]("port", "a port number", 0, 65535) }

func byteCount(low, high int64) kind[int64] {
	return whole[int64]("bytes", "a number of bytes", low, high)
}

// seconds is a duration written in seconds, with decimals if wanted.
func seconds(low, high int64) kind[time.Duration] {
	return duration("seconds", "a number of seconds", time.Second, low, high)
}

// milliseconds is a duration written in milliseconds.
func milliseconds(low, high int64) kind[time.Duration] {
	return duration("milliseconds", "a number of milliseconds", time.Millisecond, low, high)
}

func duration(name, want string, unit time.Duration, low, high int64) kind[time.Duration] {
	return kind[time.Duration]{
		name: name,
		want: fmt.Sprintf("%s from %d to %d", want, low, high),
		parse: func(s string) (time.Duration, error) {
			if strings.Trim(s, "0123456789.") != "" { // no sign, exponent, "Inf" or unit
				return 0, errWant
			}
			f, err := strconv.ParseFloat(s, 64)
			if err != nil || f < float64(low) || f > float64(high) {
				return 0, errWant
			}
			return time.Duration(f * float64(unit)), nil
		},
		show: func(d time.Duration) string {
			return strconv.FormatFloat(float64(d)/float64(unit), 'f', -1, 64)
		},
	}
}

func level() kind[Level] {
	return kind[Level]{
		name: "level",
		want: "a level from 0 (nothing) to 8 (trace), or its name",
		parse: func(s string) (Level, error) {
			l, ok := parseLevel(s)
			if !ok {
				return 0, errWant
			}
			return l, nil
		},
		show: func(l Level) string { return strconv.Itoa(int(l)) },
	}
}

// list is texts separated by ";" or ",".
func list() kind[[]string] {
	return kind[[]string]{
		name: "list", want: `texts separated by ";"`,
		parse: func(s string) ([]string, error) { return splitList(s), nil },
		show:  func(l []string) string { return strings.Join(l, "; ") },
	}
}

func splitList(s string) []string {
	var l []string
	for _, e := range strings.FieldsFunc(s, func(r rune) bool { return r == ';' || r == ',' }) {
		if e = strings.TrimSpace(e); e != "" {
			l = append(l, e)
		}
	}
	return l
}
