package server

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/rs/zerolog"

	"github.com/monaserver/monaserver/internal/config"
	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/internal/rendezvous"
	"github.com/monaserver/monaserver/internal/script"
	"github.com/monaserver/monaserver/pkg/rtmfp"
	"github.com/monaserver/monaserver/pkg/rtmfp/udp"
)

// limiterSources is how many source addresses the handshake limiter remembers.
const limiterSources = 1 << 16

// A Diffie-Hellman key pair of the server is used for all sessions that open in keyPeriod, keySessions at most.
const (
	keyPeriod   = 30 * time.Second
	keySessions = 1000
)

// keepaliveGrace is how much longer than its client's keepalive period the server waits before it pings.
const keepaliveGrace = 5 * time.Second

// rtmfpPart is the RTMFP port with everything that serves its clients.
type rtmfpPart struct {
	cfg      *config.Config
	log      zerolog.Logger
	metrics  *Metrics
	identity *rtmfp.Identity
	hub      *media.Hub
	registry *netconn.Registry
	engine   *script.Engine
	servers  announcer
	bans     *rtmfp.Bans
	intro    *rendezvous.Introducer
	groups   *rendezvous.Groups
	memory   *watermark
	dump     *dumper // nil = off

	running   bool // the engine
	transport *udp.Transport
	shards    []*netconn.Shard
}

// newRTMFP makes the part that runs the applications and serves RTMFP clients.
func newRTMFP(env Env) (*rtmfpPart, error) {
	id, err := rtmfp.NewServerIdentity(rand.Reader, "")
	if err != nil {
		return nil, fmt.Errorf("RTMFP certificate: %w", err)
	}
	p := &rtmfpPart{
		cfg: env.Config, log: env.Log.With().Str("protocol", "RTMFP").Logger(), metrics: env.Metrics,
		identity: id.ReuseKeys(keyPeriod, keySessions),
		hub:      media.NewHub(media.Limits{Publications: env.Config.Limits.Publications}),
		registry: netconn.NewRegistry(),
		bans:     new(rtmfp.Bans),
		memory:   newWatermark(env.Config.Limits.Memory),
		dump:     newDumper(env.Log, env.Config.Dump, "RTMFP"),
	}
	p.groups = rendezvous.NewGroups(p.post, p.log, rendezvous.GroupLimits{})
	if p.engine, err = p.newEngine(env); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *rtmfpPart) Name() string { return "RTMFP" }

// Start opens the port.
func (p *rtmfpPart) Start(context.Context) error {
	c := p.cfg
	if c.RTMFP.Port == 0 {
		p.log.Info().Msg("RTMFP is off (RTMFP.port = 0)")
		p.engine.Start()
		p.running = true
		return p.metrics.Counters("script", p.engine.Counters())
	}
	addr := netip.AddrPortFrom(c.RTMFP.Host, c.RTMFP.Port)
	p.shards = make([]*netconn.Shard, c.Threads)
	p.intro = rendezvous.New(rendezvous.Config{
		Registry: p.registry, Hooks: newHooks(p.engine, c), Budget: c.Script.Budget, Post: p.post, Log: p.log,
		Attempts: c.Limits.HelloTags, Full: p.memory.full,
	})
	t, err := udp.Listen(udp.Config{
		Addr: addr, Shards: c.Threads, Buffer: int(c.SocketBuffer), GSO: c.RTMFP.GSO, RTMFP: p.endpointConfig(), Handler: p.handler,
	})
	if err != nil {
		p.transport = nil
		return ListenError("RTMFP.port", "UDP", addr, err)
	}
	p.engine.Start()
	p.running = true
	Note(&p.log).Stringer("address", t.Addr()).Int("threads", c.Threads).Msg("RTMFP server started")
	return p.register()
}

// post hands a message to a shard. It is used once the shards run, if there are any.
func (p *rtmfpPart) post(shard int, msg any) {
	if p.transport != nil {
		p.transport.Shards()[shard].Post(msg)
	}
}

// now is the shards' clock.
func (p *rtmfpPart) now() rtmfp.Time {
	if p.transport == nil {
		return 0
	}
	return p.transport.Now()
}

func (p *rtmfpPart) endpointConfig() rtmfp.Config {
	l := p.cfg.Limits
	c := rtmfp.Config{
		Identity:             p.identity,
		Rendezvous:           true,
		DecideHello:          true,
		Bans:                 p.bans,
		Security:             rtmfp.Security{RequestHMAC: true, RequestSSEQ: true},
		Limiter:              rtmfp.NewLimiter(float64(l.HandshakesPerAddress), 2*l.HandshakesPerAddress, limiterSources),
		Keepalive:            p.cfg.RTMFP.KeepaliveServer + keepaliveGrace,
		MaxSessions:          l.Sessions,
		MaxSessionsPerSource: l.SessionsPerAddress,
		MaxHalfOpenPerSource: l.HalfOpenPerAddress,
		MaxFlows:             l.FlowsPerSession,
		MaxQueued:            int(l.BufferedPerSession),
		MaxBuffered:          int(l.BufferedPerSession),
	}
	if p.dump != nil {
		c.Dump = p.dump.rtmfp
	}
	return c
}

