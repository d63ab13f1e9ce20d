package netconn

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

func TestSetPeerInfo(t *testing.T) {
	r := newRig(t, &askApp{})
	c := r.connected("/live", 0)
	c.command(c.control, "setPeerInfo", 0, amf.String("192.0.2.7:1"), amf.String(""), amf.String("nonsense"), amf.Number(3),
		amf.String("fe80::1%eth0:77"), amf.String("2001:db8::5:5000"), amf.String("[2001:db8::6]:6"), amf.String("192.0.2.7:1"),
		amf.String("[::ffff:192.0.2.8]:9"), amf.String("192.0.2.9:0"))
	c.expect(0, "control 41 15000 10000")
	want := "[192.0.2.7:1 [fe80::1]:77 [2001:db8::5]:5000 [2001:db8::6]:6 192.0.2.8:9]"
	if got := fmt.Sprint(c.conn.PeerAddresses()); got != want {
		t.Errorf("addresses %s, want %s", got, want)
	}

	// Each list replaces the one before; with a transaction it is answered; too many are cut.
	args := []amf.Value{}
	for i := range 20 {
		args = append(args, amf.String(fmt.Sprintf("192.0.2.%d:1", i+1)))
	}
	c.strict.called = true
	c.command(c.control, "setPeerInfo", 4, args...)
	c.expect(0, "_result 4 undefined", "control 41 15000 10000")
	if n := len(c.conn.PeerAddresses()); n != 8 {
		t.Errorf("%d addresses kept", n)
	}
	c.conn.SetKeepalive(20e9, 7e9)
	c.command(c.control, "setPeerInfo", 0)
	c.expect(0, "control 41 20000 7000")
	if n := len(c.conn.PeerAddresses()); n != 0 {
		t.Errorf("%d addresses kept", n)
	}
}

func TestStreamIDs(t *testing.T) {
	r := newRig(t, &askApp{}, func(c *Config) { c.Limits.Streams = 3 })
	c := r.connected("/live", 3)
	for _, want := range []string{"_result 2 1", "_result 2 2", "_result 2 3"} {
		c.command(c.control, "createStream", 2)
		c.expect(0, want)
	}
	c.command(c.control, "createStream", 2)
	c.expect(0, "_error 2 [error NetConnection.Call.Failed: Too many streams]")
	c.command(c.control, "deleteStream", 0, amf.Number(2))
	c.command(c.control, "deleteStream", 0, amf.Number(99))
	c.command(c.control, "deleteStream", 0, amf.String("x"))
	c.command(c.control, "deleteStream", 0, amf.Number(-1))
	c.expect(0)
	// The shortest form: no transaction, no null. It is answered all the same.
	c.write(c.control, typeCommand, 0, values(amf.String("createStream")))
	c.expect(0, "_result 0 2")
	c.strict.called = true
	c.command(c.control, "deleteStream", 8, amf.Number(2))
	c.expect(0, "_result 8 undefined")
	if r.shard.counters.StreamsRefused.Load() != 1 {
		t.Error("not counted")
	}
}

func TestSilentCommands(t *testing.T) {
	r := newRig(t, &askApp{})
	c := r.connected("/live", 0)
	c.strict.called = true
	for _, name := range []string{"releaseStream", "FCPublish", "FCUnpublish", "FCSubscribe", "_checkbw", "initStream"} {
		c.command(c.control, name, 0, amf.String("cam"))
		c.expect(0)
		c.command(c.control, name, 3, amf.String("cam"))
		c.expect(0, "_result 3 undefined")
	}
	c.command(c.control, "getStreamLength", 3, amf.String("cam"))
	c.expect(0, "_result 3 0")
	c.command(c.control, "unknown", 0)
	c.command(c.control, "_result", 3, amf.Null{})
	c.expect(0)
}

