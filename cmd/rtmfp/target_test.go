package main

import (
	"strings"
	"testing"
)

func TestParseStreamTarget(t *testing.T) {
	for in, want := range map[string]target{
		"rtmfp://host/app/stream": {Host: "host:1935", URL: "rtmfp://host/app", App: "app", Stream: "stream"},
		"RTMFP://host:1936/a/b/c": {Host: "host:1936", URL: "rtmfp://host:1936/a/b", App: "a/b", Stream: "c"},
		"rtmfp://host/stream":     {Host: "host:1935", URL: "rtmfp://host", Stream: "stream"},
		"rtmfp://[::1]/app/s":     {Host: "[::1]:1935", URL: "rtmfp://[::1]/app", App: "app", Stream: "s"},
		"rtmfp://[::1]:80/app/s":  {Host: "[::1]:80", URL: "rtmfp://[::1]:80/app", App: "app", Stream: "s"},
		"rtmfp://h/app#a/b":       {Host: "h:1935", URL: "rtmfp://h/app", App: "app", Stream: "a/b"},
		"rtmfp://h/app/#a/b":      {Host: "h:1935", URL: "rtmfp://h/app", App: "app", Stream: "a/b"},
		"rtmfp://h#s":             {Host: "h:1935", URL: "rtmfp://h", Stream: "s"},
		"rtmfp://h/app/s?user=me&x=%20": {
			Host: "h:1935", URL: "rtmfp://h/app?user=me&x=%20", App: "app", Query: "user=me&x=%20", Stream: "s",
		},
		"rtmfp://h/app?u=1#a/b?unbuffered=true": {
			Host: "h:1935", URL: "rtmfp://h/app?u=1", App: "app", Query: "u=1", Stream: "a/b?unbuffered=true",
		},
		"rtmfp://h/my%20app/a%2Fb": {Host: "h:1935", URL: "rtmfp://h/my%20app", App: "my app", Stream: "a/b"},
	} {
		got, err := parseStreamTarget(in)
		if err != nil || got != want {
			t.Errorf("%s:\n%+v, %v\nwant %+v", in, got, err, want)
		}
	}
}

func TestParseTarget(t *testing.T) {
	for in, want := range map[string]target{
		"rtmfp://host":          {Host: "host:1935", URL: "rtmfp://host"},
		"rtmfp://host/":         {Host: "host:1935", URL: "rtmfp://host"},
		"rtmfp://host/a/b/?q=1": {Host: "host:1935", URL: "rtmfp://host/a/b?q=1", App: "a/b", Query: "q=1"},
	} {
		if got, err := parseTarget(in); err != nil || got != want {
			t.Errorf("%s: %+v, %v", in, got, err)
		}
	}
	if _, err := parseTarget("rtmfp://host/app#s"); exitCode(err) != exitUsage {
		t.Error(err)
	}
}

func TestBadURL(t *testing.T) {
	for in, want := range map[string]string{
		"rtmp://host/app/s":       "does not start with rtmfp://",
		"host/app/s":              "does not start with rtmfp://",
		"rtmfp:host/app":          "missing host",
		"rtmfp:///app/s":          "missing host",
		"rtmfp://:1935/app/s":     "missing host",
		"rtmfp://host":            "missing stream name",
		"rtmfp://host/app/":       "missing stream name",
		"rtmfp://host:0/app/s":    "invalid port",
		"rtmfp://host:65536/a/s":  "invalid port",
		"rtmfp://host:x/a/s":      "invalid port",
		"rtmfp://me:pw@host/a/s":  "user name is not supported",
		"rtmfp://host/a/%zz":      "invalid URL escape",
		"rtmfp://host/a/s\x00bad": "invalid control character",
	} {
		_, err := parseStreamTarget(in)
		if exitCode(err) != exitUsage || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", in, err, want)
		}
		if n := strings.Count(err.Error(), "rtmfp://host:x"); n > 1 {
			t.Errorf("url shown %d times: %v", n, err)
		}
	}
}
