package netconn

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

const success = "[status NetConnection.Connect.Success: Connection succeeded]"

func TestConnectAccepted(t *testing.T) {
	for _, encoding := range []int{0, 3} {
		r := newRig(t, &askApp{})
		c := r.client()
		c.connect("/live?x=1", encoding)
		r.run()
		cmd := c.oneCommand(0)
		if n, _ := cmd.args[0].(*amf.Object).Number("objectEncoding"); int(n) != encoding {
			t.Errorf("objectEncoding %v, want %d", n, encoding)
		}
		names := ""
		for _, m := range cmd.args[0].(*amf.Object).Members {
			names += m.Name + " "
		}
		if names != "level code description objectEncoding " {
			t.Errorf("members %s", names)
		}
		c.expect(0, "_result 1 "+success)
		if c.conn.Path() != "/live" || c.conn.Query() != "x=1" || int(c.conn.Encoding()) != encoding {
			t.Errorf("path %q query %q encoding %d", c.conn.Path(), c.conn.Query(), c.conn.Encoding())
		}
	}
}

func TestConnectFields(t *testing.T) {
	app := &askApp{connect: func(now rtmfp.Time, r *ConnectRequest) {
		r.Conn().Invoke(now, "hello", amf.String("x"))
		r.Accept(now, amf.Member{Name: "extra", Value: amf.Number(7)}, amf.Member{Name: "code", Value: amf.String("Mine")})
	}}
	r := newRig(t, app)
	c := r.client()
	c.strict.called = true
	c.connect("/live", 0)
	r.run()
	o := c.oneCommand(0).args[0]
	if got := show(o); got != `{level:"status" code:"Mine" description:"Connection succeeded" objectEncoding:0 extra:7}` {
		t.Error(got)
	}
	c.expect(0, "_result 1 [status Mine: Connection succeeded]", `hello 0 "x"`)
}

// refused checks that the client got an error, then close, and that flows and session end.
func refused(t *testing.T, c *rawClient, errorText string) {
	t.Helper()
	c.expect(0, errorText, "close 0")
	c.rig.advance(time.Second)
	if c.closed != rtmfp.ErrPeerClosed || len(c.ended) != 1 || len(c.rejected) != 1 {
		t.Errorf("session ended with %v, %d flows ended, %d rejected", c.closed, len(c.ended), len(c.rejected))
	}
	if c.rig.shard.Len() != 0 || c.rig.shard.cfg.Registry.Len() != 0 {
		t.Error("the client is still known")
	}
}

func TestConnectRefused(t *testing.T) {
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "live"), 0o755); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, NewFolders(root))
	c := r.client()
	c.connect("/nowhere/x", 0)
	refused(t, c, "_error 1 [error NetConnection.Connect.InvalidApp: Application /nowhere/x doesn't exist]")

	app := &askApp{connect: func(now rtmfp.Time, r *ConnectRequest) {
		r.Conn().Invoke(now, "never", amf.String("seen"))
		r.Reject(now, CodeConnectRejected, "www/main.lua:42: www.hostB.com")
	}}
	r = newRig(t, app)
	c = r.client()
	c.connect("/live", 3)
	refused(t, c, "_error 1 [error NetConnection.Connect.Rejected: www/main.lua:42: www.hostB.com]")
	if len(app.log) != 0 {
		t.Errorf("application heard %q of a client it refused", app.log)
	}
}

func TestConnectDuplicate(t *testing.T) {
	r := newRig(t, &askApp{})
	first := r.clientWithID(peerID(7))
	first.connect("/live", 0)
	r.run()
	first.got = nil
	second := r.clientWithID(peerID(7))
	second.connect("/live", 0)
	r.run()
	second.expect(0, "_error 1 [error NetConnection.Connect.Failed: Client "+peerID(7).String()+" exists already]", "close 0")
	if !first.conn.Connected() || first.closed != nil {
		t.Error("the first client must stay")
	}
	if r.shard.counters.Duplicates.Load() != 1 {
		t.Error("not counted")
	}
}