// Types 17 and 20, with and without the command object, with AMF3 inside.
func TestCommandForms(t *testing.T) {
	var got []string
	app := &askApp{call: func(now rtmfp.Time, r *CallRequest) {
		parts := []string{r.Name}
		for _, v := range r.Args {
			parts = append(parts, show(v))
		}
		got = append(got, strings.Join(parts, " "))
		r.Result(now)
	}}
	r := newRig(t, app)
	c := r.connected("/live", 3)
	amf3 := "\x11\x06\x03b"
	for _, m := range []struct {
		typ  uint8
		body string
	}{
		{typeCommand, string(values(amf.String("f"), amf.Number(0), amf.Null{}, amf.String("a"))) + amf3},
		{typeCommandAMF3, "\x00" + string(values(amf.String("f"), amf.Number(0), amf.Null{}, amf.String("a"))) + amf3},
		{typeCommand, string(values(amf.String("f"), amf.Number(0), amf.String("a"))) + amf3},
		{typeCommand, string(values(amf.String("f"), amf.Number(0), amf.Undefined{}, amf.String("a"))) + amf3},
		{typeCommand, string(values(amf.String("f"), amf.Number(0), amf.NewObject(), amf.String("a"))) + amf3},
		{typeCommand, "\x11\x06\x03f" + string(values(amf.Number(0), amf.Null{}, amf.String("a"))) + amf3},
	} {
		got = nil
		c.write(c.control, m.typ, 0, []byte(m.body))
		r.run()
		if len(got) != 1 || got[0] != `f "a" "b"` {
			t.Errorf("%d %q: %q", m.typ, m.body, got)
		}
	}
	// Reading stops at what cannot be read; the arguments before it are kept.
	got = nil
	c.write(c.control, typeCommand, 0, append(values(amf.String("f"), amf.Number(0), amf.Null{}, amf.String("a")), 0x0d, 0x05))
	c.write(c.control, typeCommandAMF3, 0, []byte("\x01"))
	c.write(c.control, typeCommandAMF3, 0, nil)
	c.write(c.control, typeCommand, 0, values(amf.Number(1)))
	r.run()
	if len(got) != 1 || got[0] != `f "a"` {
		t.Errorf("%q", got)
	}
	if n := r.shard.counters.BadMessages.Load(); n != 4 {
		t.Errorf("%d bad messages counted", n)
	}
}

func TestConnectForms(t *testing.T) {
	object := func(kv ...any) *amf.Object {
		o := amf.NewObject()
		for i := 0; i < len(kv); i += 2 {
			o.Add(kv[i].(string), kv[i+1].(amf.Value))
		}
		return o
	}
	str := func(s string) amf.Value { return amf.String(s) }
	for _, tc := range []struct {
		o           *amf.Object
		path, query string
		encoding    uint8
		refused     bool
	}{
		{o: object("app", str("a/b?x=1"), "tcUrl", str("rtmfp://h/c?y=2")), path: "/c", query: "y=2"},
		{o: object("app", str("a/b?x=1")), path: "/a/b", query: "x=1"},
		{o: object("app", str("a"), "tcUrl", str("")), path: "/a"},
		{o: object("app", str("live"), "tcUrl", str("rtmfp://h")), path: ""},
		{o: object("tcUrl", str("rtmfp://h/%2e%2e/%2E%2e/a%2fb"), "objectEncoding", amf.Number(3)), path: "/a/b", encoding: 3},
		{o: object("tcUrl", str("rtmfp://h/x"), "objectEncoding", amf.Number(2)), path: "/x"},
		{o: object("swfUrl", amf.Undefined{}), refused: true},
	} {
		r := newRig(t, &askApp{})
		c := r.client()
		c.write(c.open(0), typeCommand, 0, values(str("connect"), amf.Number(1), tc.o))
		r.run()
		if tc.refused {
			c.expect(0, "_error 1 [error NetConnection.Connect.Failed: Neither tcUrl nor app in connect]", "close 0")
			continue
		}
		if c.conn.Path() != tc.path || c.conn.Query() != tc.query || c.conn.Encoding() != tc.encoding {
			t.Errorf("%s: %q %q %d", show(tc.o), c.conn.Path(), c.conn.Query(), c.conn.Encoding())
		}
	}
}

