// Package config turns MonaServer.ini and the command line into one typed, validated value.
//
// Everything that can be configured is described once, in the table [Keys]: the loader, --check, --help, the
// documentation and the "did you mean" warnings all read it. A [Config] never changes after [Load] returned it,
// so any goroutine may read it; a reload makes a new one and [Diff] tells what is different.
package config

import (
	"net/netip"
	"time"
)

// Config is the complete, effective configuration: defaults, the file and the command line, in this order, with
// everything derived filled in. Treat it and the slices in it as read-only.
type Config struct {
	Host         HostPort // public address as configured; a wildcard IP here means a bind address
	PublicHost   string   // public host of all protocols: publicHost, else host, else empty
	Bind         netip.Addr
	SocketBuffer int64 // bytes, 0 = what the system gives
	Threads      int   // shards of the RTMFP transport

	Application Application
	RTMFP       RTMFP
	Servers     Servers
	Script      Script
	Limits      Limits
	Metrics     Metrics
	Logs        Logs
	Dump        Dump

	file     string    // the ini file, empty when there is none
	settings []setting // what was given, one per name, in the order of appearance
	byName   map[string]int
	args     *Args
	env      Env
	warnings []string
}

// Application is where the applications and their data live.
type Application struct {
	Dir             string // holds www, data and logs; absolute
	ShutdownTimeout time.Duration
}

// RTMFP configures the protocol of that name.
type RTMFP struct {
	Port            uint16 // 0 = off
	Host            netip.Addr
	PublicHost      string // empty = not configured
	PublicPort      uint16
	KeepalivePeer   time.Duration
	KeepaliveServer time.Duration
	GSO             bool
}

// Servers configures the connections between servers.
type Servers struct {
	Port           uint16 // 0 = no other server may connect
	Host           netip.Addr
	Targets        []Target
	MaxMessageSize int64
	Retry          time.Duration
	Allow          []netip.Prefix // empty = everybody
	Secret         string
	TLS            TLS
	Private        []string // names of keys that are never told to other servers
}

// TLS names the files that encrypt the connections between servers; absolute, empty = not configured.
type TLS struct {
	Cert string
	Key  string
	CA   string
}

// Target is another server this one connects to.
type Target struct {
	HostPort
	Properties []Property // in the order of the file
}

// Property is one name=value of a target.
type Property struct {
	Name, Value string
}

// Script configures the Lua applications.
type Script struct {
	Budget time.Duration
}

// Limits protects the server against clients, one field per key of [limits].
type Limits struct {
	HandshakesPerAddress int // per second
	HalfOpenPerAddress   int
	SessionsPerAddress   int
	Sessions             int
	FlowsPerSession      int
	BufferedPerSession   int64 // bytes
	StreamsPerSession    int
	GroupsPerSession     int
	CallsPerSession      int // that wait for their answer
	Publications         int
	HelloTags            int   // whose attempts are counted
	Memory               int64 // bytes, 0 = no limit
}

// Metrics is where the counters can be read.
type Metrics struct {
	Port uint16 // 0 = off
	Host netip.Addr
}

// Logs says what is logged and where.
type Logs struct {
	Level     Level
	Format    string // "text" or "json"
	Directory string
	Name      string
	Rotation  int
	MaxSize   int64 // bytes, 0 = files grow without limit
}

// Dump asks for packet dumps in the logs; it comes from the command line only.
type Dump struct {
	On     bool
	Filter string // empty = everything
	Limit  int    // bytes of each dump, 0 = all
}

// File is the path of the ini file, or empty when the server runs without one.
func (c *Config) File() string { return c.file }

// Warnings lists what looks wrong in the configuration but does not prevent the start.
func (c *Config) Warnings() []string { return append([]string(nil), c.warnings...) }

// PublicAddress is host:port where clients reach the RTMFP port from outside: the configured public host, else the
// bind address, else the loopback address, which other servers replace by the address they see.
func (c *Config) PublicAddress() HostPort {
	host := c.RTMFP.PublicHost
	switch {
	case host != "":
	case !c.RTMFP.Host.IsUnspecified():
		host = c.RTMFP.Host.String()
	default:
		host = "127.0.0.1"
	}
	return HostPort{Host: host, Port: c.RTMFP.PublicPort}
}
