package main

import (
	"net"
	"net/url"
	"strconv"
	"strings"
)

const defaultPort = "1935"

// target is a parsed URL.
type target struct {
	Host   string // host:port
	URL    string // of the application, as the server gets it: with query, without stream
	App    string // path of the application without its first slash, decoded
	Query  string // of URL, without the question mark
	Stream string // decoded, "" if the command has none
}

// parseTarget parses a URL whose path is that of an application.
func parseTarget(s string) (target, error) {
	u, t, err := parseURL(s)
	if err != nil {
		return target{}, err
	}
	if u.Fragment != "" {
		return target{}, usagef("url %q: a stream has no use here", s)
	}
	t.setApp(u, u.EscapedPath())
	return t, nil
}

// parseStreamTarget parses a URL that names a stream.
func parseStreamTarget(s string) (target, error) {
	u, t, err := parseURL(s)
	if err != nil {
		return target{}, err
	}
	path := u.EscapedPath()
	if t.Stream = u.Fragment; t.Stream == "" {
		i := strings.LastIndexByte(path, '/')
		if t.Stream, err = url.PathUnescape(path[i+1:]); err != nil {
			return target{}, usagef("url %q: %v", s, err)
		}
		path = path[:max(i, 0)]
	}
	if t.Stream == "" {
		return target{}, usagef("url %q: missing stream name", s)
	}
	t.setApp(u, path)
	return t, nil
}

func parseURL(s string) (*url.URL, target, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, target{}, usagef("url %q: %v", s, errorReason(err))
	}
	port := u.Port()
	if port == "" {
		port = defaultPort
	}
	n, err := strconv.ParseUint(port, 10, 16)
	switch {
	case u.Scheme != "rtmfp":
		return nil, target{}, usagef("url %q: does not start with rtmfp://", s)
	case u.Hostname() == "":
		return nil, target{}, usagef("url %q: missing host", s)
	case u.User != nil:
		return nil, target{}, usagef("url %q: user name is not supported", s)
	case err != nil || n == 0:
		return nil, target{}, usagef("url %q: invalid port", s)
	}
	return u, target{Host: net.JoinHostPort(u.Hostname(), port)}, nil
}

// errorReason is an error of url.Parse without the URL, which is shown already.
func errorReason(err error) error {
	if e, ok := err.(*url.Error); ok {
		return e.Err
	}
	return err
}

// setApp sets what belongs to the application, whose escaped path is given.
func (t *target) setApp(u *url.URL, path string) {
	path = strings.TrimRight(path, "/")
	t.URL = "rtmfp://" + u.Host + path
	if u.RawQuery != "" {
		t.Query = u.RawQuery
		t.URL += "?" + u.RawQuery
	}
	app := strings.TrimLeft(path, "/")
	if decoded, err := url.PathUnescape(app); err == nil {
		app = decoded
	}
	t.App = app
}