func TestConnectArguments(t *testing.T) {
	var got *ConnectRequest
	app := &askApp{connect: func(now rtmfp.Time, r *ConnectRequest) { got = r; r.Accept(now) }}
	r := newRig(t, app)
	c := r.client()
	c.connect("/live?app=mine&token=a%20b+c&flag", 3, amf.String("user"), amf.Null{}, amf.Number(3))
	r.run()
	if len(got.Args) != 3 || got.Args[0] != amf.String("user") || got.Args[1] != (amf.Null{}) {
		t.Errorf("arguments %v", got.Args)
	}
	props := map[string]string{}
	for _, p := range c.conn.Properties() {
		props[p.Name] = p.Value
	}
	for name, want := range map[string]string{
		"app": "mine", "token": "a b c", "flag": "", "objectEncoding": "3",
		"tcUrl": "rtmfp://localhost/live?app=mine&token=a%20b+c&flag",
	} {
		if v, ok := props[name]; !ok || v != want {
			t.Errorf("property %s = %q", name, v)
		}
	}
	if c.conn.ID() != peerID(1).String() || c.conn.Protocol() != "RTMFP" || c.conn.Addr() != netip.MustParseAddrPort("192.0.2.1:50000") {
		t.Error("id, protocol or address")
	}
}

func TestMisuse(t *testing.T) {
	r := newRig(t, &askApp{})
	c := r.client()
	c.command(c.open(0), "createStream", 1)
	c.expect(0, "_error 1 [error NetConnection.Connect.Failed: Command before connect]", "close 0")
	r.advance(time.Second)
	if c.closed == nil {
		t.Error("still open")
	}

	c = r.connected("/live", 0)
	o := amf.NewObject().Add("tcUrl", amf.String("rtmfp://h/other"))
	c.write(c.control, typeCommand, 0, values(amf.String("connect"), amf.Number(2), o))
	c.expect(0, "_error 2 [error NetConnection.Connect.Failed: Connected already]")
	if !c.conn.Connected() || c.conn.Path() != "/live" {
		t.Error("a second connect must change nothing")
	}
}

func TestUserControl(t *testing.T) {
	r := newRig(t, &askApp{})
	c := r.connected("/live", 0)
	id, f := c.stream()
	send := func(f *pipeSend, u userControl) { c.writeRaw(f, appendUserControl(nil, u)) }
	send(c.control, userControl{eventBufferLength, id, 3000, 2})
	send(c.control, userControl{eventPingRequest, 77, 0, 1})
	c.expect(0, "control 7 77 0")
	if c.conn.Stream(id).BufferTime() != 3000 {
		t.Error("buffer length")
	}
	send(f, userControl{eventBufferLength, id, 500, 2})
	send(f, userControl{eventBufferLength, 99, 500, 2})
	send(f, userControl{31, 1, 0, 1})
	send(f, userControl{eventFlowSync, 1, 0, 1})
	c.writeRaw(f, []byte{4, 0, 0, 0, 0, 9})
	c.writeRaw(f, []byte{4})
	c.writeRaw(f, nil)
	for typ := range 256 {
		if typ != typeUserControl {
			c.writeRaw(f, []byte{byte(typ), 0, 0, 0, 0})
		}
	}
	c.expect(id)
	if c.conn.Stream(id).BufferTime() != 500 || !c.conn.Connected() {
		t.Error("buffer length, or closed")
	}
}

func TestInvoke(t *testing.T) {
	r := newRig(t, &askApp{})
	c := r.connected("/live", 0)
	c.strict.called = true
	c.conn.Invoke(r.now, "f", amf.String("a"), nil, &amf.ByteArray{Data: []byte{1}})
	c.conn.Invoke(r.now, "")
	loop := amf.NewObject()
	loop.Add("self", loop)
	c.conn.Invoke(r.now, "g", loop, amf.Number(1)) // what has no form is null
	c.expect(0, `f 0 "a" null bytes(01)`, "onMessage 0", "g 0 null 1")
}
