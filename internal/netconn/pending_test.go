package netconn

import (
	"fmt"
	"testing"
	"time"

	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// While the application thinks about a connect, everything else of the client waits in order.
func TestConnectPending(t *testing.T) {
	var pending *ConnectRequest
	var calls []string
	app := &askApp{
		connect: func(_ rtmfp.Time, r *ConnectRequest) { pending = r },
		call: func(now rtmfp.Time, r *CallRequest) {
			calls = append(calls, r.Name)
			r.Result(now, amf.String(r.Name))
		},
	}
	r := newRig(t, app)
	c := r.client()
	c.strict.called = true
	c.connect("/live", 0)
	c.command(c.control, "a", 2)
	c.command(c.control, "createStream", 3)
	c.command(c.control, "b", 4)
	c.expect(0)
	if len(calls) != 0 || !pending.Pending() {
		t.Fatal("the client was served before the answer")
	}
	// The answer comes from another goroutine, as a task.
	r.shard.HandlePost(r.now, Task{To: pending.Handle(), Do: func(now rtmfp.Time, c *Conn) { pending.Accept(now) }})
	c.expect(0, "_result 1 "+success, `_result 2 "a"`, "_result 3 1", `_result 4 "b"`)
	if pending.Pending() || pending.Accept(r.now) {
		t.Error("answered twice")
	}
}

func TestConnectPendingBounded(t *testing.T) {
	r := newRig(t, &askApp{connect: func(rtmfp.Time, *ConnectRequest) {}}, func(c *Config) { c.Limits.HeldBytes = 10_000 })
	c := r.client()
	c.connect("/live", 0)
	for range 1000 {
		c.command(c.control, "flood", 1)
	}
	c.expect(0, "_error 1 [error NetConnection.Connect.Failed: Too many messages before the answer to connect]", "close 0")
	r.advance(time.Second)
	if c.conn.heldBytes != 0 || r.shard.Len() != 0 {
		t.Errorf("%d bytes held, %d clients", c.conn.heldBytes, r.shard.Len())
	}
}

func TestLateAnswerForVanishedClient(t *testing.T) {
	var pending *ConnectRequest
	app := &askApp{connect: func(_ rtmfp.Time, r *ConnectRequest) { pending = r }}
	r := newRig(t, app)
	c := r.client()
	c.connect("/live", 0)
	r.run()
	c.near.Close(r.now)
	r.run()
	ran := false
	r.shard.HandlePost(r.now, Task{To: pending.Handle(), Do: func(rtmfp.Time, *Conn) { ran = true }})
	if ran || pending.Accept(r.now) || r.shard.counters.LateAnswers.Load() != 1 {
		t.Error("a late answer must be dropped")
	}
	pending.Reject(r.now, CodeConnectRejected, "x")
	if len(app.log) != 0 {
		t.Errorf("%q", app.log)
	}
	// Handles are not used again.
	c2 := r.client()
	if c2.conn.Handle() == pending.Handle() {
		t.Error("handle used again")
	}
}

func TestForgottenAnswers(t *testing.T) {
	app := &askApp{connect: func(rtmfp.Time, *ConnectRequest) {}}
	r := newRig(t, app)
	c := r.client()
	c.connect("/live", 0)
	r.advance(14 * time.Second)
	c.expect(0)
	r.advance(2 * time.Second)
	c.expect(0, "_error 1 [error NetConnection.Connect.Failed: No answer from the application]", "close 0")

	app.connect = nil
	app.call = func(rtmfp.Time, *CallRequest) {}
	app.publish = func(rtmfp.Time, *PublishRequest) {}
	app.play = func(rtmfp.Time, *PlayRequest) {}
	c = r.connected("/live", 0)
	_, f := c.stream()
	_, g := c.stream()
	c.command(c.control, "f", 7)
	r.advance(5 * time.Second)
	c.command(f, "publish", 0, amf.String("cam"))
	c.command(g, "play", 0, amf.String("cam"))
	r.advance(11 * time.Second)
	c.expect(0, "_error 7 [error NetConnection.Call.Failed: No answer from the application]")
	c.expect(1)
	r.advance(5 * time.Second)
	c.expect(1, "onStatus 0 [error NetStream.Publish.BadName: No answer from the application]")
	c.expect(2, "onStatus 0 [error NetStream.Play.Failed: No answer from the application]")
	if r.shard.counters.CallsExpired.Load() != 1 || len(c.conn.calls) != 0 {
		t.Error("call not forgotten")
	}
}

func TestCallsInFlight(t *testing.T) {
	var pending []*CallRequest
	app := &askApp{call: func(_ rtmfp.Time, r *CallRequest) { pending = append(pending, r) }}
	r := newRig(t, app, func(c *Config) { c.Limits.Calls = 2 })
	c := r.connected("/live", 0)
	c.strict.called = true
	for i := range 3 {
		c.command(c.control, "f", float64(i+1))
	}
	c.expect(0, "_error 3 [error NetConnection.Call.Failed: Too many calls in flight]")
	pending[1].Result(r.now, amf.Number(2)) // in any order
	pending[1].Result(r.now, amf.Number(3))
	pending[0].Error(r.now, "sorry")
	c.expect(0, "_result 2 2", "_error 1 [error NetConnection.Call.Failed: sorry]")
	c.command(c.control, "f", 4)
	c.expect(0)
	c.near.Close(r.now)
	r.run()
	pending[2].Result(r.now, amf.Number(4)) // the client is gone
}

func TestCallBytesInFlight(t *testing.T) {
	r := newRig(t, &askApp{call: func(rtmfp.Time, *CallRequest) {}}, func(c *Config) { c.Limits.CallBytes = 2500 })
	c := r.connected("/live", 0)
	for i := range 3 {
		c.command(c.control, "f", float64(i+1), amf.String(make([]byte, 1000)))
	}
	c.expect(0, "_error 3 [error NetConnection.Call.Failed: Too many calls in flight]")
	if r.shard.counters.CallsRefused.Load() != 1 {
		t.Error("not counted")
	}
}

// Frames that overtake the application's answer are not lost, nor do they overtake each other.
func TestPublishPending(t *testing.T) {
	var pending *PublishRequest
	app := &askApp{publish: func(_ rtmfp.Time, r *PublishRequest) { pending = r }}
	r := newRig(t, app)
	player, c := r.connected("/live", 0), r.connected("/live", 0)
	pid, pf := player.stream()
	player.command(pf, "play", 0, amf.String("cam"))
	id, f := c.stream()
	video := c.open(id)
	c.command(f, "publish", 0, amf.String("cam"))
	c.write(video, typeVideo, 0, keyFrame)
	c.write(f, typeAudio, 10, soundFrame)
	c.write(video, typeVideo, 40, interFrame)
	r.run()
	player.got = nil
	player.expect(pid)
	pending.Accept(r.now)
	player.expect(pid, "onStatus 0 [status NetStream.Play.PublishNotify: cam is now published]",
		"video 0 1701000000aa", "audio 10 af01cc", "video 40 2701000000bb")

	// What waits behind a request that is void is void as well.
	c.command(f, "publish", 0, amf.String("cam2"))
	c.command(f, "closeStream", 0)
	r.run()
	c.command(c.control, "deleteStream", 0, amf.Number(id))
	r.run()
	if pending.Accept(r.now) || c.conn.heldBytes != 0 || r.hub.Stats().Publications != 0 {
		t.Error("a void request took effect")
	}
}

func TestPlayPendingOrder(t *testing.T) {
	var pending *PlayRequest
	app := &askApp{play: func(_ rtmfp.Time, r *PlayRequest) { pending = r }}
	r := newRig(t, app)
	c := r.connected("/live", 0)
	id, f := c.stream()
	c.command(f, "play", 0, amf.String("cam"), amf.Number(-1))
	c.command(f, "closeStream", 0)
	r.run()
	if pending.Start != -1 || pending.Stream.ID() != id || pending.Conn() != c.conn {
		t.Errorf("%+v", pending)
	}
	c.expect(id)
	pending.Accept(r.now)
	c.expect(id,
		"onStatus 0 [status NetStream.Play.Reset: Playing and resetting cam]",
		"onStatus 0 [status NetStream.Play.Start: Started playing cam]",
		`data18 "|RtmpSampleAccess" true true`,
		"onStatus 0 [status NetStream.Play.Stop: Stopped playing cam]")
	if got := fmt.Sprint(app.log); got != "[play cam stopped cam]" {
		t.Error(got)
	}
}

func TestNeverConnects(t *testing.T) {
	r := newRig(t, &askApp{})
	c := r.client()
	c.writeRaw(c.open(0), nil)
	r.advance(29 * time.Second)
	c.expect(0)
	r.advance(2 * time.Second)
	c.expect(0, "_error 0 [error NetConnection.Connect.Failed: No connect received]", "close 0")
	if r.shard.Len() != 0 {
		t.Error("still there")
	}
}

func TestOversizeMessages(t *testing.T) {
	r := newRelay(t, 0, func(c *Config) { c.Limits.CommandSize, c.Limits.DataSize = 1000, 2000 })
	r.pub.command(r.pub.control, "f", 1, amf.String(make([]byte, 1000)))
	r.pub.expect(0)
	r.pub.write(r.in, typeData, 0, values(amf.String("a"), amf.String(make([]byte, 2000))))
	r.play.expect(r.playID)
	if n := r.shard.counters.OversizeMessage.Load(); n != 2 || !r.pub.conn.Connected() {
		t.Errorf("%d counted", n)
	}
}

func TestPosts(t *testing.T) {
	r := newRig(t, &askApp{})
	ran := false
	r.shard.HandlePost(r.now, func(rtmfp.Time) { ran = true })
	r.shard.HandlePost(r.now, 42) // logged
	if !ran {
		t.Error("function not run")
	}
}
