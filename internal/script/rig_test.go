package script

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/internal/simnet"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// rig is a whole server for tests of scripts: the real Engine with a www folder of its own, two shards of
// real NetConnections, and clients, all on a simulated network. Everything runs on the goroutine of the
// test: the engine handles its events between two steps of the network, so a test is deterministic and
// waits for nothing.
//
//	r := newRig(t, files{"main.lua": `function onConnection(client) … end`})
//	c := r.dial("rtmfp://10.0.0.1/")             // a connected client
//	v, err := c.call("f", amf.Number(1))         // RPC
//	p := c.publish("cam")                        // its NetStream; c.play("cam") likewise
//	p.video(0, key)                              // a frame
//	r.run(time.Second)                           // virtual time
//	r.lua("", `return mona.publications.count`)  // code as an event of an application ("" = root)
//	r.expect("", `path`, "")                     // the value of an expression
//	r.logged("read-only")                        // something in the logs, which r.forget() empties
//
// Only what needs none of the server's other parts should do without it.
type rig struct {
	*simnet.Net
	t       testing.TB
	www     string
	hub     *media.Hub
	server  *simnet.Node
	shards  []*netconn.Shard
	engine  *Engine
	logs    bytes.Buffer
	clients int
}

// files are the scripts of a rig, by path below www.
type files map[string]string

const rigServer = "10.0.0.1:1935"

// newRig makes a server with the given files. change may change the configuration of its engine.
func newRig(t testing.TB, f files, change ...func(*Config)) *rig {
	t.Helper()
	r := &rig{Net: simnet.New(1), t: t, www: t.TempDir(), hub: media.NewHub(media.Limits{})}
	for name, text := range f {
		r.write(name, text)
	}
	cfg := Config{
		WWW: r.www, Log: zerolog.New(&r.logs).Level(zerolog.TraceLevel), Note: zerolog.InfoLevel,
		Hub: r.hub, Now: r.Now,
		Post: func(shard int, msg any) { r.server.Shard(shard).Post(msg) },
	}
	for _, c := range change {
		c(&cfg)
	}
	var err error
	if r.engine, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	id, err := rtmfp.NewServerIdentity(r.Reader(), "", 2)
	if err != nil {
		t.Fatal(err)
	}
	registry := netconn.NewRegistry()
	r.server = r.AddShards(rigServer, rtmfp.Config{Identity: id}, 2, func(sh *simnet.Shard) simnet.Handler {
		shard := netconn.NewShard(netconn.Config{
			Index: sh.Index(), App: r.engine, Groups: r.engine, Hub: cfg.Hub, Registry: registry, Log: zerolog.Nop(), Post: cfg.Post,
		})
		r.shards = append(r.shards, shard)
		return shard
	})
	r.server.Pick = func(from netip.AddrPort) int { return int(from.Addr().As4()[3]) % 2 }
	r.engine.begin()
	t.Cleanup(func() {
		r.engine.drain()
		r.engine.finish()
	})
	return r
}

// write writes a file below www, with a modification time that no earlier one had.
func (r *rig) write(name, text string) {
	r.t.Helper()
	file := filepath.Join(r.www, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		r.t.Fatal(err)
	}
	when := time.Now()
	if st, err := os.Stat(file); err == nil {
		when = st.ModTime().Add(time.Second)
	}
	if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Chtimes(file, when, when); err != nil {
		r.t.Fatal(err)
	}
}

// reload makes an application look at its file now, without the wait between two checks.
func (r *rig) reload(path string) error {
	if a := r.engine.apps[path]; a != nil {
		a.checked = time.Time{}
	}
	var err error
	r.engine.do(r.engine.root, func() { _, err = r.engine.openApp(path) })
	r.run(0)
	return err
}

// run lets virtual time pass; 0 lets everything happen that needs no time.
func (r *rig) run(d time.Duration) {
	r.RunUntil(func() bool {
		r.engine.drain()
		return false
	}, d)
}

// until lets time pass until something holds.
func (r *rig) until(cond func() bool, what string) {
	r.t.Helper()
	ok := r.RunUntil(func() bool {
		r.engine.drain()
		return cond()
	}, 30*time.Second)
	if !ok {
		r.t.Fatalf("no %s after 30 s\n%s", what, r.logs.String())
	}
}

// lua runs code as an event of an application and returns its results.
func (r *rig) lua(app, code string) []lua.LValue {
	r.t.Helper()
	results, err := r.tryLua(app, code)
	if err != nil {
		r.t.Fatalf("%s\n%v", code, err)
	}
	return results
}

// tryLua is lua for code that may fail.
func (r *rig) tryLua(app, code string) (results []lua.LValue, err error) {
	r.t.Helper()
	a := r.engine.apps[app]
	if a == nil {
		r.t.Fatalf("application %q is not loaded", app)
	}
	fn, err := r.engine.L.Load(strings.NewReader(code), "test")
	if err != nil {
		r.t.Fatalf("%s\n%v", code, err)
	}
	fn.Env = a.env
	r.engine.do(a, func() { results, err = r.engine.call(fn) })
	r.run(0)
	return results, err
}

