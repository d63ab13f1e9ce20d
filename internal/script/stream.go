package script

import (
	"cmp"
	"maps"
	"slices"

	"github.com/monaserver/monaserver/internal/netconn"
)

// stream is what a client's NetStream does, as far as the scripts know. What they accepted enters the
// list at once; the shard may still find that it is not possible any more. A NetStream does one thing
// at a time, so uses end in the order in which they began.
type stream struct {
	uses []*streamUse
}

// streamUse is a publication of a NetStream, or its subscription.
type streamUse struct {
	stream   *netconn.Stream
	client   *client
	pub      *publication
	listener *listener // nil: it publishes
}

// beginUse adds an accepted use.
func (c *client) beginUse(u *streamUse) {
	s := c.streams[u.stream]
	if s == nil {
		s = new(stream)
		if c.streams == nil {
			c.streams = make(map[*netconn.Stream]*stream)
		}
		c.streams[u.stream] = s
	}
	s.uses = append(s.uses, u)
}

// firstUse returns the publication that the NetStream has had longest, or the subscription.
func (c *client) firstUse(ns *netconn.Stream, publishes bool) *streamUse {
	s := c.streams[ns]
	if s == nil {
		return nil
	}
	for _, u := range s.uses {
		if (u.listener == nil) == publishes {
			return u
		}
	}
	return nil
}

// endUse ends a use with its event, during which the publication and the listener are still what they
// were.
func (e *Engine) endUse(u *streamUse) {
	c := u.client
	s := c.streams[u.stream]
	if s == nil {
		return
	}
	i := slices.Index(s.uses, u)
	if i < 0 {
		return
	}
	if s.uses = slices.Delete(s.uses, i, i+1); len(s.uses) == 0 {
		delete(c.streams, u.stream)
	}
	p := u.pub
	if l := u.listener; l != nil {
		e.notifyClient(c, "onUnsubscribe", l.obj.ud)
		p.removeListener(l)
		l.obj.end()
	} else {
		e.showRest(p)
		e.notifyClient(c, "onUnpublish", p.obj.ud)
		p.removePublisher(u)
	}
	e.release(p)
}

// endStreams ends what the shard could not report any more: the client was gone before the answers to
// its last requests arrived.
func (e *Engine) endStreams(c *client) {
	list := slices.SortedFunc(maps.Keys(c.streams), func(a, b *netconn.Stream) int { return cmp.Compare(a.ID(), b.ID()) })
	for _, ns := range list {
		for s := c.streams[ns]; s != nil && len(s.uses) > 0; {
			e.endUse(s.uses[0])
		}
	}
}
