package netconn

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// ClientConfig is what a Client is made of. Callbacks may be nil; they run on the goroutine of the session
// and may call the Client.
type ClientConfig struct {
	URL            string // sent as tcUrl
	App            string // "" = path and query of the URL, without the leading slash
	ObjectEncoding uint8  // 0 or 3
	Properties     []amf.Member
	Args           []amf.Value      // for the application's connect handler
	PeerAddresses  []netip.AddrPort // our own addresses, told with setPeerInfo
	Limits         Limits
	Timeout        time.Duration // for the answer to connect, once the session is open; 0 = 30 s

	// OnConnect tells that the server accepted.
	OnConnect func(now rtmfp.Time, info Info)
	// OnStatus gets the statuses of the connection after that.
	OnStatus func(now rtmfp.Time, info Info)
	// OnCall gets what the server calls.
	OnCall func(now rtmfp.Time, name string, args []amf.Value)
	// OnClose tells that the session is over; err is nil if Close was called. A refused connect gives
	// a *StatusError.
	OnClose func(now rtmfp.Time, err error)
}

// ErrNoAnswer ends a connection whose connect the server did not answer.
var ErrNoAnswer = errors.New("netconn: the server does not answer connect")

// StatusError is a failure reported by the server.
type StatusError struct{ Info }

func (e *StatusError) Error() string {
	if e.Description == "" {
		return e.Code
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Description)
}

// Client is the client's side of a NetConnection on a dialled session. It belongs to the goroutine of the
// session's endpoint.
type Client struct {
	carrier
	cfg       ClientConfig
	cd        codec
	counts    Counters
	encoding  uint8
	connected bool
	leaving   bool
	err       error // why it ends
	lastCall  float64
	calls     map[float64]func(now rtmfp.Time, r Result)
	streams   map[uint32]*ClientStream
	wake      rtmfp.Time
	connectBy rtmfp.Time // when to stop waiting for the answer to connect
	until     rtmfp.Time // leaving: when to stop waiting
	giveUp    rtmfp.Time // rejected: when to stop waiting for a reason
}

// NewClient makes s a NetConnection: as soon as the session is open, connect is sent.
func NewClient(now rtmfp.Time, s *rtmfp.Session, cfg ClientConfig) *Client {
	c := newClient(sessionLink{s}, cfg)
	s.User = c
	if s.IsOpen() {
		c.connect(now)
	}
	return c
}

func newClient(l link, cfg ClientConfig) *Client {
	c := &Client{cfg: cfg, calls: make(map[float64]func(rtmfp.Time, Result)), streams: make(map[uint32]*ClientStream)}
	c.cfg.Limits = cfg.Limits.withDefaults()
	setDefault(&c.cfg.Timeout, connectDelay)
	c.carrier = carrier{link: l, owner: c, limits: &c.cfg.Limits, counters: &c.counts, control: newLane(0)}
	return c
}

// Connected reports whether the server accepted and the connection is open.
func (c *Client) Connected() bool { return c.connected && !c.leaving }

// connect opens the control flow with the connect command.
func (c *Client) connect(now rtmfp.Time) {
	app := c.cfg.App
	if app == "" {
		if a, err := ParseURL(c.cfg.URL); err == nil {
			app = strings.TrimPrefix(a.Path, "/")
			if a.Query != "" {
				app += "?" + a.Query
			}
		}
	}
	o := amf.NewObject().
		Add("app", amf.String(app)).
		Add("flashVer", amf.String("MonaServer/Go")).
		Add("swfUrl", amf.Undefined{}).
		Add("tcUrl", amf.String(c.cfg.URL)).
		Add("fpad", amf.Bool(false)).
		Add("capabilities", amf.Number(235)).
		Add("audioCodecs", amf.Number(0xffff)).
		Add("videoCodecs", amf.Number(0xffff)).
		Add("videoFunction", amf.Number(1)).
		Add("objectEncoding", amf.Number(c.cfg.ObjectEncoding))
	for _, m := range c.cfg.Properties {
		o.Set(m.Name, m.Value)
	}
	c.lastCall = 1
	c.calls[1] = c.connectAnswered
	b := appendHeader(nil, typeCommand, 0)
	b = c.cd.appendAMF0(b, amf.String("connect"))
	b = c.cd.appendAMF0(b, amf.Number(1))
	b = c.cd.appendAMF0(b, o)
	for _, v := range c.cfg.Args {
		b = c.cd.appendAMF0(b, v)
	}
	if err := c.writeBytes(now, c.control.flow(outOther), b); err != nil {
		c.fail(now, err)
		return
	}
	c.connectBy = now.Add(c.cfg.Timeout)
	c.wakeAt(c.connectBy)
}

