package rendezvous

import (
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// Hooks are what an application may decide about hellos. They are called on a shard's goroutine, must
// not block, and answer by calling answer once, on any goroutine, or never: the initiator says hello
// again.
type Hooks interface {
	// Decides reports whether the application of a path may want to decide where its clients go. It is asked for each
	// hello, so it should be quick.
	Decides(path string) bool
	// Handshake asks where a client that wants to connect should go; no address means here. It returns
	// false if nobody wants to decide, and then answer is not called.
	Handshake(h HandshakeRequest, answer func(to []netip.AddrPort)) bool
	// Unknown asks for servers that may know a peer; none means no answer. False as above.
	Unknown(id rtmfp.PeerID, answer func(to []netip.AddrPort)) bool
}

// HandshakeRequest is a client's wish to connect, before there is any session.
type HandshakeRequest struct {
	Address  netip.AddrPort
	Path     string
	Query    string
	Attempts int // hellos with the same tag so far, this one included
}

// Counters count introductions and why they failed. Any goroutine may read them.
type Counters struct {
	Introductions  atomic.Uint64 `help:"Hellos of one client for another that were introduced."`
	Repeated       atomic.Uint64 `help:"Of these, repetitions: the other client did not answer yet."`
	UnknownPeer    atomic.Uint64 `help:"Hellos for peers that are not connected here."`
	PeerGone       atomic.Uint64 `help:"Hellos for peers whose session ended meanwhile."`
	NoCommonFamily atomic.Uint64 `help:"Hellos for peers reached only by the other IP version."`
	NoAnswer       atomic.Uint64 `help:"Introductions given up by both sides: nobody answered, perhaps two NATs of the symmetric kind."`
	Redirected     atomic.Uint64 `help:"Hellos answered with other servers."`
	Uncounted      atomic.Uint64 `help:"Hellos whose attempts were not counted, as too many clients were about to connect."`
	NoMemory       atomic.Uint64 `help:"Hellos not answered because the server uses more memory than it may."`
	Unanswered     atomic.Uint64 `help:"Hellos dropped because the application did not decide in time, or had too many to decide on."`
}

// Config is what an Introducer is made of.
type Config struct {
	Registry *netconn.Registry
	Hooks    Hooks // nil: every client is welcome, unknown peers stay unknown
	// Budget is how long a decision may take; a later one is ignored, as the initiator has said hello
	// again. 0 = 1 s.
	Budget time.Duration
	// Attempts is how many clients about to connect are remembered to count their attempts. 0 = 65536.
	Attempts int
	// Full says, on any goroutine, whether the server has no memory for another client; nil is never.
	Full func() bool
	// Post hands a message to the handler of a shard, from any goroutine.
	Post func(shard int, msg any)
	Log  zerolog.Logger
}

// Introducer decides on the hellos of all shards. Its methods run on the shards' goroutines.
type Introducer struct {
	cfg      Config
	attempts attempts
	asked    questions
	counters Counters
	log      throttle
}

// New returns an introducer.
func New(cfg Config) *Introducer {
	if cfg.Budget <= 0 {
		cfg.Budget = time.Second
	}
	return &Introducer{
		cfg: cfg, attempts: newAttempts(cfg.Attempts), asked: newQuestions(cfg.Budget), log: newThrottle(cfg.Log),
	}
}

// Counters returns the counters.
func (i *Introducer) Counters() *Counters { return &i.counters }

// Hello decides on a hello that ep, the endpoint of a shard, received.
func (i *Introducer) Hello(now rtmfp.Time, shard int, ep *rtmfp.Endpoint, h *rtmfp.Hello) {
	d, err := rtmfp.ParseEPD(h.EPD)
	switch {
	case err != nil:
	case d.HasPeer && d.Peer != ep.PeerID():
		i.introduce(now, shard, ep, h, d.Peer)
	default:
		i.handshake(now, shard, ep, h, string(d.Ancillary))
	}
}

// handshake lets the application send a client elsewhere before it has cost anything.
func (i *Introducer) handshake(now rtmfp.Time, shard int, ep *rtmfp.Endpoint, h *rtmfp.Hello, uri string) {
	if i.cfg.Hooks == nil {
		i.accept(now, ep, h)
		return
	}
	path, query := splitURI(uri)
	if !i.cfg.Hooks.Decides(path) {
		i.accept(now, ep, h)
		return
	}
	n := i.attempt(now, h)
	decided := func(now rtmfp.Time, ep *rtmfp.Endpoint, to []netip.AddrPort) {
		if len(to) == 0 {
			i.accept(now, ep, h)
			return
		}
		i.redirect(now, ep, h, to, n)
	}
	asked := i.ask(now, shard, decided, func(answer func([]netip.AddrPort)) bool {
		return i.cfg.Hooks.Handshake(HandshakeRequest{h.From, path, query, n}, answer)
	})
	if !asked {
		i.accept(now, ep, h)
	}
}

// attempt counts a hello.
func (i *Introducer) attempt(now rtmfp.Time, h *rtmfp.Hello) int {
	n, counted := i.attempts.count(now, h.Tag)
	if !counted {
		i.counters.Uncounted.Add(1)
		i.log.event(zerolog.WarnLevel).Stringer("client", h.From).Msg("too many clients about to connect to count their attempts")
	}
	return n
}

// accept lets a client connect here, unless there is no memory for it: then it tries again.
func (i *Introducer) accept(now rtmfp.Time, ep *rtmfp.Endpoint, h *rtmfp.Hello) {
	if i.cfg.Full != nil && i.cfg.Full() {
		i.counters.NoMemory.Add(1)
		i.log.event(zerolog.WarnLevel).Stringer("client", h.From).Msg("no memory for another client")
		return
	}
	ep.AnswerHello(now, h)
}

// ask puts a question to the application; decided runs on the shard if the answer comes in time. It
// reports false if the application does not want to decide.
func (i *Introducer) ask(now rtmfp.Time, shard int, decided func(rtmfp.Time, *rtmfp.Endpoint, []netip.AddrPort), hook func(answer func([]netip.AddrPort)) bool) bool {
	id, late, ok := i.asked.begin(now)
	i.counters.Unanswered.Add(late)
	if !ok {
		return true
	}
	asked := hook(func(to []netip.AddrPort) {
		i.cfg.Post(shard, Answer{func(now rtmfp.Time, ep *rtmfp.Endpoint) {
			late, ok := i.asked.end(now, id)
			i.counters.Unanswered.Add(late)
			if ok {
				decided(now, ep, to)
			}
		}})
	})
	if !asked {
		i.asked.cancel(id)
	}
	return asked
}

// Answer is a decision on its way back to the shard that received the hello; the shard's handler calls
// Do with its endpoint.
type Answer struct {
	Do func(now rtmfp.Time, ep *rtmfp.Endpoint)
}

// maxRedirect bounds the addresses of one answer, which must fit a datagram and not be much more than the
// hello; the others have their turn when the list turns.
const maxRedirect = 24

// redirect sends the initiator to other servers. Old clients (librtmfp) keep only the last address that is
// marked as another server's and then never ask again, so a list is marked as observed addresses, all of
// which they try. It turns from one answer to the next, as they take seven at most.
func (i *Introducer) redirect(now rtmfp.Time, ep *rtmfp.Endpoint, h *rtmfp.Hello, to []netip.AddrPort, attempt int) {
	i.counters.Redirected.Add(1)
	origin := rtmfp.OriginRelay
	if len(to) > 1 {
		origin = rtmfp.OriginObserved
	}
	size := min(len(to), maxRedirect)
	list := make([]rtmfp.Address, 0, size)
	for k := range size {
		a := to[(k+attempt-1)%len(to)]
		list = append(list, rtmfp.Address{AddrPort: a, Origin: origin})
	}
	ep.RedirectHello(now, h, list)
}

// splitURI takes path and query from what a client wants to reach: a URI, or only its path.
func splitURI(uri string) (path, query string) {
	if a, err := netconn.ParseURL(uri); err == nil {
		return a.Path, a.Query
	}
	if a, err := netconn.ParseURL("rtmfp://h/" + strings.TrimLeft(uri, "/")); err == nil {
		return a.Path, a.Query
	}
	return "", ""
}
