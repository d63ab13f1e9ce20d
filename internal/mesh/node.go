package mesh

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/monaserver/monaserver/pkg/amf"
)

// Config is what a Node is made of.
type Config struct {
	Listen     netip.AddrPort // where others connect (servers.host, servers.port); the zero value: nowhere
	Targets    []Target
	Params     map[string]string // the configuration; what must not leave the server is left out of the hello
	Private    []string          // keys of Params that must not leave it either
	MaxMessage int               // bytes, default 16 MiB
	Retry      time.Duration     // longest pause between two attempts, default 16 s
	Queue      int               // bytes that may wait to be sent to one address, default 24 MiB and at least one and a half of the longest
	Allow      []netip.Prefix    // from where others may connect; empty = from everywhere
	Secret     string
	TLS        TLSFiles
	Log        zerolog.Logger
	Note       zerolog.Level // of NOTE, which zerolog does not have

	// Dump is shown every frame, before it is processed or sent; nil = none. What head and payload have together is the
	// frame without its size, valid during the call. The two goroutines of every link call it.
	Dump func(sent bool, addr netip.AddrPort, head, payload []byte)

	// Resolve finds the addresses of a name or IP, and Dial connects; nil = the system's ways.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	Dial    func(ctx context.Context, addr netip.AddrPort) (net.Conn, error)
}

// Handler is what the links serve: the applications. Its methods are called by several goroutines, those
// of one link in the order of its events, and do not wait.
type Handler interface {
	ServerConnected(l *Link)
	// ServerChanged tells that the parameters of a link changed.
	ServerChanged(l *Link)
	ServerDisconnected(l *Link, err error)
	// ServerCall is a call of the other side; size is about what args take in memory. It is false when the
	// applications are too far behind; the call is then tried again. Otherwise done is called once, when the
	// call has run or is dropped.
	ServerCall(l *Link, name string, args []amf.Value, size int, done func()) bool
	// OpenApplication tells that another server has started an application.
	OpenApplication(path string)
}

const (
	defaultMaxMessage = 16 << 20
	defaultRetry      = 16 * time.Second
	defaultQueue      = 24 << 20

	// pingInterval is how often other servers get a sign of life. They take three times as long without any
	// for the end.
	pingInterval = 4 * time.Second

	maxIncoming = 512      // servers that dialled this one
	earlyMemory = 8 << 20  // for the hellos under way, all together
	largeMemory = 64 << 20 // for the large frames under way, and as much as four of the largest
)

var errManyLinks = fmt.Errorf("more than %d servers are connected", maxIncoming)

// Node is this server in the mesh.
type Node struct {
	cfg      Config
	id       string
	log      zerolog.Logger
	handler  Handler
	allow    allowList
	tls      *tlsPolicy
	key      []byte // of servers.secret
	public   publicAddress
	pairs    []pair // of the hello, without the public address
	early    budget
	memory   budget
	accounts *accounts
	lobby    *lobby
	noise    *zerolog.BurstSampler // of what others can make this server log
	counters Counters

	unresolved atomic.Int32 // targets whose addresses were not looked up yet

	listener net.Listener
	cancel   context.CancelFunc
	running  sync.WaitGroup // goroutines

	mu         sync.Mutex
	stopping   bool
	offers     uint32
	all        map[*Link]struct{} // every connection
	links      map[*Link]struct{} // those that applications see
	neighbours map[string]*neighbour
	dialers    map[netip.AddrPort]*dialer
	twice      map[string]bool // targets that were found to be the same
}

// New makes a node; nothing is opened. Errors name the key of the configuration.
func New(cfg Config) (*Node, error) {
	cfg.setDefaults()
	n := &Node{
		cfg: cfg, log: cfg.Log, allow: newAllowList(cfg.Allow),
		lobby: newLobby(maxPendingEach, maxPending),
		noise: &zerolog.BurstSampler{Burst: 20, Period: time.Second},
		all:   map[*Link]struct{}{}, links: map[*Link]struct{}{}, neighbours: map[string]*neighbour{},
		dialers: map[netip.AddrPort]*dialer{}, twice: map[string]bool{},
	}
	n.accounts = newAccounts(cfg.Queue, &n.memory)
	var id [16]byte
	rand.Read(id[:])
	n.id = hex.EncodeToString(id[:])
	var err error
	if n.tls, err = newTLS(cfg.TLS); err != nil {
		return nil, err
	}
	if n.key, err = deriveKey(cfg.Secret); err != nil {
		return nil, fmt.Errorf("servers.secret: %w", err)
	}
	for _, p := range announced(cfg.Params, cfg.Private) {
		if p.key == keyPublicAddress {
			n.public.configured = p.value
			continue
		}
		n.pairs = append(n.pairs, p)
	}
	n.early.give(earlyMemory)
	n.memory.give(max(largeMemory, 4*cfg.MaxMessage))
	return n, nil
}

func (c *Config) setDefaults() {
	if c.MaxMessage <= 0 {
		c.MaxMessage = defaultMaxMessage
	}
	if c.Retry <= 0 {
		c.Retry = defaultRetry
	}
	if c.Queue <= 0 {
		c.Queue = max(defaultQueue, c.MaxMessage/2*3)
	}
	if c.Resolve == nil {
		c.Resolve = resolve
	}
	if c.Dial == nil {
		c.Dial = dial
	}
}