func TestCallStatus(t *testing.T) {
	app := &askApp{}
	r := newRig(t, app)
	c := r.connected("/live/sub", 0)
	c.strict.called = true
	c.command(c.control, "nothing", 5, amf.String("x"))
	c.expect(0, "_error 5 [error NetConnection.Call.Failed: Method client 'nothing' not found in application /live/sub]")

	app.call = func(now rtmfp.Time, r *CallRequest) { r.Error(now, "www/main.lua:3: bad") }
	c.command(c.control, "fails", 6)
	c.expect(0, "_error 6 [error NetConnection.Call.Failed: www/main.lua:3: bad]")
}

func TestCallResults(t *testing.T) {
	var results []amf.Value
	app := &askApp{call: func(now rtmfp.Time, r *CallRequest) { r.Result(now, results...) }}
	r := newRig(t, app)
	c := r.connected("/live", 0)
	c.strict.called = true
	for _, tc := range []struct {
		results []amf.Value
		want    []string
	}{
		{nil, nil}, // no value: no answer
		{[]amf.Value{nil}, []string{"_result 5 null"}},
		{[]amf.Value{amf.Null{}, amf.Null{}}, []string{"_result 5 null null"}},
		{[]amf.Value{amf.Number(1.5), amf.String("a"), amf.Bool(true)}, []string{`_result 5 1.5 "a" true`}},
	} {
		results = tc.results
		c.command(c.control, "f", 5)
		c.expect(0, tc.want...)
		c.command(c.control, "f", 0) // nobody waits
		c.expect(0)
	}
}

func TestCallEncoding(t *testing.T) {
	app := &askApp{call: func(now rtmfp.Time, r *CallRequest) { r.Result(now, r.Args...) }}
	for encoding, want := range map[int]string{0: "\x02\x00\x01a", 3: "\x11\x06\x03a"} {
		r := newRig(t, app)
		c := r.connected("/live", encoding)
		c.strict.called = true
		c.command(c.control, "echo", 5, amf.String("a"))
		r.run()
		p := c.got[0].payload
		if string(p[len(p)-len(want):]) != want || c.got[0].typ != typeCommand {
			t.Errorf("encoding %d: type %d, %x", encoding, c.got[0].typ, p)
		}
	}
}

func TestPublishStatus(t *testing.T) {
	app := &askApp{}
	r := newRig(t, app)
	c := r.connected("/live", 0)
	id, f := c.stream()

	c.command(f, "publish", 0, amf.String("cam?key=1"), amf.String("record"))
	c.expect(id, "onStatus 0 [status NetStream.Publish.Start: cam is now published]")
	if p := r.hub.Lookup("cam"); p == nil || p.App() != "/live" {
		t.Error("not published")
	}
	if s := c.conn.Stream(id); s.Name() != "cam" || s.Query() != "key=1" {
		t.Errorf("name %q query %q", s.Name(), s.Query())
	}

	// A second publish on the same stream ends the first one.
	c.command(f, "publish", 0, amf.String("cam2"))
	c.expect(id, "onStatus 0 [status NetStream.Unpublish.Success: cam is now unpublished]",
		"onStatus 0 [status NetStream.Publish.Start: cam2 is now published]")

	c.command(f, "closeStream", 0)
	c.expect(id, "onStatus 0 [status NetStream.Unpublish.Success: cam2 is now unpublished]")
	c.command(f, "publish", 0, amf.String("cam3"))
	c.command(f, "publish", 0, amf.Bool(false))
	c.expect(id, "onStatus 0 [status NetStream.Publish.Start: cam3 is now published]",
		"onStatus 0 [status NetStream.Unpublish.Success: cam3 is now unpublished]")
	if r.hub.Stats().Publications != 0 {
		t.Error("still published")
	}

	app.publish = func(now rtmfp.Time, r *PublishRequest) { r.Reject(now, "www/main.lua:9: no") }
	c.command(f, "publish", 0, amf.String("cam"))
	c.expect(id, "onStatus 0 [error NetStream.Publish.BadName: www/main.lua:9: no]")
	app.publish = func(now rtmfp.Time, r *PublishRequest) { r.Reject(now, "") }
	c.command(f, "publish", 0, amf.String("cam"))
	c.expect(id, "onStatus 0 [error NetStream.Publish.BadName: Not allowed to publish cam]")
}