// handler makes the handler of one shard.
func (p *rtmfpPart) handler(s *udp.Shard) udp.Handler {
	l := p.cfg.Limits
	n := netconn.NewShard(netconn.Config{
		Index: s.Index(), App: p.engine, Hub: p.hub, Registry: p.registry, Groups: p.engine,
		Post: p.post,
		Log:  p.log,
		Limits: netconn.Limits{
			Streams: l.StreamsPerSession, Flows: l.FlowsPerSession, Groups: l.GroupsPerSession, Calls: l.CallsPerSession,
		},
		KeepaliveServer:  p.cfg.RTMFP.KeepaliveServer,
		KeepalivePeer:    p.cfg.RTMFP.KeepalivePeer,
		SessionKeepalive: p.cfg.RTMFP.KeepaliveServer + keepaliveGrace,
	})
	p.shards[s.Index()] = n
	p.transport = s.Transport() // before any shard runs
	return &shardHandler{Shard: n, index: s.Index(), endpoint: s.Endpoint(), intro: p.intro}
}

// shardHandler adds to a netconn.Shard what only the server asks for.
type shardHandler struct {
	*netconn.Shard
	index    int
	endpoint *rtmfp.Endpoint
	intro    *rendezvous.Introducer
}

func (h *shardHandler) HandleEvent(now rtmfp.Time, ev *rtmfp.Event) {
	if ev.Kind == rtmfp.EventHello {
		h.intro.Hello(now, h.index, h.endpoint, ev.Hello)
		return
	}
	h.Shard.HandleEvent(now, ev)
}

// inspect runs on a shard's goroutine and reports how many sessions are left.
type inspect struct {
	drain bool
	left  chan<- int
}

func (h *shardHandler) HandlePost(now rtmfp.Time, msg any) {
	if a, ok := msg.(rendezvous.Answer); ok {
		a.Do(now, h.endpoint)
		return
	}
	i, ok := msg.(inspect)
	if !ok {
		h.Shard.HandlePost(now, msg)
		return
	}
	if i.drain {
		h.Drain(now)
		h.endpoint.Sessions(func(s *rtmfp.Session) bool {
			if s.User == nil {
				s.Close(now)
			}
			return true
		})
	}
	i.left <- h.endpoint.NumSessions()
}

// register makes the counters readable.
func (p *rtmfpPart) register() error {
	for i, s := range p.transport.Shards() {
		shard := strconv.Itoa(i)
		for prefix, counters := range map[string]any{
			"rtmfp": s.Endpoint().Counters(), "udp": s.Counters(), "netconn": p.shards[i].Counters(),
		} {
			if err := p.metrics.Counters(prefix, counters, "shard", shard); err != nil {
				return err
			}
		}
	}
	for prefix, counters := range map[string]any{"rendezvous": p.intro.Counters(), "group": p.groups.Counters(), "script": p.engine.Counters()} {
		if err := p.metrics.Counters(prefix, counters); err != nil {
			return err
		}
	}
	return p.mediaMetrics()
}

func (p *rtmfpPart) mediaMetrics() error {
	if err := p.metrics.Gauge("media_publications", "Publications running now.", func() float64 {
		return float64(p.hub.Stats().Publications)
	}); err != nil {
		return err
	}
	if err := p.metrics.Gauge("media_listeners", "Subscriptions now, waiting ones included.", func() float64 {
		return float64(p.hub.Stats().Listeners)
	}); err != nil {
		return err
	}
	return p.metrics.Counter("media_frames_skipped_total", "Frames not handed to a slow thread.", func() uint64 {
		return uint64(p.hub.Stats().Skipped)
	})
}

// drainPoll is how often Shutdown looks whether all sessions are closed.
const drainPoll = 20 * time.Millisecond

// Shutdown tells all clients, waits for their sessions to close and closes the port.
func (p *rtmfpPart) Shutdown(ctx context.Context) error {
	if p.transport == nil {
		if p.running {
			p.engine.Stop()
		}
		return nil
	}
	left := p.ask(true)
	tick := time.NewTicker(drainPoll)
	defer tick.Stop()
	for left > 0 {
		select {
		case <-ctx.Done():
			p.log.Warn().Int("sessions", left).Msg("sessions cut at shutdown")
			p.engine.Stop()
			return p.transport.Close()
		case <-tick.C:
			left = p.ask(false)
		}
	}
	p.engine.Stop()
	return p.transport.Close()
}

func (p *rtmfpPart) ask(drain bool) (left int) {
	answers := make(chan int, len(p.shards))
	for _, s := range p.transport.Shards() {
		s.Post(inspect{drain: drain, left: answers})
	}
	for range p.shards {
		left += <-answers
	}
	return left
}