// expect compares the value of an expression, as text of Lua.
func (r *rig) expect(app, expression, want string) {
	r.t.Helper()
	if got := r.eval(app, expression); got != want {
		r.t.Errorf("%s = %s, want %s", expression, got, want)
	}
}

// eval returns the value of an expression, as text of Lua; several are separated by commas.
func (r *rig) eval(app, expression string) string {
	r.t.Helper()
	var texts []string
	for _, v := range r.lua(app, "return "+expression) {
		texts = append(texts, r.engine.L.ToStringMeta(v).String())
	}
	return strings.Join(texts, ",")
}

// logged checks that the logs have a line with text.
func (r *rig) logged(text string) {
	r.t.Helper()
	if !strings.Contains(r.logs.String(), text) {
		r.t.Errorf("not logged: %s\n%s", text, r.logs.String())
	}
}

// notLogged checks that the logs have no line with text.
func (r *rig) notLogged(text string) {
	r.t.Helper()
	if strings.Contains(r.logs.String(), text) {
		r.t.Errorf("logged: %s\n%s", text, r.logs.String())
	}
}

// forget empties the logs.
func (r *rig) forget() { r.logs.Reset() }

// rigClient is a client with what the server told it.
type rigClient struct {
	*netconn.Client
	r        *rig
	node     *simnet.Node
	session  *rtmfp.Session
	info     netconn.Info // of the accepted connect
	calls    []string     // what the server called: name(values)
	statuses []netconn.Info
	closed   bool
	err      error
}

// dial connects a client, or fails the test.
func (r *rig) dial(url string, args ...amf.Value) *rigClient {
	r.t.Helper()
	c := r.connect(netconn.ClientConfig{URL: url, ObjectEncoding: 3, Args: args})
	if c.err != nil || c.closed {
		r.t.Fatalf("%s: %v\n%s", url, c.err, r.logs.String())
	}
	return c
}

