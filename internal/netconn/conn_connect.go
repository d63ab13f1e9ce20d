package netconn

import (
	"slices"
	"strconv"
	"time"

	"github.com/rs/zerolog"

	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// connect handles the first command of a client.
func (c *Conn) connect(now rtmfp.Time, cmd *command) {
	if c.state != stateNew {
		c.writeCommand(now, c.codec().status("_error", cmd.transaction,
			newInfo(levelError, CodeConnectFailed, "Connected already")))
		return
	}
	r := &ConnectRequest{Args: cmd.args, transaction: cmd.transaction}
	r.Object, _ = cmd.object.(*amf.Object)
	if r.Object == nil {
		r.Object = new(amf.Object)
	}
	c.strict = cmd.transaction == 0
	if enc, _ := r.Object.Number("objectEncoding"); enc == 3 {
		c.encoding = 3
	}
	if !c.locate(r.Object) {
		c.refuse(now, r.transaction, CodeConnectFailed, "Neither tcUrl nor app in connect")
		return
	}
	c.setProperties(r.Object)
	if c.shard.draining {
		c.refuse(now, r.transaction, CodeConnectAppShutdown, shuttingDown)
		return
	}
	if other := c.shard.cfg.Registry.claim(c); other != nil {
		c.counters.Duplicates.Add(1)
		c.shard.log(now, zerolog.WarnLevel, "duplicate", c).Msg("client exists already")
		c.shard.probe(now, other.handle)
		c.refuse(now, r.transaction, CodeConnectFailed, "Client "+c.ID()+" exists already")
		return
	}
	c.registered = true
	c.state, c.connecting = stateConnecting, r
	c.control.blocked = true
	c.ask(now, &r.answer)
	c.shard.cfg.App.Connect(now, r)
}

// locate finds the application. The URL decides: some clients put a constant into app.
func (c *Conn) locate(o *amf.Object) bool {
	if url, ok := o.String("tcUrl"); ok && url != "" {
		if a, err := ParseURL(url); err == nil {
			c.path, c.query = c.shard.texts.of(a.Path), c.shard.texts.of(a.Query)
			return true
		}
	}
	app, ok := o.String("app")
	if !ok {
		return false
	}
	path, query := splitPath(app)
	c.path, c.query = c.shard.texts.of(path), c.shard.texts.of(query)
	return true
}

// setProperties turns the connect object and the URL's parameters, which win, into text.
func (c *Conn) setProperties(o *amf.Object) {
	parameters := ParseQuery(c.query)
	c.properties = make([]Property, 0, min(len(o.Members)+len(parameters), maxProperties))
	for _, m := range o.Members {
		if text, ok := propertyText(m.Value); ok {
			c.properties = setProperty(c.properties, c.shard.texts.of(m.Name), c.shard.texts.of(text))
		}
	}
	for _, p := range parameters {
		c.properties = setProperty(c.properties, p.Name, p.Value)
	}
	if last := &c.shard.properties; slices.Equal(c.properties, *last) {
		c.properties = *last // the many copies of one program all say the same
	} else {
		*last = c.properties
	}
}

func propertyText(v amf.Value) (string, bool) {
	switch v := v.(type) {
	case nil, amf.Null:
		return "null", true
	case amf.Bool:
		return strconv.FormatBool(bool(v)), true
	case amf.Number:
		return strconv.FormatFloat(float64(v), 'f', -1, 64), true
	case amf.String:
		return string(v), true
	}
	return "", false
}

// accept lets the client in: the answer first, then what the application called on it meanwhile, then
// what the client sent meanwhile.
func (c *Conn) accept(now rtmfp.Time, r *ConnectRequest, fields []amf.Member) {
	c.state, c.connecting, c.deadline = stateConnected, nil, 0
	c.accepted = true
	c.counters.Accepted.Add(1)
	c.counters.Connected.Add(1)
	info := newInfo(levelStatus, CodeConnectSuccess, "Connection succeeded")
	info.Add("objectEncoding", amf.Number(c.encoding))
	for _, f := range fields {
		info.Set(f.Name, f.Value)
	}
	c.shard.log(now, zerolog.DebugLevel, "connected", c).Str("path", c.path).Msg("client connected")
	c.writeCommand(now, c.codec().status("_result", r.transaction, info))
	c.flushEarly(now)
	c.unblock(now, &c.control)
}

// SetKeepalive sets the periods that the client is told when it sends its addresses: of the session with
// the server and of those with other clients.
func (c *Conn) SetKeepalive(server, peer time.Duration) {
	if server > 0 {
		c.keepServer = server
	}
	if peer > 0 {
		c.keepPeer = peer
	}
}
