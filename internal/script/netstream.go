package script

import (
	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// What a queued event about a stream counts against the limit of the queue.
const streamEventSize = 512

// Publish implements netconn.App.
func (e *Engine) Publish(now rtmfp.Time, r *netconn.PublishRequest) {
	if !e.onClient(r.Conn(), streamEventSize, false, func(c *client) { e.publishAsked(c, r) }) {
		r.Reject(now, busy)
	}
}

// Play implements netconn.App.
func (e *Engine) Play(now rtmfp.Time, r *netconn.PlayRequest) {
	if !e.onClient(r.Conn(), streamEventSize, false, func(c *client) { e.playAsked(c, r) }) {
		r.Reject(now, busy)
	}
}

// Unpublished implements netconn.App.
func (e *Engine) Unpublished(_ rtmfp.Time, s *netconn.Stream) {
	pub := s.Publication()
	e.onClient(s.Conn(), streamEventSize, true, func(c *client) {
		if u := c.firstUse(s, true); u != nil {
			u.pub.media = pub
			e.endUse(u)
		}
	})
}

// Stopped implements netconn.App.
func (e *Engine) Stopped(_ rtmfp.Time, s *netconn.Stream) {
	e.onClient(s.Conn(), streamEventSize, true, func(c *client) {
		if u := c.firstUse(s, false); u != nil {
			e.endUse(u)
		}
	})
}

// publishAsked asks the client's onPublish.
func (e *Engine) publishAsked(c *client, r *netconn.PublishRequest) {
	reject := func(text string) {
		c.post(e, func(now rtmfp.Time, _ *netconn.Conn) { r.Reject(now, text) })
	}
	if e.cfg.Hub.Lookup(r.Name) != nil { // since the client asked
		reject(r.Name + " is already publishing")
		return
	}
	p := e.retainName(r.Name)
	if text, refused := e.askClient(c, "onPublish", "onUnpublish", p.obj.ud); refused {
		e.release(p)
		reject(text)
		return
	}
	u := &streamUse{stream: r.Stream, client: c, pub: p}
	c.beginUse(u)
	p.publishers = append(p.publishers, u)
	c.post(e, func(now rtmfp.Time, conn *netconn.Conn) {
		if !r.Accept(now) {
			e.useFailed(conn, u)
		}
	})
}

// playAsked asks the client's onSubscribe.
func (e *Engine) playAsked(c *client, r *netconn.PlayRequest) {
	p := e.retainName(r.Name)
	l := e.newListener(c, p, r)
	if text, refused := e.askClient(c, "onSubscribe", "onUnsubscribe", l.obj.ud); refused {
		l.obj.end()
		e.release(p)
		c.post(e, func(now rtmfp.Time, _ *netconn.Conn) { r.Reject(now, text) })
		return
	}
	u := &streamUse{stream: r.Stream, client: c, pub: p, listener: l}
	c.beginUse(u)
	p.listeners = append(p.listeners, l)
	c.post(e, func(now rtmfp.Time, conn *netconn.Conn) {
		if !r.Accept(now) {
			e.useFailed(conn, u)
			return
		}
		l.media.Store(r.Stream.Listener())
	})
}

// useFailed tells the application that what it accepted did not begin: somebody else took the name
// meanwhile, or the client changed its mind.
func (e *Engine) useFailed(conn *netconn.Conn, u *streamUse) {
	e.onClient(conn, streamEventSize, true, func(*client) { e.endUse(u) })
}

// askClient calls an event with which the script may refuse: by false or nil as its value, which leaves
// the words to the protocol, or by an error, whose text the player gets unchanged. What the client's own
// application accepted the handlers of the server may refuse: then the event end follows.
func (e *Engine) askClient(c *client, event, end string, arg lua.LValue) (text string, refused bool) {
	results, _, err := e.method(c.obj, event, arg)
	if err != nil {
		e.refused(c.app, event, c.addr, err)
		return errorText(err), true
	}
	if len(results) > 0 && lua.LVIsFalse(results[0]) {
		return "", true
	}
	return e.askHandlers(c, event, end, arg)
}
