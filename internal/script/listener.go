package script

import (
	"errors"
	"strconv"
	"sync/atomic"

	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/internal/script/value"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// listener is a subscription as scripts see it, from onSubscribe to onUnsubscribe. It belongs to the
// script goroutine, except for media.
type listener struct {
	obj    *object
	client *client
	pub    *publication
	stream *netconn.Stream
	media  atomic.Pointer[media.Listener] // set by the shard when it plays
	params *value.Params
	view   *object // of params
	qos    [3]*object
}

func (e *Engine) newListener(c *client, p *publication, r *netconn.PlayRequest) *listener {
	l := &listener{client: c, pub: p, stream: r.Stream, params: value.NewParams()}
	for _, q := range netconn.ParseQuery(r.Query) {
		l.params.Set(q.Name, q.Value)
	}
	l.obj = e.newObject(e.classes.listener, l)
	l.view = e.newObject(e.classes.params, l.params)
	return l
}

// parameters are those of the query, with the buffer time that the client announced last.
func (l *listener) parameters() *object {
	if ms := l.stream.BufferTime(); ms > 0 {
		l.params.Set("bufferTime", strconv.FormatUint(uint64(ms), 10))
	}
	return l.view
}

// receive is receiveAudio or receiveVideo.
func (e *Engine) receive(kind media.Kind) member {
	return member{
		get: func(o *object) lua.LValue { return lua.LBool(o.v.(*listener).stream.Receives(kind)) },
		set: func(o *object, v lua.LValue) error {
			on, ok := v.(lua.LBool)
			if !ok {
				return errors.New("a boolean was expected")
			}
			l := o.v.(*listener)
			l.stream.SetReceive(kind, bool(on))
			l.client.post(e, func(now rtmfp.Time, _ *netconn.Conn) { l.stream.ApplyReceive(now) })
			return nil
		},
	}
}

func (e *Engine) listenerClass() *class {
	get := func(f func(l *listener) lua.LValue) member {
		return prop(func(o *object) lua.LValue { return f(o.v.(*listener)) })
	}
	quality := func(i int) member {
		return get(func(l *listener) lua.LValue {
			if l.qos[i] == nil {
				l.qos[i] = e.newObject(e.classes.qos, e.listenerQoS(l, i))
			}
			return l.qos[i].ud
		})
	}
	return &class{
		name: "listener",
		text: func(o *object) string {
			l := o.v.(*listener)
			return "listener " + l.client.id() + " of " + l.pub.name
		},
		members: map[string]member{
			"client":       get(func(l *listener) lua.LValue { return l.client.obj.ud }),
			"publication":  get(func(l *listener) lua.LValue { return l.pub.obj.ud }),
			"audioQOS":     quality(qosAudio),
			"videoQOS":     quality(qosVideo),
			"dataQOS":      quality(qosData),
			"receiveAudio": e.receive(media.Audio),
			"receiveVideo": e.receive(media.Video),
			"parameters":   get(func(l *listener) lua.LValue { return l.parameters().ud }),
		},
		index: func(o *object, key lua.LValue) lua.LValue {
			return e.get(o.v.(*listener).parameters(), key)
		},
	}
}

// listenersClass is the collection of the listeners of a publication, in the order of subscription: by
// client, or by number.
func (e *Engine) listenersClass() *class {
	all := func(o *object) []*listener { return o.v.(*publication).listeners }
	return &class{
		name: "listeners",
		coll: &collection{
			readOnly: true,
			get: func(o *object, key lua.LValue) lua.LValue {
				list := all(o)
				if n, ok := key.(lua.LNumber); ok {
					if i := int(n); lua.LNumber(i) == n && i >= 1 && i <= len(list) {
						return list[i-1].obj.ud
					}
					return nil
				}
				for _, l := range list {
					if l.client.obj.ud == key {
						return l.obj.ud
					}
				}
				return nil
			},
			pairs: func(o *object) []pair {
				var list []pair
				for _, l := range all(o) {
					list = append(list, pair{l.client.obj.ud, l.obj.ud})
				}
				return list
			},
			list: func(o *object) []lua.LValue {
				var list []lua.LValue
				for _, l := range all(o) {
					list = append(list, l.obj.ud)
				}
				return list
			},
			len: func(o *object) int { return len(all(o)) },
		},
	}
}
