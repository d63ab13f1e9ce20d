package script

import (
	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// Call implements netconn.App.
func (e *Engine) Call(now rtmfp.Time, r *netconn.CallRequest) {
	if !e.postTask(r.Conn().Path(), false, task{call: r, size: 512}) {
		r.Error(now, busy)
	}
}

// rpc calls the function that scripts stored on the client. Its events and members are not for the
// client to call.
func (e *Engine) rpc(r *netconn.CallRequest) {
	c := e.objects.byConn[r.Handle()]
	if c == nil {
		return
	}
	fn := c.obj.function(r.Name)
	if fn == nil || clientEvents[r.Name] {
		c.post(e, func(now rtmfp.Time, _ *netconn.Conn) { r.NotFound(now) })
		return
	}
	args := e.conv.AppendFromAMF(append(e.turn.args[:0], c.obj.ud), r.Args...)
	c.calls = append(c.calls, r)
	c.writer.answered = false
	top := e.L.GetTop()
	defer e.L.SetTop(top)
	err := e.invoke(fn, lua.MultRet, args)
	c.calls = c.calls[:len(c.calls)-1]
	clear(args)
	if e.turn.args = args; cap(args) > maxKeptArgs {
		e.turn.args = nil
	}
	if err != nil {
		e.scriptError(c.app, r.Name, err)
		text := errorText(err)
		c.post(e, func(now rtmfp.Time, _ *netconn.Conn) { r.Error(now, text) })
		return
	}
	n := e.L.GetTop() - top
	if c.writer.answered {
		if n > 0 {
			e.warn(c.app, r.Name, "values returned after writer:writeMessage are not sent")
		}
		return
	}
	values, size := make([]amf.Value, n), 0
	for i := range values {
		values[i] = e.conv.ToAMF(e.L.Get(top + 1 + i))
		if addSize(&size, values[i]); size > maxMessage {
			e.scriptErrorText(c.app, r.Name, resultTooLong)
			c.post(e, func(now rtmfp.Time, _ *netconn.Conn) { r.Error(now, resultTooLong) })
			return
		}
	}
	c.post(e, func(now rtmfp.Time, _ *netconn.Conn) { r.Result(now, values...) })
}

// maxKeptArgs is for how many arguments room is kept from call to call.
const maxKeptArgs = 64

const resultTooLong = "the result is too long"

// clientEvents are the functions on a client that the server calls.
var clientEvents = map[string]bool{
	"onAddressChanged": true, "onJoinGroup": true, "onUnjoinGroup": true, "onPublish": true, "onUnpublish": true,
	"onSubscribe": true, "onUnsubscribe": true, "onManage": true, "onRead": true, "onWrite": true, "onMessage": true,
	"onConnection": true, "onDisconnection": true,
}