// connect connects a client, or has it refused: then err says why.
func (r *rig) connect(cfg netconn.ClientConfig) *rigClient {
	r.t.Helper()
	r.clients++
	id, err := rtmfp.NewClientIdentity(r.Reader())
	if err != nil {
		r.t.Fatal(err)
	}
	c := &rigClient{r: r}
	addr := fmt.Sprintf("10.1.%d.%d:5000", r.clients>>8, r.clients&0xff)
	c.node = r.AddNode(addr, rtmfp.Config{Identity: id}, func(*simnet.Shard) simnet.Handler { return netconn.Clients{} })
	session, err := c.node.Endpoint().Dial(r.Now(), rtmfp.DialConfig{
		EPD: rtmfp.EPDForURI(cfg.URL), Addrs: []netip.AddrPort{simnet.Addr(rigServer)},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	c.session = session
	cfg.OnConnect = func(_ rtmfp.Time, in netconn.Info) { c.info = in }
	cfg.OnStatus = func(_ rtmfp.Time, in netconn.Info) { c.statuses = append(c.statuses, in) }
	cfg.OnCall = func(_ rtmfp.Time, name string, args []amf.Value) {
		c.calls = append(c.calls, name+"("+amfText(args...)+")")
	}
	cfg.OnClose = func(_ rtmfp.Time, err error) { c.err, c.closed = err, true }
	c.Client = netconn.NewClient(r.Now(), session, cfg)
	c.node.Wake()
	r.until(func() bool { return c.Connected() || c.closed }, "answer to connect")
	return c
}

// call calls a function of the server and waits for the answer.
func (c *rigClient) call(name string, args ...amf.Value) (netconn.Result, error) {
	c.r.t.Helper()
	var got *netconn.Result
	c.Call(c.r.Now(), name, func(_ rtmfp.Time, r netconn.Result) { got = &r }, args...)
	c.node.Wake()
	c.r.until(func() bool { return got != nil }, "answer to "+name)
	return *got, got.Err
}

// leave closes the connection and waits until the server knows.
func (c *rigClient) leave() {
	c.r.t.Helper()
	c.Close(c.r.Now())
	c.node.Wake()
	c.r.until(func() bool { return c.closed }, "end of the connection")
	c.r.run(3 * time.Second)
}

// description is the description of a refusal.
func description(err error) string {
	var status *netconn.StatusError
	if !errors.As(err, &status) {
		return fmt.Sprint("no status: ", err)
	}
	return status.Description
}

// rigStream is a NetStream of a client with what came on it.
type rigStream struct {
	*netconn.ClientStream
	c        *rigClient
	statuses []netconn.Info
	frames   []string // video 40 270100; audio …; data "name" 1
	sent     int
}

// stream makes a NetStream.
func (c *rigClient) stream() *rigStream {
	c.r.t.Helper()
	s := &rigStream{c: c}
	c.CreateStream(c.r.Now(), netconn.StreamConfig{
		OnStatus: func(_ rtmfp.Time, in netconn.Info) { s.statuses = append(s.statuses, in) },
		OnFrame:  func(_ rtmfp.Time, kind media.Kind, ts uint32, body *rtmfp.Buffer) { s.frame(kind, ts, body.Bytes()) },
	}, func(_ rtmfp.Time, cs *netconn.ClientStream, _ error) { s.ClientStream = cs })
	c.node.Wake()
	c.r.until(func() bool { return s.ClientStream != nil }, "stream")
	return s
}

func (s *rigStream) frame(kind media.Kind, ts uint32, body []byte) {
	switch {
	case kind == media.Audio || kind == media.Video:
		s.frames = append(s.frames, fmt.Sprintf("%v %d %x", kind, ts, body))
	case !bytes.Contains(body, []byte("|RtmpSampleAccess")):
		s.frames = append(s.frames, "data "+messageText(body))
	}
}

// messageText is the values of an AMF0 message as text.
func messageText(b []byte) string {
	r := amf.NewReader(b, amf.Limits{})
	var values []amf.Value
	for r.More() {
		v, err := r.Next()
		if err != nil {
			return err.Error()
		}
		values = append(values, v)
	}
	return amfText(values...)
}

// amfText is values as text, objects with their members in order.
func amfText(values ...amf.Value) string {
	var b strings.Builder
	for i, v := range values {
		if i > 0 {
			b.WriteByte(' ')
		}
		switch v := v.(type) {
		case amf.String:
			fmt.Fprintf(&b, "%q", string(v))
		case *amf.Object:
			b.WriteByte('{')
			for i, m := range v.Members {
				if i > 0 {
					b.WriteByte(' ')
				}
				fmt.Fprintf(&b, "%s=%s", m.Name, amfText(m.Value))
			}
			b.WriteByte('}')
		case *amf.Array:
			b.WriteString("[" + amfText(v.Dense...))
			for _, m := range v.Named {
				fmt.Fprintf(&b, " %s=%s", m.Name, amfText(m.Value))
			}
			b.WriteByte(']')
		case *amf.ByteArray:
			fmt.Fprintf(&b, "<%x>", v.Data)
		case amf.Null, nil:
			b.WriteString("null")
		default:
			fmt.Fprintf(&b, "%v", v)
		}
	}
	return b.String()
}

// last is the code of the newest status.
func (s *rigStream) last() string {
	if len(s.statuses) == 0 {
		return ""
	}
	return s.statuses[len(s.statuses)-1].Code
}

// text is the description of the newest status.
func (s *rigStream) text() string {
	if len(s.statuses) == 0 {
		return ""
	}
	return s.statuses[len(s.statuses)-1].Description
}

// codes are the codes of all statuses, without "NetStream.".
func (s *rigStream) codes() string {
	var list []string
	for _, in := range s.statuses {
		list = append(list, strings.TrimPrefix(in.Code, "NetStream."))
	}
	return strings.Join(list, " ")
}

// answered waits for the next status.
func (s *rigStream) answered(what string) {
	s.c.r.t.Helper()
	s.c.node.Wake()
	n := len(s.statuses)
	s.c.r.until(func() bool { return len(s.statuses) > n }, what)
	s.c.r.run(50 * time.Millisecond)
}

// publish asks to publish on a new stream and waits for the answer, whatever it is.
func (c *rigClient) publish(name string) *rigStream {
	c.r.t.Helper()
	s := c.stream()
	s.Publish(c.r.Now(), name, "live")
	s.answered("answer to publish")
	return s
}

// play asks to play on a new stream and waits for the answer, whatever it is.
func (c *rigClient) play(name string) *rigStream {
	c.r.t.Helper()
	s := c.stream()
	s.Play(c.r.Now(), name)
	s.answered("answer to play")
	return s
}

// close ends what the stream does.
func (s *rigStream) close() {
	s.c.r.t.Helper()
	s.CloseStream(s.c.r.Now())
	s.answered("answer to closeStream")
}

// write sends a frame and lets it arrive.
func (s *rigStream) write(kind media.Kind, ts uint32, body string) {
	b := rtmfp.CopyBuffer([]byte(body))
	s.WriteFrame(s.c.r.Now(), kind, ts, b, media.WriteOptions{})
	s.c.node.Wake()
	s.c.r.run(20 * time.Millisecond)
}

func (s *rigStream) audio(ts uint32, body string) { s.write(media.Audio, ts, body) }
func (s *rigStream) video(ts uint32, body string) { s.write(media.Video, ts, body) }

// data sends a data message and lets it arrive.
func (s *rigStream) data(handler string, values ...amf.Value) {
	s.Send(s.c.r.Now(), handler, values...)
	s.c.node.Wake()
	s.c.r.run(20 * time.Millisecond)
}

// got are the frames since the last call.
func (s *rigStream) got() string {
	list := s.frames[s.sent:]
	s.sent = len(s.frames)
	return strings.Join(list, ", ")
}

// Bodies of frames.
const (
	avcHeader  = "\x17\x00\x00\x00\x00\x01"
	keyFrame   = "\x17\x01\x00\x00\x00\xaa"
	interFrame = "\x27\x01\x00\x00\x00\xbb"
	aacHeader  = "\xaf\x00\x12\x10"
	sound      = "\xaf\x01\xcc"
)
