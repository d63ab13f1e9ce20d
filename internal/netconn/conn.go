package netconn

import (
	"cmp"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

type connState uint8

const (
	stateNew        connState = iota // no connect yet
	stateConnecting                  // the application decides
	stateConnected
	stateClosing // the last words are on their way
	stateClosed
)

// Conn is a client's NetConnection with its NetStreams: the server's side of one session.
type Conn struct {
	// Constant.
	shard  *Shard
	handle Handle
	peer   rtmfp.PeerID

	// Constant from App.Connect on.
	path       string
	query      string
	properties []Property
	encoding   uint8 // objectEncoding: 0 or 3
	strict     bool  // takes no unsolicited commands on stream 0

	// The shard's goroutine.
	carrier
	state        connState
	registered   bool // in the registry
	accepted     bool // App.Closed is due
	ending       bool // the client is leaving
	farewellDone bool
	streams      []*Stream // by id
	connecting   *ConnectRequest
	callBytes    int
	calls        []*CallRequest
	early        []*rtmfp.Buffer // invocations before the answer to connect
	groups       []*Membership
	writers      int // channels beside the main one
	observeAt    rtmfp.Time
	wake         rtmfp.Time // when the session's timer fires; 0 = not set
	deadline     rtmfp.Time // of stateNew: connect; of ending and stateClosing: the end
	keepServer   time.Duration
	keepPeer     time.Duration
	probeFrom    rtmfp.Time
	probeUntil   rtmfp.Time

	// User is the application's. The shard's goroutine.
	User any

	// Any goroutine.
	addr     atomic.Pointer[netip.AddrPort]
	ping     atomic.Int64
	lastRecv atomic.Int64
	peers    atomic.Pointer[[]netip.AddrPort]
	quality  quality
}

// connectDelay is how long a client may take from its first flow to its connect.
const connectDelay = 30 * time.Second

func newConn(now rtmfp.Time, s *Shard, l link, id uint64) *Conn {
	c := &Conn{
		shard:      s,
		handle:     Handle{Shard: s.cfg.Index, ID: id},
		peer:       l.PeerID(),
		keepServer: s.cfg.KeepaliveServer,
		keepPeer:   s.cfg.KeepalivePeer,
	}
	c.carrier = carrier{link: l, owner: c, limits: &s.cfg.Limits, counters: &s.counters, control: newLane(0)}
	addr := l.Addr()
	c.addr.Store(&addr)
	c.lastRecv.Store(int64(now))
	c.deadline = now.Add(connectDelay)
	c.wakeAt(c.deadline)
	return c
}

// Handle names the Conn. Any goroutine.
func (c *Conn) Handle() Handle { return c.handle }

// PeerID is the client's id. Any goroutine.
func (c *Conn) PeerID() rtmfp.PeerID { return c.peer }

// ID is the client's id as 64 lower case hexadecimal digits. Any goroutine.
func (c *Conn) ID() string { return c.peer.String() }

// Protocol names the protocol of the connection.
func (c *Conn) Protocol() string { return "RTMFP" }

// Path is the path of the application: "" or "/a/b". Any goroutine.
func (c *Conn) Path() string { return c.path }

// Query is the query of the URL. Any goroutine.
func (c *Conn) Query() string { return c.query }

// Properties are the members of the connect object and the parameters of the URL, as text. They must not
// be changed. Any goroutine.
func (c *Conn) Properties() []Property { return c.properties }

// Encoding is the AMF version for values sent to the client: 0 or 3. Any goroutine.
func (c *Conn) Encoding() uint8 { return c.encoding }

// Addr is the client's address. Any goroutine.
func (c *Conn) Addr() netip.AddrPort { return *c.addr.Load() }

// Ping is the round trip time as last seen. Any goroutine.
func (c *Conn) Ping() time.Duration { return time.Duration(c.ping.Load()) }

// LastReception is when something was last received from the client. Any goroutine.
func (c *Conn) LastReception() rtmfp.Time { return rtmfp.Time(c.lastRecv.Load()) }

// PeerAddresses are the addresses that the client told with setPeerInfo, for introducing it to others.
// They must not be changed. Any goroutine.
func (c *Conn) PeerAddresses() []netip.AddrPort {
	if p := c.peers.Load(); p != nil {
		return *p
	}
	return nil
}

// Session is the session under the connection; only the shard's goroutine may use it.
func (c *Conn) Session() *rtmfp.Session {
	l, _ := c.link.(sessionLink)
	return l.Session
}

// Connected reports whether the connect was accepted and the connection is open.
func (c *Conn) Connected() bool { return c.state == stateConnected }

// Stream returns a NetStream of the client, or nil.
func (c *Conn) Stream(id uint32) *Stream {
	if i, ok := c.findStream(id); ok {
		return c.streams[i]
	}
	return nil
}

func (c *Conn) findStream(id uint32) (int, bool) {
	return slices.BinarySearchFunc(c.streams, id, func(s *Stream, id uint32) int { return cmp.Compare(s.lane.id, id) })
}

func (c *Conn) codec() *codec { return &c.shard.codec }

// lane implements owner.
func (c *Conn) lane(id uint32) *lane {
	if id == 0 {
		return &c.control
	}
	if s := c.Stream(id); s != nil {
		return &s.lane
	}
	return nil
}

// observe updates what other goroutines read, at most once per observeInterval.
func (c *Conn) observe(now rtmfp.Time) {
	if now < c.observeAt {
		return
	}
	c.observeAt = now.Add(observeInterval)
	c.lastRecv.Store(int64(c.link.lastReceived()))
	c.ping.Store(int64(c.link.RTT()))
	if s := c.Session(); s != nil {
		c.quality.observe(now, s.Stats())
	}
}

const observeInterval = time.Second

// writeCommand sends a message on the control flow.
func (c *Conn) writeCommand(now rtmfp.Time, m *rtmfp.Buffer) {
	c.observe(now)
	c.write(now, c.control.flow(outOther), rtmfp.Message{Body: m})
}

// Invoke calls a function of the client; an empty name is "onMessage". Before the client is accepted the
// calls are kept, to follow the answer to its connect.
func (c *Conn) Invoke(now rtmfp.Time, name string, values ...amf.Value) {
	if c.state >= stateClosing {
		return
	}
	if name == "" {
		name = "onMessage"
	}
	m := c.codec().command(name, 0, c.encoding, values...)
	if c.state != stateConnected {
		if len(c.early) >= maxEarly {
			c.counters.HeldDropped.Add(1)
			m.Release()
			return
		}
		c.early = append(c.early, m)
		return
	}
	c.writeCommand(now, m)
}

// maxEarly bounds the calls kept for a client that is not accepted yet.
const maxEarly = 64

func (c *Conn) flushEarly(now rtmfp.Time) {
	for _, m := range c.early {
		c.writeCommand(now, m)
	}
	c.early = nil
}

func (c *Conn) dropEarly() {
	for _, m := range c.early {
		m.Release()
	}
	c.early = nil
}

// wakeAt implements owner. The session has one timer: it is set for the earliest deadline, and expire
// sets it again for the others.
func (c *Conn) wakeAt(t rtmfp.Time) {
	if t != 0 && (c.wake == 0 || t < c.wake) {
		c.wake = t
		c.link.WakeAt(t)
	}
}

// expire does what is due and sets the timer for what is not.
func (c *Conn) expire(now rtmfp.Time) {
	c.wake = 0
	switch c.state {
	case stateNew:
		if now >= c.deadline {
			c.Close(now, CodeConnectFailed, "No connect received")
			return
		}
		c.wakeAt(c.deadline)
	case stateClosing:
		switch {
		case now < c.deadline:
			c.wakeAt(c.deadline)
		case c.farewellDone:
			c.link.Close(now)
		default:
			c.farewell(now)
		}
		return
	case stateClosed:
		return
	}
	if c.expireProbe(now) {
		return
	}
	c.expireSyncs(now)
	if r := c.connecting; r != nil && c.dueAnswer(now, &r.answer) {
		r.Reject(now, CodeConnectFailed, noAnswer)
		return
	}
	for i := 0; i < len(c.calls); {
		r := c.calls[i]
		if !c.dueAnswer(now, &r.answer) {
			i++
			continue
		}
		c.counters.CallsExpired.Add(1)
		r.Error(now, noAnswer) // takes it out of the list
	}
	for _, s := range slices.Clone(c.streams) {
		s.expire(now)
	}
	if c.ending && c.state == stateConnected {
		c.checkEnding(now)
		c.wakeAt(c.deadline)
	}
}

// noAnswer is what the client is told when the application forgets its request.
const noAnswer = "No answer from the application"

func (c *Conn) dueAnswer(now rtmfp.Time, a *answer) bool {
	if now >= a.expires {
		return true
	}
	c.wakeAt(a.expires)
	return false
}

// ask starts the wait for the application's answer to a request.
func (c *Conn) ask(now rtmfp.Time, a *answer) {
	a.conn = c
	a.expires = now.Add(c.limits.Answer)
	c.wakeAt(a.expires)
}