func TestPublishInUse(t *testing.T) {
	app := &askApp{}
	r := newRig(t, app)
	a, b := r.connected("/live", 0), r.connected("/other", 0)
	_, fa := a.stream()
	idb, fb := b.stream()
	a.command(fa, "publish", 0, amf.String("cam"))
	r.run()
	app.log = nil
	b.command(fb, "publish", 0, amf.String("cam"))
	b.expect(idb, "onStatus 0 [error NetStream.Publish.BadName: cam is already publishing]")
	if len(app.log) != 0 {
		t.Errorf("the application was asked: %q", app.log)
	}
	// The end of the flows of the stream ends the publication.
	fa.Close(r.now)
	a.expect(1, "onStatus 0 [status NetStream.Publish.Start: cam is now published]",
		"onStatus 0 [status NetStream.Unpublish.Success: cam is now unpublished]")
	b.command(fb, "publish", 0, amf.String("cam"))
	b.expect(idb, "onStatus 0 [status NetStream.Publish.Start: cam is now published]")
	if b.conn.Stream(idb).Publication() == nil {
		t.Error("no publication")
	}
}

func TestPublishRace(t *testing.T) {
	var waiting []*PublishRequest
	app := &askApp{publish: func(_ rtmfp.Time, r *PublishRequest) { waiting = append(waiting, r) }}
	r := newRig(t, app)
	a, b := r.connected("/live", 0), r.connected("/live", 0)
	_, fa := a.stream()
	_, fb := b.stream()
	a.command(fa, "publish", 0, amf.String("cam"))
	b.command(fb, "publish", 0, amf.String("cam"))
	r.run()
	if !waiting[1].Accept(r.now) || waiting[0].Accept(r.now) || waiting[0].Accept(r.now) {
		t.Error("only the first answer wins")
	}
	a.expect(1, "onStatus 0 [error NetStream.Publish.BadName: cam is already publishing]")
	b.expect(1, "onStatus 0 [status NetStream.Publish.Start: cam is now published]")
}

func TestPlayStatus(t *testing.T) {
	app := &askApp{}
	r := newRig(t, app)
	c := r.connected("/live", 0)
	id, f := c.stream()
	c.command(f, "play", 0, amf.String("cam?unbuffered=true"), amf.Number(-1))
	c.expect(0, "begin 1")
	c.expect(id,
		"onStatus 0 [status NetStream.Play.Reset: Playing and resetting cam]",
		"onStatus 0 [status NetStream.Play.Start: Started playing cam]",
		`data18 "|RtmpSampleAccess" true true`)

	// Another stream of the same client.
	app.log = nil
	id2, f2 := c.stream()
	c.command(f2, "play", 0, amf.String("cam"))
	c.expect(id2, "onStatus 0 [error NetStream.Play.Failed: Already subscribed to cam]")
	if len(app.log) != 0 {
		t.Errorf("the application was asked: %q", app.log)
	}

	// The publisher comes and goes.
	p := r.connected("/live", 0)
	_, fp := p.stream()
	p.command(fp, "publish", 0, amf.String("cam"))
	c.expect(id, "onStatus 0 [status NetStream.Play.PublishNotify: cam is now published]")
	p.command(fp, "closeStream", 0)
	c.expect(id, "onStatus 0 [status NetStream.Play.UnpublishNotify: cam is now unpublished]")

	// Another play on the same stream, then the end.
	c.command(f, "play", 0, amf.String("cam2"))
	c.expect(0, "eof 1", "begin 1")
	c.expect(id,
		"onStatus 0 [status NetStream.Play.Stop: Stopped playing cam]",
		"onStatus 0 [status NetStream.Play.Reset: Playing and resetting cam2]",
		"onStatus 0 [status NetStream.Play.Start: Started playing cam2]",
		`data18 "|RtmpSampleAccess" true true`)
	c.command(f, "closeStream", 0)
	c.expect(id, "onStatus 0 [status NetStream.Play.Stop: Stopped playing cam2]")
	c.expect(0, "eof 1")

	app.play = func(now rtmfp.Time, r *PlayRequest) { r.Reject(now, "www/main.lua:1: not you") }
	c.command(f, "play", 0, amf.String("cam"))
	c.expect(id, "onStatus 0 [error NetStream.Play.Failed: www/main.lua:1: not you]")
	app.play = func(now rtmfp.Time, r *PlayRequest) { r.Reject(now, "") }
	c.command(f, "play", 0, amf.String("cam"))
	c.expect(id, "onStatus 0 [error NetStream.Play.Failed: Not authorized to play cam]")
	if r.shard.media.Listeners() != 0 {
		t.Error("listeners left")
	}
}

