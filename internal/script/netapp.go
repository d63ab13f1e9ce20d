package script

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/rs/zerolog"
	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

const warnLevel = zerolog.WarnLevel

// The Engine is the App of the server's NetConnections. Its methods run on the shards: they only queue
// events, and the answers go back as tasks.
var _ netconn.App = (*Engine)(nil)

const busy = "Application is too busy"

// Connect implements netconn.App.
func (e *Engine) Connect(now rtmfp.Time, r *netconn.ConnectRequest) {
	path := r.Conn().Path()
	if !e.exists(path) {
		r.Reject(now, netconn.CodeConnectInvalidApp, "Application "+path+" doesn't exist")
		return
	}
	if !e.post(path, 1024, false, func() { e.connect(path, r) }) {
		r.Reject(now, netconn.CodeConnectRejected, busy)
	}
}

// exists reports whether there is a folder for an application.
func (e *Engine) exists(path string) bool {
	rel := filepath.FromSlash(strings.TrimPrefix(path, "/"))
	if path == "" {
		return true
	}
	if strings.IndexFunc(rel, func(r rune) bool { return r < ' ' }) >= 0 || !filepath.IsLocal(rel) {
		return false
	}
	st, err := os.Stat(filepath.Join(e.cfg.WWW, rel))
	return err == nil && st.IsDir()
}

// connect opens the application and asks its onConnection.
func (e *Engine) connect(path string, r *netconn.ConnectRequest) {
	refuse := func(code, text string) {
		e.tell(netconn.Task{To: r.Handle(), Do: func(now rtmfp.Time, _ *netconn.Conn) { r.Reject(now, code, text) }})
	}
	app, err := e.openApp(path)
	switch {
	case err == errNoApp:
		refuse(netconn.CodeConnectInvalidApp, "Application "+path+" doesn't exist")
		return
	case err != nil:
		refuse(netconn.CodeConnectRejected, errorText(err))
		return
	}
	e.running = app
	c := e.newClient(app, r.Conn())
	if old := e.objects.clients[c.rawID]; old != nil {
		// A peer id is connected once, so the old one is gone; its end waits in another application's queue.
		e.disconnect(old)
	}
	e.objects.byConn[c.handle] = c
	c.pending = r
	var fields []amf.Member
	var refused string
	var isRefused bool
	e.do(app, func() {
		var values []lua.LValue
		if refused, isRefused, values = e.onConnection(app, c, r.Args, &fields); !isRefused {
			e.announceEvent("onConnection", values...)
		}
	})
	c.pending = nil
	if isRefused || c.writer.closed {
		delete(e.objects.byConn, c.handle)
		c.obj.end()
		if isRefused {
			refuse(netconn.CodeConnectRejected, refused)
		} else {
			refuse(netconn.CodeConnectRejected, "client rejected")
		}
		return
	}
	c.accepted = true
	e.objects.clients[c.rawID] = c
	app.clients[c.rawID] = c
	words := c.writer.takeEarly()
	server, peer := c.keepalive(e, "keepaliveServer"), c.keepalive(e, "keepalivePeer")
	gone := func(now rtmfp.Time) { e.Closed(now, r.Conn(), nil) }
	e.tell(netconn.Task{To: c.handle, Gone: gone, Do: func(now rtmfp.Time, conn *netconn.Conn) {
		conn.SetKeepalive(server, peer)
		if !r.Accept(now, fields...) {
			gone(now)
			return
		}
		for _, w := range words {
			w(now, conn)
		}
	}})
}

// onConnection calls the event and returns its arguments. A refusal has the text for the client.
func (e *Engine) onConnection(app *App, c *client, args []amf.Value, fields *[]amf.Member) (text string, refused bool, values []lua.LValue) {
	fn, ok := e.L.GetField(app.env, "onConnection").(*lua.LFunction)
	if !ok && len(e.handlersOf("onConnection")) == 0 {
		return "", false, nil
	}
	values = e.conv.AppendFromAMF([]lua.LValue{c.obj.ud}, args...)
	if !ok {
		return "", false, values
	}
	results, err := e.call(fn, values...)
	if err != nil {
		e.refused(app, "onConnection", c.addr, err)
		if text = errorText(err); text == "" {
			text = "client rejected"
		}
		return text, true, nil
	}
	if len(results) > 0 && results[0] != lua.LNil {
		t, ok := results[0].(*lua.LTable)
		if !ok {
			e.scriptErrorText(app, "onConnection", "returned a "+results[0].Type().String()+", a table was expected: ignored")
			return "", false, values
		}
		*fields = e.connectFields(c, t)
	}
	return "", false, values
}

// connectFields takes the table that onConnection returned: into the answer, and into the parameters.
func (e *Engine) connectFields(c *client, t *lua.LTable) []amf.Member {
	var fields []amf.Member
	t.ForEach(func(k, v lua.LValue) {
		if name, ok := k.(lua.LString); ok {
			fields = append(fields, amf.Member{Name: string(name), Value: e.conv.ToAMF(v)})
		}
	})
	e.flattenParams(c.parameters(e), "", t, 0)
	return fields
}

func (e *Engine) scriptErrorText(app *App, where, text string) {
	e.counters.Errors.Add(1)
	if ev := e.logEvent(app, zerolog.ErrorLevel); ev != nil {
		ev.Str("in", where).Msg(text)
	}
}

// onClient queues an event of an accepted client.
func (e *Engine) onClient(conn *netconn.Conn, size int, must bool, f func(c *client)) bool {
	h := conn.Handle()
	return e.post(conn.Path(), size, must, func() {
		if c := e.objects.byConn[h]; c != nil {
			f(c)
		}
	})
}

// AddressChanged implements netconn.App.
func (e *Engine) AddressChanged(_ rtmfp.Time, conn *netconn.Conn, old netip.AddrPort) {
	addr := conn.Addr()
	e.onClient(conn, 64, true, func(c *client) {
		c.addr = addr
		e.notifyClient(c, "onAddressChanged", lua.LString(old.String()))
	})
}

// Closed implements netconn.App.
func (e *Engine) Closed(_ rtmfp.Time, conn *netconn.Conn, _ error) {
	e.onClient(conn, 64, true, func(c *client) { e.disconnect(c) })
}

// disconnect ends a client that was accepted.
func (e *Engine) disconnect(c *client) {
	e.endStreams(c)
	delete(e.objects.clients, c.rawID)
	delete(c.app.clients, c.rawID)
	delete(e.objects.byConn, c.handle)
	c.writer.end()
	e.do(c.app, func() {
		e.event(c.app, "onDisconnection", nil, c.obj.ud)
		e.announceEvent("onDisconnection", c.obj.ud)
	})
	c.obj.end()
}
