package netconn

import (
	"time"

	"github.com/rs/zerolog"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// Config is what a Shard is made of.
type Config struct {
	Index    int // of the shard, from 0
	App      App
	Hub      *media.Hub
	Registry *Registry // shared by all shards
	Groups   Groups    // nil: no groups
	// Post hands msg to HandlePost of a shard, in order, without blocking, from any goroutine.
	Post   func(shard int, msg any)
	Log    zerolog.Logger
	Limits Limits

	// The keepalive periods told to clients (RFC 7425 §5.3.4); zero means 15 s and 10 s.
	KeepaliveServer time.Duration
	KeepalivePeer   time.Duration
	// SessionKeepalive is the period of our side of the session, to return to after a probe.
	SessionKeepalive time.Duration
	// StreamControlOnStream sends stream begin and end on the stream's own flow, as servers of the
	// time of Flash did, instead of the control flow.
	StreamControlOnStream bool
}

// Shard serves the clients of one shard of the UDP driver, whose handler it is. It and everything it owns
// belong to the shard's goroutine; Counters may be read by any.
type Shard struct {
	cfg        Config
	media      *media.Shard
	codec      codec
	texts      texts      // of connects
	properties []Property // of the client that connected last
	conns      map[uint64]*Conn
	lastID     uint64
	draining   bool
	complain   throttle
	counters   Counters
}

// NewShard returns a shard.
func NewShard(cfg Config) *Shard {
	cfg.Limits = cfg.Limits.withDefaults()
	setDefault(&cfg.KeepaliveServer, 15*time.Second)
	setDefault(&cfg.KeepalivePeer, 10*time.Second)
	setDefault(&cfg.SessionKeepalive, rtmfp.DefaultKeepalive)
	s := &Shard{cfg: cfg, conns: make(map[uint64]*Conn), complain: throttle{log: cfg.Log}}
	s.media = media.NewShard(cfg.Hub, cfg.Index, func(msg any) { cfg.Post(cfg.Index, msg) })
	return s
}

// HandleEvent handles an event of a session. A session that is nobody's becomes a Conn with its first
// flow, so that those that never open one cost nothing here.
func (s *Shard) HandleEvent(now rtmfp.Time, ev *rtmfp.Event) {
	if ev.Session == nil {
		return
	}
	p, ok := ev.Session.User.(party)
	if !ok {
		if ev.Kind != rtmfp.EventFlow {
			if ev.Message != nil {
				ev.Message.Release()
			}
			return
		}
		c := s.newConn(now, sessionLink{ev.Session})
		ev.Session.User = c
		p = c
	}
	dispatch(now, p, ev)
}

// HandlePost handles what was posted to the shard: media, a Task, or a function that takes the time.
func (s *Shard) HandlePost(now rtmfp.Time, msg any) {
	if s.media.HandlePost(now, msg) {
		return
	}
	switch m := msg.(type) {
	case Task:
		s.run(now, m)
	case Tasks:
		for _, t := range m {
			s.run(now, t)
		}
	case func(rtmfp.Time):
		m(now)
	default:
		s.log(now, zerolog.ErrorLevel, "post", nil).Type("message", msg).Msg("unknown message posted")
	}
}

func (s *Shard) run(now rtmfp.Time, t Task) {
	if c := s.conns[t.To.ID]; c != nil && t.To.Shard == s.cfg.Index {
		t.Do(now, c)
		return
	}
	s.counters.LateAnswers.Add(1)
	if t.Gone != nil {
		t.Gone(now)
	}
}

// Counters returns the shard's counters. Any goroutine.
func (s *Shard) Counters() *Counters { return &s.counters }

// Media returns the listeners of the shard, for listeners that are no clients.
func (s *Shard) Media() *media.Shard { return s.media }

// Conns calls f for each client, connected or not, until it returns false.
func (s *Shard) Conns(f func(*Conn) bool) {
	for _, c := range s.conns {
		if !f(c) {
			return
		}
	}
}

// Drain tells all clients that the server stops, and refuses new ones. It returns at once; Len tells how
// many are still there.
func (s *Shard) Drain(now rtmfp.Time) {
	s.draining = true
	for _, c := range s.conns {
		c.Close(now, CodeConnectAppShutdown, shuttingDown)
	}
}

const shuttingDown = "Server is shutting down"

// Len returns the number of clients whose sessions are not closed yet.
func (s *Shard) Len() int { return len(s.conns) }

func (s *Shard) newConn(now rtmfp.Time, l link) *Conn {
	s.lastID++
	c := newConn(now, s, l, s.lastID)
	s.conns[c.handle.ID] = c
	return c
}

func (s *Shard) forget(c *Conn) { delete(s.conns, c.handle.ID) }

// probe asks the shard of another client whether that is still alive.
func (s *Shard) probe(now rtmfp.Time, h Handle) {
	s.cfg.Post(h.Shard, Task{To: h, Do: func(now rtmfp.Time, c *Conn) { c.probe(now) }})
}

// log returns an event about a client (or nil), limited in rate by kind.
func (s *Shard) log(now rtmfp.Time, level zerolog.Level, kind string, c *Conn) *zerolog.Event {
	e := s.complain.event(now, level, kind)
	if e != nil && c != nil {
		e = e.Stringer("client", c.peer).Stringer("address", c.Addr())
	}
	return e
}