// Counters returns the node's counters.
func (n *Node) Counters() *Counters { return &n.counters }

// ID is the identity of this process among servers.
func (n *Node) ID() string { return n.id }

// Addr is where the node listens, or nil.
func (n *Node) Addr() net.Addr {
	if n.listener == nil {
		return nil
	}
	return n.listener.Addr()
}

// Start listens and begins to dial the targets.
func (n *Node) Start(ctx context.Context, h Handler) error {
	n.handler = h
	if n.cfg.Listen.IsValid() {
		var err error
		c := net.ListenConfig{KeepAliveConfig: keepAlive}
		if n.listener, err = c.Listen(ctx, "tcp", n.cfg.Listen.String()); err != nil {
			return err
		}
	}
	var life context.Context
	life, n.cancel = context.WithCancel(context.Background())
	seen := map[string]bool{}
	for _, t := range n.cfg.Targets {
		if seen[t.String()] {
			n.log.Warn().Msg("servers.targets: " + t.String() + " is there twice, the second is ignored")
			continue
		}
		seen[t.String()] = true
		e := &entry{node: n, target: t}
		n.unresolved.Add(1)
		n.running.Go(func() { e.run(life) })
	}
	if n.listener != nil {
		n.note(n.log).Msg("Servers incoming connection on " + n.listener.Addr().String() + " started")
		n.running.Go(func() { n.accept(life) })
	}
	n.running.Go(func() { n.tick(life) })
	return nil
}

// Stop tells all servers that this one stops, waits until they close, and ends everything. When the context
// ends it cuts short what is left.
func (n *Node) Stop(ctx context.Context) error {
	if n.cancel == nil {
		return nil
	}
	n.mu.Lock()
	n.stopping = true
	for l := range n.all {
		if l.shown.Load() {
			l.Reject(stopping)
		} else {
			go l.end(errStopping)
		}
	}
	n.mu.Unlock()
	n.cancel()
	if n.listener != nil {
		_ = n.listener.Close()
		n.note(n.log).Msg("Servers incoming connection on " + n.listener.Addr().String() + " stopped")
	}
	done := make(chan struct{})
	go func() {
		n.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	n.mu.Lock()
	for l := range n.all {
		go l.end(errStopping)
	}
	n.mu.Unlock()
	<-done
	return nil
}

// Announce tells all servers that an application started.
func (n *Node) Announce(path string) {
	payload := appendServices(nil, path)
	n.mu.Lock()
	var ready []*Link
	for l := range n.links {
		if l.ready.Load() && !l.closed.Load() {
			ready = append(ready, l)
		}
	}
	n.mu.Unlock()
	for _, l := range ready {
		_ = l.push(message{handler: services, payload: payload}) // the link has gone meanwhile
	}
}

// begin notes a connection.
func (n *Node) begin(l *Link) (err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.stopping {
		return errStopping
	}
	if l.tenant, err = n.accounts.open(l.addr.Addr(), l.dial == nil); err != nil {
		return err
	}
	l.queue.shared = &l.tenant.out
	n.all[l] = struct{}{}
	return nil
}

// tick sends pings and tells of lost media.
func (n *Node) tick(ctx context.Context) {
	t := time.NewTicker(pingInterval)
	defer t.Stop()
	dropped := map[*Link]uint64{}
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		n.mu.Lock()
		links := make([]*Link, 0, len(n.all))
		for l := range n.all {
			links = append(links, l)
		}
		n.mu.Unlock()
		now := make(map[*Link]uint64, len(links))
		for _, l := range links {
			if l.pings.Load() && !l.closed.Load() {
				l.control([]byte{kindPing})
			}
			s := l.queue.stats()
			now[l] = s.dropped
			if more := s.dropped - dropped[l]; more > 0 {
				n.counters.MediaDropped.Add(more)
				l.log.Warn().Uint64("messages", more).Int("waiting", s.bytes).Msg("media is left out: the server does not keep up")
			}
		}
		dropped = now
	}
}

// note begins a log line of level NOTE.
func (n *Node) note(log zerolog.Logger) *zerolog.Event { return log.WithLevel(n.cfg.Note) }

// sayEnd logs the end of a link that applications saw.
func (n *Node) sayEnd(l *Link, err error) {
	addr := l.addr.String()
	var r *rejection
	switch {
	case err == nil:
		n.note(l.log).Msg("Disconnection from " + addr + " server")
	case errors.As(err, &r):
		l.log.Error().Msg("Connection with " + addr + " server, " + r.reason)
		n.note(l.log).Msg("Disconnection from " + addr + " server")
	case malformed(err):
		n.counters.MalformedFrames.Add(1)
		fallthrough
	default:
		l.log.Error().Err(err).Msg("Disconnection from " + addr + " server, " + err.Error())
	}
}

// sayFailure logs the end of a link that no application saw.
func (n *Node) sayFailure(log zerolog.Logger, l *Link, err error) {
	if err == nil {
		err = errors.New("closed before it was established")
	}
	if malformed(err) {
		n.counters.MalformedFrames.Add(1)
	}
	log.Warn().Err(err).Msg("no connection with " + l.addr.String() + " server")
}