func (c *Client) connectAnswered(now rtmfp.Time, r Result) {
	if r.Err != nil {
		c.fail(now, r.Err)
		return
	}
	info := parseInfo(r.Value())
	if info.Object != nil {
		if enc, _ := info.Object.Number("objectEncoding"); enc == 3 && c.cfg.ObjectEncoding == 3 {
			c.encoding = 3
		}
	}
	c.connected, c.connectBy = true, 0
	addrs := make([]amf.Value, 0, len(c.cfg.PeerAddresses))
	for _, a := range c.cfg.PeerAddresses {
		addrs = append(addrs, amf.String(a.String()))
	}
	c.writeCommand(now, c.cd.command("setPeerInfo", 0, 0, addrs...))
	if c.cfg.OnConnect != nil {
		c.cfg.OnConnect(now, info)
	}
}

func (c *Client) writeCommand(now rtmfp.Time, m *rtmfp.Buffer) error {
	_, err := c.write(now, c.control.flow(outOther), rtmfp.Message{Body: m})
	return err
}

// Result is the answer to a call.
type Result struct {
	Values []amf.Value
	Err    error // a *StatusError, or why there is no answer
}

// Value is the first value, null if there is none.
func (r *Result) Value() amf.Value {
	if len(r.Values) > 0 {
		return r.Values[0]
	}
	return amf.Null{}
}

// Call calls a function of the server. Without done, no answer is asked for.
func (c *Client) Call(now rtmfp.Time, name string, done func(now rtmfp.Time, r Result), args ...amf.Value) {
	c.call(now, name, done, c.encoding, args...)
}

func (c *Client) call(now rtmfp.Time, name string, done func(now rtmfp.Time, r Result), encoding uint8, args ...amf.Value) {
	id := 0.0
	if done != nil {
		c.lastCall++
		id = c.lastCall
		c.calls[id] = done
	}
	if err := c.writeCommand(now, c.cd.command(name, id, encoding, args...)); err != nil && done != nil {
		delete(c.calls, id)
		done(now, Result{Err: err})
	}
}

// CreateStream asks for a NetStream; done gets it, or the error.
func (c *Client) CreateStream(now rtmfp.Time, cfg StreamConfig, done func(now rtmfp.Time, s *ClientStream, err error)) {
	c.call(now, "createStream", func(now rtmfp.Time, r Result) {
		id, ok := r.Value().(amf.Number)
		switch {
		case r.Err != nil:
		case !ok || id < 1 || id > maxStreamID || c.streams[uint32(id)] != nil:
			r.Err = fmt.Errorf("netconn: createStream gave %v", r.Value())
		default:
			s := &ClientStream{client: c, lane: newLane(uint32(id)), cfg: cfg}
			c.streams[s.lane.id] = s
			done(now, s, nil)
			return
		}
		done(now, nil, r.Err)
	}, 0)
}

// Close ends the connection in order: what was written is still delivered, for a while, then the session
// is closed.
func (c *Client) Close(now rtmfp.Time) {
	if c.leaving {
		return
	}
	c.leaving = true
	for _, s := range c.streams {
		c.closeForEnd(now, &s.lane)
	}
	c.closeForEnd(now, &c.control)
	c.until = now.Add(clientLinger)
	c.wakeAt(c.until)
	c.checkLeft(now)
}

// clientLinger is how long a closing client waits for its last frames to be acknowledged.
const clientLinger = 10 * time.Second

func (c *Client) closeForEnd(now rtmfp.Time, l *lane) {
	for k := range outKinds {
		if o := l.sending(k); o != nil {
			o.Close(now) // it stays until it ended
		}
	}
}

// checkLeft closes the session once all flows have ended.
func (c *Client) checkLeft(now rtmfp.Time) {
	if !c.leaving || c.closed {
		return
	}
	for _, s := range c.streams {
		for k := range outKinds {
			if s.lane.sending(k) != nil {
				return
			}
		}
	}
	if c.control.sending(outOther) == nil {
		c.link.Close(now)
	}
}

// fail ends the connection because of err.
func (c *Client) fail(now rtmfp.Time, err error) {
	if !c.leaving {
		c.err = err
		c.Close(now)
	}
}
