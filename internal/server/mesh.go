package server

import (
	"context"
	"net/netip"
	"time"

	"github.com/rs/zerolog"

	"github.com/monaserver/monaserver/internal/config"
	"github.com/monaserver/monaserver/internal/mesh"
	"github.com/monaserver/monaserver/internal/script"
	"github.com/monaserver/monaserver/pkg/amf"
)

// meshPart is the links to other servers.
type meshPart struct {
	cfg     *config.Config
	log     zerolog.Logger
	metrics *Metrics
	node    *mesh.Node
	engine  *script.Engine
}

// goodbye bounds the wait for other servers at shutdown: clients need the rest of the time.
const goodbye = 2 * time.Second

// newMesh makes the part that serves other servers with the applications of r.
func newMesh(env Env, r *rtmfpPart) (Part, error) {
	c := env.Config.Servers
	p := &meshPart{cfg: env.Config, log: env.Log.With().Str("protocol", "SERVERS").Logger(), metrics: env.Metrics, engine: r.engine}
	cfg := mesh.Config{
		Params: make(map[string]string), Private: c.Private,
		MaxMessage: int(c.MaxMessageSize), Retry: c.Retry, Allow: c.Allow, Secret: c.Secret,
		TLS: mesh.TLSFiles{Cert: c.TLS.Cert, Key: c.TLS.Key, CA: c.TLS.CA},
		Log: p.log, Note: levelNote,
	}
	if c.Port != 0 {
		cfg.Listen = netip.AddrPortFrom(c.Host, c.Port)
	}
	if d := newDumper(env.Log, env.Config.Dump, "SERVERS"); d != nil {
		cfg.Dump = d.frame
	}
	for name, value := range env.Config.Public().All() {
		cfg.Params[name] = value
	}
	for _, t := range c.Targets {
		target := mesh.Target{Host: t.Host, Port: t.Port}
		for _, property := range t.Properties {
			target.Properties = append(target.Properties, mesh.Property(property))
		}
		cfg.Targets = append(cfg.Targets, target)
	}
	var err error
	if p.node, err = mesh.New(cfg); err != nil {
		return nil, err
	}
	r.servers.node = p.node
	return p, nil
}

func (p *meshPart) Name() string { return "servers" }

// Start opens the port for servers and begins to dial the targets.
func (p *meshPart) Start(ctx context.Context) error {
	c := p.cfg.Servers
	if c.Port == 0 && len(c.Targets) == 0 {
		return nil
	}
	if err := p.node.Start(ctx, applications{p.engine}); err != nil {
		return ListenError("servers.port", "TCP", netip.AddrPortFrom(c.Host, c.Port), err)
	}
	return p.metrics.Counters("mesh", p.node.Counters())
}

// Shutdown rejects all servers.
func (p *meshPart) Shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, goodbye)
	defer cancel()
	return p.node.Stop(ctx)
}

// announcer tells other servers about applications.
type announcer struct{ node *mesh.Node }

// Announce implements script.Servers.
func (a *announcer) Announce(path string) {
	if a.node != nil {
		a.node.Announce(path)
	}
}

// applications shows links to the engine.
type applications struct{ engine *script.Engine }

var _ mesh.Handler = applications{}

func (a applications) ServerConnected(l *mesh.Link) { a.engine.ServerConnected(l) }
func (a applications) ServerChanged(l *mesh.Link)   { a.engine.ServerChanged(l) }
func (a applications) ServerDisconnected(l *mesh.Link, err error) {
	a.engine.ServerDisconnected(l, err)
}
func (a applications) OpenApplication(path string) { a.engine.OpenApplication(path) }

func (a applications) ServerCall(l *mesh.Link, name string, args []amf.Value, size int, done func()) bool {
	return a.engine.ServerCall(l, name, args, size, done)
}
