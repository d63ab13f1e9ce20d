package script

import (
	"errors"

	"github.com/rs/zerolog"
	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// writer is a channel to a client. What is written goes out when the event that writes it returns.
type writer struct {
	obj      *object // nil until a script sees it
	client   *client
	main     bool
	reliable bool
	closed   bool
	answered bool            // writeMessage answered the RPC in progress
	queued   int             // written since the last flush
	channel  *netconn.Writer // the shard's; nil until something was written
	qos      *object
	early    []func(rtmfp.Time, *netconn.Conn) // written in onConnection: sent after the answer
}

func (e *Engine) newWriter(c *client, main bool) *writer {
	return &writer{client: c, main: main, reliable: true}
}

// object is the writer as scripts see it.
func (w *writer) object(e *Engine) *object {
	if w.obj == nil {
		w.obj = e.newObject(e.classes.writer, w)
	}
	return w.obj
}

// end makes the writer useless: its client is gone.
func (w *writer) end() { w.closed = true }

// on returns the channel; it runs on the client's shard, like everything that touches channel.
func (w *writer) on(conn *netconn.Conn) *netconn.Writer {
	if w.channel == nil {
		if w.main {
			w.channel = conn.Writer()
		} else {
			w.channel = conn.NewWriter()
		}
	}
	return w.channel
}

func (w *writer) takeEarly() []func(rtmfp.Time, *netconn.Conn) {
	list := w.early
	w.early = nil
	return list
}

// send runs f, which writes about size bytes, on the client's shard, after the answer to its connect. A
// script that writes too much in one event is stopped by an error; what is too much for one client only
// is left out.
func (w *writer) send(e *Engine, L *lua.LState, size int, f func(rtmfp.Time, *netconn.Conn)) {
	c := w.client
	size += wordOverhead
	switch {
	case w.closed || c.writer.closed: // the main one takes the others along
		e.complain(zerolog.ErrorLevel, "writer is closed, nothing written")
		return
	case !e.mayWrite(size):
		L.RaiseError("too much written in one call: the limit is %d messages and %d bytes", e.maxWrites(), maxTurnBytes)
	}
	if waiting := c.unsent.Load(); waiting > 0 && waiting+int64(size) > maxUnsentWords {
		e.complain(zerolog.ErrorLevel, "too much written to client "+c.id()+" at once, message dropped")
		return
	}
	w.queued++
	main := c.writer
	if c.pending != nil {
		if len(main.early) >= maxEarlyWords {
			e.complain(zerolog.ErrorLevel, "too much written in onConnection, the rest is dropped")
			return
		}
		main.early = append(main.early, f)
		return
	}
	c.unsent.Add(int64(size))
	c.post(e, func(now rtmfp.Time, conn *netconn.Conn) {
		c.unsent.Add(-int64(size))
		f(now, conn)
	})
}

// maxEarlyWords bounds what onConnection may write.
const maxEarlyWords = 256

// values converts arguments from n on; size is about how long they are as a message.
func (e *Engine) values(L *lua.LState, n int) (list []amf.Value, size int) {
	list = make([]amf.Value, 0, max(L.GetTop()-n+1, 0))
	for i := n; i <= L.GetTop(); i++ {
		v := e.conv.ToAMF(L.Get(i))
		list = append(list, v)
		if addSize(&size, v); size > maxMessage {
			L.RaiseError("message is too long: the limit is %d bytes", maxMessage)
		}
	}
	return list, size
}

func (e *Engine) writerClass() *class {
	with := func(f func(w *writer, L *lua.LState) int) member {
		return method(func(o *object, L *lua.LState) int { return f(o.v.(*writer), L) })
	}
	invoke := with(func(w *writer, L *lua.LState) int {
		name := ""
		if L.Get(2) != lua.LNil {
			name = L.CheckString(2)
		}
		values, size := e.values(L, 3)
		reliable := w.reliable
		w.send(e, L, len(name)+size, func(now rtmfp.Time, conn *netconn.Conn) { w.on(conn).Invoke(now, reliable, name, values...) })
		return 0
	})
	message := with(e.writeMessage)
	newWriter := with(func(w *writer, L *lua.LState) int {
		L.Push(e.newWriter(w.client, false).object(e).ud)
		return 1
	})
	return &class{
		name: "writer",
		members: map[string]member{
			"reliable": {
				get: func(o *object) lua.LValue { return lua.LBool(o.v.(*writer).reliable) },
				set: func(o *object, v lua.LValue) error {
					b, ok := v.(lua.LBool)
					if !ok {
						return errors.New("a boolean was expected")
					}
					o.v.(*writer).reliable = bool(b)
					return nil
				},
			},
			"writeInvocation": invoke, "writeAMFMessage": invoke,
			"writeMessage": message, "writeAMFResult": message,
			"writeRaw": with(func(w *writer, L *lua.LState) int {
				var raw []byte
				for i := 2; i <= L.GetTop(); i++ {
					s := L.CheckString(i)
					if len(raw)+len(s) > maxMessage {
						L.RaiseError("message is too long: the limit is %d bytes", maxMessage)
					}
					raw = append(raw, s...)
				}
				reliable := w.reliable
				w.send(e, L, len(raw), func(now rtmfp.Time, conn *netconn.Conn) { w.on(conn).Raw(now, reliable, raw) })
				return 0
			}),
			"writeStatusResponse": with(func(w *writer, L *lua.LState) int {
				code, text := shorten(L.CheckString(2)), shorten(L.OptString(3, ""))
				w.send(e, L, len(code)+len(text), func(now rtmfp.Time, conn *netconn.Conn) {
					conn.Status(now, "NetConnection."+code, text)
				})
				return 0
			}),
			"flush": with(func(w *writer, L *lua.LState) int {
				if w.client.pending != nil {
					e.complain(zerolog.ErrorLevel, "writer:flush is not possible before the client is accepted")
					return 0
				}
				L.Push(lua.LBool(w.queued > 0))
				w.queued = 0
				return 1
			}),
			"newWriter": newWriter, "newFlowWriter": newWriter,
			"close": with(func(w *writer, L *lua.LState) int {
				if w.closed {
					return 0
				}
				w.closed = true
				if w.client.pending == nil {
					w.client.post(e, func(now rtmfp.Time, conn *netconn.Conn) { w.on(conn).Close(now) })
				}
				return 0
			}),
			"qos": prop(func(o *object) lua.LValue {
				w := o.v.(*writer)
				if w.qos == nil {
					w.qos = e.newObject(e.classes.qos, clientQoS(e, w.client))
				}
				return w.qos.ud
			}),
		},
	}
}

// writeMessage answers the call in progress; without one it is a message without a name.
func (e *Engine) writeMessage(w *writer, L *lua.LState) int {
	values, size := e.values(L, 2)
	if n := len(w.client.calls); n > 0 && w.main && !w.answered {
		r := w.client.calls[n-1]
		w.answered = true
		w.send(e, L, size, func(now rtmfp.Time, _ *netconn.Conn) { r.Result(now, values...) })
		return 0
	}
	reliable := w.reliable
	w.send(e, L, size, func(now rtmfp.Time, conn *netconn.Conn) { w.on(conn).Invoke(now, reliable, "", values...) })
	return 0
}
