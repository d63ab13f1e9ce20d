package netconn

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// rig is a server with one shard, driven by raw clients.
type rig struct {
	*pipeNet
	hub     *media.Hub
	shard   *Shard
	app     App
	clients int

	direct bool // keep posts in posted instead of the network's queue
	posted []any
}

func newRig(t *testing.T, app App, change ...func(*Config)) *rig {
	t.Helper()
	r := &rig{pipeNet: newPipeNet(t), hub: media.NewHub(media.Limits{}), app: app}
	cfg := Config{
		App: app, Hub: r.hub, Registry: NewRegistry(), Log: zerolog.New(zerolog.NewTestWriter(t)),
		Post: func(shard int, msg any) {
			if shard != 0 {
				t.Errorf("post to shard %d", shard)
			}
			if r.direct {
				r.posted = append(r.posted, msg)
				return
			}
			r.do(func() { r.shard.HandlePost(r.now, msg) })
		},
	}
	for _, f := range change {
		f(&cfg)
	}
	r.shard = NewShard(cfg)
	return r
}

// rawClient is a client that speaks in bytes and checks nothing but what strict clients check.
type rawClient struct {
	t        *testing.T
	rig      *rig
	near     *pipeEnd // ours
	far      *pipeEnd // the server's
	conn     *Conn
	control  *pipeSend
	peer     *pipeRecv // the server's control flow
	got      []gotMessage
	in       []*pipeRecv
	strict   *strictClient
	rejected []*pipeSend // flows of ours that the server refused
	ended    []string    // metadata of the server's flows that ended
	closed   error
}

type gotMessage struct {
	stream  uint32
	group   bool
	flow    *pipeSend
	typ     uint8
	ts      uint32
	payload []byte
}

func peerID(n int) (id rtmfp.PeerID) {
	id[0], id[31] = byte(n>>8), byte(n)
	return id
}

// client returns a client that has not sent anything yet.
func (r *rig) client() *rawClient {
	r.clients++
	return r.clientWithID(peerID(r.clients))
}

func (r *rig) clientWithID(id rtmfp.PeerID) *rawClient {
	c := &rawClient{t: r.t, rig: r}
	c.near, c.far = r.connect(id, peerID(0xffff))
	c.near.party = c
	c.conn = r.shard.newConn(r.now, c.far)
	c.far.party = c.conn
	c.strict = &strictClient{t: r.t}
	return c
}

// connected returns a client that is connected to path with an object encoding.
func (r *rig) connected(path string, encoding int) *rawClient {
	r.t.Helper()
	c := r.client()
	c.connect(path, encoding)
	r.run()
	if !c.conn.Connected() {
		r.t.Fatalf("not connected: %v", c.commands(0))
	}
	c.got = nil
	return c
}

func (c *rawClient) connect(path string, encoding int, args ...amf.Value) {
	o := amf.NewObject().Add("app", amf.String("live")).
		Add("tcUrl", amf.String("rtmfp://localhost"+path)).
		Add("objectEncoding", amf.Number(encoding))
	c.write(c.open(0), typeCommand, 0, values(append([]amf.Value{amf.String("connect"), amf.Number(1), o}, args...)...))
}

