package script

import (
	"encoding/hex"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/internal/script/value"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// client is a NetConnection as scripts see it. It belongs to the script goroutine; the Conn is read
// only where any goroutine may, and told things by tasks.
type client struct {
	obj    *object
	conn   *netconn.Conn
	handle netconn.Handle
	app    *App
	rawID  string
	addr   netip.AddrPort
	writer *writer
	props  *object // nil until a script sees it
	params *object // the same

	pending  *netconn.ConnectRequest // while onConnection runs
	calls    []*netconn.CallRequest  // the RPC in progress is the last one
	streams  map[*netconn.Stream]*stream
	accepted bool
	unsent   atomic.Int64 // bytes written that the shard did not take yet
}

// post runs f on the client's shard if the client is still there.
func (c *client) post(e *Engine, f func(now rtmfp.Time, conn *netconn.Conn)) {
	e.tell(netconn.Task{To: c.handle, Do: f})
}

func (e *Engine) newClient(app *App, conn *netconn.Conn) *client {
	peer := conn.PeerID()
	c := &client{
		conn: conn, handle: conn.Handle(), app: app, rawID: string(peer[:]), addr: conn.Addr(),
	}
	c.obj = e.newObject(e.classes.client, c)
	c.writer = e.newWriter(c, true)
	return c
}

// id is the client's id in hexadecimal.
func (c *client) id() string { return c.conn.ID() }

// properties are what the client sent with its connect.
func (c *client) properties(e *Engine) *object {
	if c.props == nil {
		p := value.NewParams()
		for _, q := range c.conn.Properties() {
			p.Set(q.Name, q.Value)
		}
		c.props = e.newObject(e.classes.params, p)
	}
	return c.props
}

// property is the property of a key, or the part of them that a dotted key begins with. Scripts ask for fields that
// are not there all the time, and that makes nothing.
func (c *client) property(e *Engine, key lua.LValue) lua.LValue {
	if c.props == nil {
		name, ok := keyText(key)
		known := ok && slices.ContainsFunc(c.conn.Properties(), func(p netconn.Property) bool {
			rest, ok := strings.CutPrefix(p.Name, name)
			return ok && (rest == "" || rest[0] == '.')
		})
		if !known {
			return lua.LNil
		}
	}
	return e.get(c.properties(e), key)
}

// protocolSettings is what the names of the protocol's settings begin with in the configuration.
const protocolSettings = "RTMFP."

// parameters are the settings of the protocol for this client (client.parameters).
func (c *client) parameters(e *Engine) *object {
	if c.params == nil {
		p := value.NewParams()
		for k, v := range e.cfg.Params {
			if name, ok := strings.CutPrefix(k, protocolSettings); ok {
				p.Set(name, v)
			}
		}
		c.params = e.newObject(e.classes.params, p)
	}
	return c.params
}

// keepalive is a period in seconds from client.parameters, which onConnection may have changed.
func (c *client) keepalive(e *Engine, name string) time.Duration {
	text := e.cfg.Params[protocolSettings+name]
	if c.params != nil {
		text, _ = c.params.v.(*value.Params).Text(name)
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0
	}
	return time.Duration(min(max(n, minKeepalive), maxKeepalive) * float64(time.Second))
}

// Keepalive periods that clients accept, in seconds.
const (
	minKeepalive = 5
	maxKeepalive = 255
)

func (e *Engine) clientClass() *class {
	get := func(f func(c *client) lua.LValue) member {
		return prop(func(o *object) lua.LValue { return f(o.v.(*client)) })
	}
	params := get(func(c *client) lua.LValue { return c.parameters(e).ud })
	return &class{
		name: "client",
		text: func(o *object) string { return "client " + o.v.(*client).id() },
		members: map[string]member{
			"id":                get(func(c *client) lua.LValue { return lua.LString(c.id()) }),
			"rawId":             get(func(c *client) lua.LValue { return lua.LString(c.rawID) }),
			"address":           get(func(c *client) lua.LValue { return e.newAddress(c.addr) }),
			"path":              get(func(c *client) lua.LValue { return lua.LString(c.app.path) }),
			"query":             get(func(c *client) lua.LValue { return lua.LString(c.conn.Query()) }),
			"protocol":          get(func(c *client) lua.LValue { return lua.LString(c.conn.Protocol()) }),
			"ping":              get(func(c *client) lua.LValue { return lua.LNumber(min(c.conn.Ping().Milliseconds(), 65535)) }),
			"lastReceptionTime": get(func(c *client) lua.LValue { return e.epoch(c.conn.LastReception()) }),
			"writer":            get(func(c *client) lua.LValue { return c.writer.object(e).ud }),
			"properties":        get(func(c *client) lua.LValue { return c.properties(e).ud }),
			"parameters":        params,
			"RTMFP":             params,
		},
		index: func(o *object, key lua.LValue) lua.LValue {
			return o.v.(*client).property(e, key)
		},
	}
}

// epoch turns a time of the shards into milliseconds since 1970; 0 stays 0.
func (e *Engine) epoch(t rtmfp.Time) lua.LValue {
	if t == 0 {
		return lua.LNumber(0)
	}
	return lua.LNumber(time.Now().Add(t.Sub(e.now())).UnixMilli())
}

// clientsClass is the collection of connected clients, of one application or of all.
func (e *Engine) clientsClass() *class {
	all := func(o *object) map[string]*client { return o.v.(func() map[string]*client)() }
	return &class{
		name: "clients",
		coll: &collection{
			readOnly: true,
			get: func(o *object, key lua.LValue) lua.LValue {
				if c := all(o)[rawID(key)]; c != nil {
					return c.obj.ud
				}
				return nil
			},
			pairs: func(o *object) []pair {
				m := all(o)
				list := make([]pair, 0, len(m))
				for _, raw := range sortedKeys(m) {
					list = append(list, pair{lua.LString(m[raw].id()), m[raw].obj.ud})
				}
				return list
			},
			len: func(o *object) int { return len(all(o)) },
		},
	}
}

// rawID returns the 32 bytes that an id, hexadecimal or raw, stands for; "" if it is none.
func rawID(key lua.LValue) string {
	s, ok := key.(lua.LString)
	switch {
	case !ok:
	case len(s) == 32:
		return string(s)
	case len(s) == 64:
		if b, err := hex.DecodeString(string(s)); err == nil {
			return string(b)
		}
	}
	return ""
}

func (e *Engine) newAppClients(a *App) lua.LValue {
	return e.newObject(e.classes.clients, func() map[string]*client { return a.clients }).ud
}
