package config

import (
	"net/netip"
	"time"
)

// Keys is every key the server knows, in the order of the documentation. A key is added here and nowhere else.
var Keys = []Key{
	// No section: the server as a whole.
	key("host", hostPort(), "", func(c *Config) *HostPort { return &c.Host },
		"Public address of this server, told to clients and other servers; a wildcard such as 0.0.0.0 is taken as `bind`."),
	key("publicHost", host(), "", func(c *Config) *string { return &c.PublicHost },
		"Public host name or IP for every protocol; wins over `host`.").note("the host part of `host`"),
	key("bind", ip(), "0.0.0.0", func(c *Config) *netip.Addr { return &c.Bind },
		"Local IP on which every protocol listens; `::` is IPv6 and IPv4 together."),
	key("socketBufferSize", byteCount(0, 1<<30), "0", func(c *Config) *int64 { return &c.SocketBuffer },
		"Send and receive buffer of every socket; 0 is the system's send buffer and a receive buffer as large as it allows, at most 4 MB."),
	key("threads", number(0, 256), "0", func(c *Config) *int { return &c.Threads },
		"Number of threads that serve RTMFP, each with its own socket; 0 is one per processor.").note("one per processor"),

	key("application.dir", path("folder"), "", func(c *Config) *string { return &c.Application.Dir },
		"Folder that holds `www` (the applications), `data` and `logs`.").
		note("the folder of MonaServer.ini, without one the working directory"),
	key("application.shutdownTimeout", seconds(0, 3600), "5", func(c *Config) *time.Duration { return &c.Application.ShutdownTimeout },
		"Longest time an orderly stop may take; what is still open then is cut."),

	key("RTMFP.port", port(), "1935", func(c *Config) *uint16 { return &c.RTMFP.Port },
		"UDP port of RTMFP; 0 switches the protocol off."),
	key("RTMFP.host", ip(), "", func(c *Config) *netip.Addr { return &c.RTMFP.Host },
		"Local IP on which RTMFP listens.").note("`bind`"),
	key("RTMFP.publicHost", host(), "", func(c *Config) *string { return &c.RTMFP.PublicHost },
		"Public host name or IP of the RTMFP port.").note("`publicHost`"),
	key("RTMFP.publicPort", port(), "", func(c *Config) *uint16 { return &c.RTMFP.PublicPort },
		"Public port of RTMFP when a router translates it.").note("the port in `host`, else `RTMFP.port`"),
	key("RTMFP.keepalivePeer", seconds(5, 255), "10", func(c *Config) *time.Duration { return &c.RTMFP.KeepalivePeer },
		"Keep-alive period between clients that are connected directly, told to them."),
	key("RTMFP.keepaliveServer", seconds(5, 255), "15", func(c *Config) *time.Duration { return &c.RTMFP.KeepaliveServer },
		"Keep-alive period between a client and the server, told to the client."),
	key("RTMFP.gso", boolean(), "false", func(c *Config) *bool { return &c.RTMFP.GSO },
		"Hand several packets to the kernel at once (UDP segmentation offload, Linux); some kernels and network cards damage them."),

	key("servers.port", port(), "0", func(c *Config) *uint16 { return &c.Servers.Port },
		"TCP port on which other servers may connect; 0 closes it."),
	key("servers.host", ip(), "", func(c *Config) *netip.Addr { return &c.Servers.Host },
		"Local IP of `servers.port`.").note("`bind`"),
	key("servers.targets", targets(), "", func(c *Config) *[]Target { return &c.Servers.Targets },
		"Other servers to connect to: `host:port?name=value&…` entries separated by `;`."),
	key("servers.maxMessageSize", byteCount(1<<10, 1<<30), "16777216", func(c *Config) *int64 { return &c.Servers.MaxMessageSize },
		"Largest message accepted from another server."),
	key("servers.retry", seconds(1, 3600), "16", func(c *Config) *time.Duration { return &c.Servers.Retry },
		"Longest pause between two attempts to reach a target."),
	key("servers.allow", prefixes(), "", func(c *Config) *[]netip.Prefix { return &c.Servers.Allow },
		"IPs and blocks (10.0.0.0/8) from which servers may connect, separated by `;`; without it everybody may."),
	key("servers.secret", text(), "", func(c *Config) *string { return &c.Servers.Secret },
		"Password that both servers must know to be connected.").secret(),
	key("servers.tls.cert", path("file"), "", func(c *Config) *string { return &c.Servers.TLS.Cert },
		"Certificate (PEM) that encrypts connections between servers."),
	key("servers.tls.key", path("file"), "", func(c *Config) *string { return &c.Servers.TLS.Key },
		"Private key (PEM) of the certificate."),
	key("servers.tls.ca", path("file"), "", func(c *Config) *string { return &c.Servers.TLS.CA },
		"Certificates (PEM) of which one must have signed those of other servers."),
	key("servers.private", list(), "", func(c *Config) *[]string { return &c.Servers.Private },
		"Names of keys that are never told to other servers, separated by `;`."),

	key("script.budget", milliseconds(1, 3600_000), "1000", func(c *Config) *time.Duration { return &c.Script.Budget },
		"Longest time one call into an application's script may take before it is interrupted."),

	limit("handshakesPerAddress", "100", func(c *Config) *int { return &c.Limits.HandshakesPerAddress },
		"Handshakes per second from one address (IPv4, or IPv6 /64); loopback is never limited."),
	limit("halfOpenPerAddress", "64", func(c *Config) *int { return &c.Limits.HalfOpenPerAddress },
		"Handshakes of one address under way at the same time; loopback is never limited."),
	limit("sessionsPerAddress", "1000", func(c *Config) *int { return &c.Limits.SessionsPerAddress },
		"Clients of one address at the same time; loopback is never limited."),
	limit("sessions", "100000", func(c *Config) *int { return &c.Limits.Sessions },
		"Clients at the same time."),
	limit("flowsPerSession", "256", func(c *Config) *int { return &c.Limits.FlowsPerSession },
		"Flows a client may have open towards the server."),
	key("limits.bufferedPerSession", byteCount(1<<16, 1<<40), "33554432", func(c *Config) *int64 { return &c.Limits.BufferedPerSession },
		"Data of one client waiting to be put together or to be sent."),
	limit("streamsPerSession", "128", func(c *Config) *int { return &c.Limits.StreamsPerSession },
		"NetStreams of one client."),
	limit("groupsPerSession", "64", func(c *Config) *int { return &c.Limits.GroupsPerSession },
		"NetGroups that one client may be in."),
	limit("callsPerSession", "64", func(c *Config) *int { return &c.Limits.CallsPerSession },
		"Calls of one client into scripts that wait for their answer."),
	limit("publications", "10000", func(c *Config) *int { return &c.Limits.Publications },
		"Publications at the same time."),
	limit("helloTags", "65536", func(c *Config) *int { return &c.Limits.HelloTags },
		"Clients about to connect whose attempts are counted for `onHandshake`."),
	key("limits.memory", byteCount(0, 1<<50), "0", func(c *Config) *int64 { return &c.Limits.Memory },
		"Memory in use above which new clients are not let in; 0 is no limit."),

	key("metrics.port", port(), "0", func(c *Config) *uint16 { return &c.Metrics.Port },
		"TCP port on which every counter can be read as Prometheus text, at /metrics; 0 switches it off."),
	key("metrics.host", ip(), "127.0.0.1", func(c *Config) *netip.Addr { return &c.Metrics.Host },
		"Local IP of `metrics.port`."),

	key("logs.level", level(), "6", func(c *Config) *Level { return &c.Logs.Level },
		"What is logged: 0 nothing, 1 fatal, 2 critic, 3 error, 4 warn, 5 note, 6 info, 7 debug, 8 trace."),
	key("logs.format", oneOf("text", "json"), "text", func(c *Config) *string { return &c.Logs.Format },
		"Lines for people, or one JSON object per line."),
	key("logs.directory", path("folder"), "", func(c *Config) *string { return &c.Logs.Directory },
		"Folder of the log files.").note("`logs` in `application.dir`"),
	key("logs.name", fileName(), "log", func(c *Config) *string { return &c.Logs.Name },
		"Name of the log files: NAME.0 is the current one, NAME.1 the one before …"),
	key("logs.rotation", number(0, 10000), "10", func(c *Config) *int { return &c.Logs.Rotation },
		"How many old log files are kept; 0 writes one file NAME that is never renamed."),
	key("logs.maxSize", byteCount(0, 1<<40), "1000000", func(c *Config) *int64 { return &c.Logs.MaxSize },
		"Size at which the next log file is begun; 0 is never."),
}

// limit describes a key of [limits] that counts things.
func limit(name, def string, at func(*Config) *int, doc string) Key {
	return key("limits."+name, number(1, 1<<30), def, at, doc)
}

// foreign lists the sections of MonaServer 1.x whose protocols this server does not speak.
var foreign = []string{"RTMP", "HTTP", "WebSocket", "RTSP"}