func TestPlayLateJoin(t *testing.T) {
	r := newRig(t, &askApp{})
	p := r.connected("/live", 0)
	_, fp := p.stream()
	p.command(fp, "publish", 0, amf.String("cam"))
	r.run()
	c := r.connected("/live", 0)
	id, f := c.stream()
	c.command(f, "play", 0, amf.String("cam"))
	c.expect(id,
		"onStatus 0 [status NetStream.Play.Reset: Playing and resetting cam]",
		"onStatus 0 [status NetStream.Play.Start: Started playing cam]",
		`data18 "|RtmpSampleAccess" true true`,
		"onStatus 0 [status NetStream.Play.PublishNotify: cam is now published]")
}

func TestStreamControlPlacement(t *testing.T) {
	r := newRig(t, &askApp{}, func(c *Config) { c.StreamControlOnStream = true })
	c := r.connected("/live", 0)
	id, f := c.stream()
	c.command(f, "play", 0, amf.String("cam"))
	c.command(f, "closeStream", 0)
	c.expect(0)
	c.expect(id, "begin 1",
		"onStatus 0 [status NetStream.Play.Reset: Playing and resetting cam]",
		"onStatus 0 [status NetStream.Play.Start: Started playing cam]",
		`data18 "|RtmpSampleAccess" true true`,
		"onStatus 0 [status NetStream.Play.Stop: Stopped playing cam]", "eof 1")
}

func TestSeekAndPause(t *testing.T) {
	r := newRig(t, &askApp{})
	c := r.connected("/live", 0)
	id, f := c.stream()
	for _, name := range []string{"seek", "pause", "receiveAudio", "receiveVideo", "unheardOf"} {
		c.command(f, name, 0, amf.Bool(true)) // nothing plays: nothing happens
	}
	c.expect(id)
	c.command(f, "play", 0, amf.String("cam"))
	r.run()
	c.got = nil
	c.command(f, "seek", 0, amf.Number(1000))
	c.expect(0, "begin 1")
	c.expect(id)
	c.command(f, "seek", 0, amf.String("x"))
	c.command(f, "seek", 0)
	c.expect(id, "onStatus 0 [error NetStream.Seek.InvalidTime: Seek needs a time in milliseconds]",
		"onStatus 0 [error NetStream.Seek.InvalidTime: Seek needs a time in milliseconds]")
	c.command(f, "pause", 0, amf.Bool(true), amf.Number(10))
	c.expect(0)
	c.command(f, "pause", 0, amf.Bool(false), amf.Number(10))
	c.expect(0, "begin 1")
	c.expect(id)
}

func TestInfoNamesStream(t *testing.T) {
	r := newRig(t, &askApp{})
	c := r.connected("/live", 3)
	_, f := c.stream()
	c.command(f, "publish", 0, amf.String("cam"))
	r.run()
	want := `{level:"status" code:"NetStream.Publish.Start" description:"cam is now published" details:"cam" detail:"cam"}`
	if got := show(c.oneCommand(1).args[0]); got != want {
		t.Error(got)
	}
}