// open opens a flow of a stream, the first one being the control flow.
func (c *rawClient) open(stream uint32) *pipeSend {
	var assoc recvFlow
	if c.peer != nil {
		assoc = c.peer
	}
	f, err := c.near.open(c.rig.now, appendFlowMetadata(nil, stream), assoc, 0, false, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	if c.control == nil {
		c.control = f.(*pipeSend)
	}
	return f.(*pipeSend)
}

func (c *rawClient) write(f *pipeSend, typ uint8, ts uint32, payload []byte) {
	f.Write(c.rig.now, rtmfp.Message{Body: rtmfp.CopyBuffer(append(appendHeader(nil, typ, ts), payload...))})
}

func (c *rawClient) writeRaw(f *pipeSend, msg []byte) {
	f.Write(c.rig.now, rtmfp.Message{Body: rtmfp.CopyBuffer(msg)})
}

// command sends a command with a null command object.
func (c *rawClient) command(f *pipeSend, name string, transaction float64, args ...amf.Value) {
	c.write(f, typeCommand, 0, values(append([]amf.Value{amf.String(name), amf.Number(transaction), amf.Null{}}, args...)...))
}

// stream creates a stream and opens its first flow.
func (c *rawClient) stream() (id uint32, f *pipeSend) {
	c.t.Helper()
	c.got = nil
	c.command(c.control, "createStream", 9)
	c.rig.run()
	cmd := c.oneCommand(0)
	n, _ := cmd.args[0].(amf.Number)
	if cmd.name != "_result" || n < 1 {
		c.t.Fatalf("createStream: %v", cmd)
	}
	c.got = nil
	return uint32(n), c.open(uint32(n))
}

func values(vs ...amf.Value) []byte {
	var b []byte
	var err error
	for _, v := range vs {
		if b, err = amf.AppendAMF0(b, v); err != nil {
			panic(err)
		}
	}
	return b
}

// party

func (c *rawClient) opened(rtmfp.Time)                        {}
func (c *rawClient) missed(*inFlow, uint8, int)               {}
func (c *rawClient) moved(rtmfp.Time, netip.AddrPort)         {}
func (c *rawClient) expire(rtmfp.Time)                        {}
func (c *rawClient) sendReady(rtmfp.Time, *outFlow)           {}
func (c *rawClient) over(_ rtmfp.Time, err error)             { c.closed = err }
func (c *rawClient) sendEnded(rtmfp.Time, *outFlow, sendFlow) {}

func (c *rawClient) flow(now rtmfp.Time, recv recvFlow, assoc sendFlow) *inFlow {
	r := recv.(*pipeRecv)
	c.in = append(c.in, r)
	if a, _ := assoc.(*pipeSend); a == nil {
		c.t.Error("flow of the server without association")
	} else if a != c.control && r.send.metadata[1] == 'C' && r.send.metadata[0] == 'T' {
		c.t.Error("flow of the server does not answer the control flow")
	}
	md := parseFlowMetadata(recv.Metadata())
	if md.kind == flowTC && md.stream == 0 {
		c.peer = r
	}
	c.strict.flow(recv.Metadata())
	return &inFlow{recv: recv}
}

func (c *rawClient) flowEnded(_ rtmfp.Time, in *inFlow, _ error) {
	c.ended = append(c.ended, string(in.recv.Metadata()))
}

func (c *rawClient) sendRejected(_ rtmfp.Time, _ *outFlow, f sendFlow) {
	c.rejected = append(c.rejected, f.(*pipeSend))
}

func (c *rawClient) incoming(_ rtmfp.Time, in *inFlow, m *rtmfp.Buffer) {
	defer m.Release()
	g := gotMessage{flow: in.recv.(*pipeRecv).send}
	md := parseFlowMetadata(in.recv.Metadata())
	if md.kind == flowGC {
		g.group, g.payload = true, append([]byte(nil), m.Bytes()...)
	} else {
		g.stream = md.stream
		g.typ, g.ts, _ = parseHeader(m.Bytes())
		g.payload = append([]byte(nil), m.Bytes()[headerSize:]...)
		c.strict.message(md.stream, m.Bytes())
	}
	c.got = append(c.got, g)
}

// what the client got

// commands returns the commands received on a stream as text.
func (c *rawClient) commands(stream uint32) []string {
	var out []string
	for _, g := range c.got {
		if !g.group && g.stream == stream {
			if s := g.String(); s != "" {
				out = append(out, s)
			}
		}
	}
	return out
}

// expect compares everything received on a stream with want and forgets it.
func (c *rawClient) expect(stream uint32, want ...string) {
	c.t.Helper()
	c.rig.run()
	if diff := cmp.Diff(want, c.commands(stream)); diff != "" {
		c.t.Errorf("stream %d (-want +got):\n%s", stream, diff)
	}
	kept := c.got[:0]
	for _, g := range c.got {
		if g.stream != stream {
			kept = append(kept, g)
		}
	}
	c.got = kept
}

func (c *rawClient) oneCommand(stream uint32) command {
	c.t.Helper()
	for _, g := range c.got {
		if g.stream == stream && (g.typ == typeCommand || g.typ == typeCommandAMF3) {
			var cd codec
			cmd, ok := cd.parseCommand(g.typ, g.payload)
			if !ok || cmd.err != nil {
				c.t.Fatalf("bad command %x", g.payload)
			}
			return cmd
		}
	}
	c.t.Fatalf("no command on stream %d", stream)
	return command{}
}

// String is a message in short: what the tests compare.
func (g gotMessage) String() string {
	switch g.typ {
	case typeUserControl:
		u, _ := parseUserControl(g.payload)
		switch u.event {
		case eventStreamBegin:
			return fmt.Sprintf("begin %d", u.a)
		case eventStreamEOF:
			return fmt.Sprintf("eof %d", u.a)
		case eventFlowSync:
			return fmt.Sprintf("sync of %d", u.b)
		}
		return fmt.Sprintf("control %d %d %d", u.event, u.a, u.b)
	case typeCommand:
		var cd codec
		cmd, ok := cd.parseCommand(g.typ, g.payload)
		if !ok || cmd.err != nil {
			return fmt.Sprintf("bad command %x", g.payload)
		}
		var b strings.Builder
		fmt.Fprintf(&b, "%s %v", cmd.name, cmd.transaction)
		if cmd.object != (amf.Null{}) {
			fmt.Fprintf(&b, " object %v", cmd.object)
		}
		for _, v := range cmd.args {
			b.WriteByte(' ')
			if in := parseInfo(v); in.Code != "" {
				fmt.Fprintf(&b, "[%s %s: %s]", in.Level, in.Code, in.Description)
				continue
			}
			b.WriteString(show(v))
		}
		return b.String()
	case typeAudio:
		return fmt.Sprintf("audio %d %x", g.ts, g.payload)
	case typeVideo:
		return fmt.Sprintf("video %d %x", g.ts, g.payload)
	case typeData, typeDataAMF3:
		p, _ := stripFormat(g.typ, g.payload)
		var parts []string
		r := amf.NewReader(p, amf.Limits{})
		for r.More() {
			v, err := r.Next()
			if err != nil {
				return fmt.Sprintf("bad data %x", g.payload)
			}
			parts = append(parts, show(v))
		}
		return fmt.Sprintf("data%d %s", g.typ, strings.Join(parts, " "))
	}
	return fmt.Sprintf("type %d %x", g.typ, g.payload)
}

func show(v amf.Value) string {
	switch v := v.(type) {
	case amf.Null:
		return "null"
	case amf.Undefined:
		return "undefined"
	case amf.String:
		return fmt.Sprintf("%q", string(v))
	case amf.Number, amf.Bool:
		return fmt.Sprint(v)
	case *amf.Object:
		parts := make([]string, len(v.Members))
		for i, m := range v.Members {
			parts[i] = m.Name + ":" + show(m.Value)
		}
		return "{" + strings.Join(parts, " ") + "}"
	case *amf.Array:
		var parts []string
		for _, e := range v.Dense {
			parts = append(parts, show(e))
		}
		for _, m := range v.Named {
			parts = append(parts, m.Name+":"+show(m.Value))
		}
		return "[" + strings.Join(parts, " ") + "]"
	case *amf.ByteArray:
		return fmt.Sprintf("bytes(%x)", v.Data)
	}
	return fmt.Sprintf("%T", v)
}

// ask is an App whose answers the test gives; what it leaves open is accepted by Folders' rules.
type askApp struct {
	Folders
	connect func(now rtmfp.Time, r *ConnectRequest)
	call    func(now rtmfp.Time, r *CallRequest)
	publish func(now rtmfp.Time, r *PublishRequest)
	play    func(now rtmfp.Time, r *PlayRequest)
	log     []string
}

func (a *askApp) Connect(now rtmfp.Time, r *ConnectRequest) {
	if a.connect == nil {
		r.Accept(now)
		return
	}
	a.connect(now, r)
}

func (a *askApp) Call(now rtmfp.Time, r *CallRequest) {
	if a.call == nil {
		r.NotFound(now)
		return
	}
	a.call(now, r)
}

func (a *askApp) Publish(now rtmfp.Time, r *PublishRequest) {
	a.log = append(a.log, "publish "+r.Name)
	if a.publish == nil {
		r.Accept(now)
		return
	}
	a.publish(now, r)
}

func (a *askApp) Play(now rtmfp.Time, r *PlayRequest) {
	a.log = append(a.log, "play "+r.Name)
	if a.play == nil {
		r.Accept(now)
		return
	}
	a.play(now, r)
}

func (a *askApp) Unpublished(_ rtmfp.Time, s *Stream) {
	if !s.Publication().Running() {
		a.log = append(a.log, "NOT RUNNING")
	}
	a.log = append(a.log, "unpublished "+s.Name())
}

func (a *askApp) Stopped(_ rtmfp.Time, s *Stream) {
	a.log = append(a.log, "stopped "+s.Name())
}

func (a *askApp) AddressChanged(_ rtmfp.Time, _ *Conn, old netip.AddrPort) {
	a.log = append(a.log, "moved from "+old.String())
}

func (a *askApp) Closed(_ rtmfp.Time, _ *Conn, err error) {
	a.log = append(a.log, fmt.Sprint("closed ", err))
}
