package netconn

import (
	"fmt"
	"testing"
	"time"

	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// A client that leaves closes its control flow, and may have refused ours before: its last frames, on
// other flows, arrive all the same.
func TestLastFramesOfLeavingPublisher(t *testing.T) {
	for _, how := range []string{"reject first", "finish", "delete stream"} {
		t.Run(how, func(t *testing.T) {
			r := newRelay(t, 0)
			video := r.pub.open(r.pubID)
			r.pub.write(video, typeVideo, 0, keyFrame)
			r.run()
			r.play.got = nil
			switch how {
			case "reject first":
				r.pub.peer.Reject(r.now, 0)
				r.run()
				fallthrough
			case "finish":
				r.pub.control.Close(r.now)
			case "delete stream":
				r.pub.command(r.pub.control, "deleteStream", 0, amf.Number(r.pubID))
			}
			r.advance(time.Second)
			r.pub.write(video, typeVideo, 40, interFrame)
			r.in.Close(r.now)
			video.Close(r.now)
			r.play.expect(r.playID, "video 40 2701000000bb", "sync of 2", "sync of 2",
				"onStatus 0 [status NetStream.Play.UnpublishNotify: cam is now unpublished]", "sync of 2", "sync of 2")
			r.advance(time.Second)
			if how == "delete stream" {
				if r.pub.conn.Stream(r.pubID) != nil || r.pub.closed != nil {
					t.Error("stream left, or connection closed")
				}
			} else if r.pub.closed == nil || r.shard.Len() != 1 {
				t.Error("the connection is still there")
			}
		})
	}
}

// One who never finishes its flows is not waited for longer than a moment.
func TestLeavingPublisherTimeout(t *testing.T) {
	r := newRelay(t, 0)
	r.pub.control.Close(r.now)
	r.advance(1900 * time.Millisecond)
	if r.pub.closed != nil {
		t.Error("closed too early")
	}
	r.advance(400 * time.Millisecond)
	if r.pub.closed == nil {
		t.Error("not closed")
	}

	r = newRelay(t, 0)
	r.pub.command(r.pub.control, "deleteStream", 0, amf.Number(r.pubID))
	r.advance(1900 * time.Millisecond)
	if r.hub.Stats().Publications != 1 {
		t.Error("deleted too early")
	}
	r.advance(200 * time.Millisecond)
	if r.hub.Stats().Publications != 0 || r.pub.conn.Stream(r.pubID) != nil || r.pub.closed != nil {
		t.Error("not deleted")
	}
}

// Everything a client did ends in order before it is gone, however the session ends.
func TestEndOrder(t *testing.T) {
	for _, how := range []string{"session", "control flow", "server"} {
		app := &askApp{}
		groups := &fakeGroups{log: &app.log}
		r := newRig(t, app, func(c *Config) { c.Groups = groups })
		c := r.connected("/live", 0)
		c.strict.called = how == "server"
		_, f := c.stream()
		_, g := c.stream()
		c.command(f, "publish", 0, amf.String("a"))
		c.command(g, "play", 0, amf.String("b"))
		c.join(1)
		r.run()
		app.log = nil
		c.got = nil
		want := "[leave 1 unpublished a stopped b closed "
		switch how {
		case "session":
			c.near.Close(r.now)
			want += rtmfp.ErrPeerClosed.Error() + "]"
		case "control flow":
			f.Close(r.now)
			c.control.Close(r.now)
			want = "[unpublished a leave 1 stopped b closed <nil>]"
		case "server":
			c.conn.Close(r.now, CodeConnectRejected, "go away")
			want += rtmfp.ErrClosed.Error() + "]"
		}
		r.advance(time.Second)
		if got := fmt.Sprint(app.log); got != want {
			t.Errorf("%s: %s, want %s", how, got, want)
		}
		if r.shard.Len() != 0 || r.shard.cfg.Registry.Len() != 0 || r.hub.Stats().Names != 0 || r.shard.counters.Connected.Load() != 0 {
			t.Errorf("%s: something is left", how)
		}
	}
}

func TestServerCloses(t *testing.T) {
	r := newRig(t, &askApp{})
	c := r.connected("/live", 0)
	c.strict.called = true // it is told why, which the strictest clients would not take
	c.conn.Close(r.now, CodeConnectRejected, "enough")
	c.expect(0, "onStatus 0 [status NetConnection.Connect.Rejected: enough]", "close 0")
	r.advance(time.Second)
	if c.closed == nil || len(c.rejected) != 1 {
		t.Error("not closed")
	}

	// Who connects with transaction 0 is such a client.
	c = r.client()
	c.write(c.open(0), typeCommand, 0, values(amf.String("connect"), amf.Number(0), amf.NewObject().Add("app", amf.String("x"))))
	r.run()
	c.got = nil
	c.conn.Close(r.now, CodeConnectRejected, "enough")
	c.expect(0, "close 0")
}

// The last words are waited for, but not for ever.
func TestLinger(t *testing.T) {
	r := newRig(t, &askApp{})
	c := r.connected("/live", 0)
	for _, f := range c.far.sends {
		f.stuck = true
	}
	c.far.rtt = 20 * time.Millisecond
	c.conn.Close(r.now, "", "")
	r.advance(1900 * time.Millisecond)
	if c.closed != nil {
		t.Error("closed before the end of the linger")
	}
	if len(c.rejected) != 0 {
		t.Error("the rejection overtakes the last words")
	}
	r.advance(400 * time.Millisecond)
	if c.closed == nil || len(c.rejected) != 1 {
		t.Error("not closed")
	}
}

func TestDrain(t *testing.T) {
	r := newRig(t, &askApp{})
	c := r.connected("/live", 0)
	c.strict.called = true
	waiting := r.client()
	r.shard.Drain(r.now)
	c.expect(0, "onStatus 0 [status NetConnection.Connect.AppShutdown: Server is shutting down]", "close 0")
	late := r.client()
	late.connect("/live", 0)
	late.expect(0, "_error 1 [error NetConnection.Connect.AppShutdown: Server is shutting down]", "close 0")
	r.advance(time.Second)
	if waiting.closed == nil || r.shard.Len() != 0 {
		t.Errorf("%d clients left", r.shard.Len())
	}
}

// A second client with the same id makes the first one prove that it is alive.
func TestProbe(t *testing.T) {
	app := &askApp{}
	r := newRig(t, app)
	dead := r.clientWithID(peerID(9))
	dead.connect("/live", 0)
	r.run()
	r.advance(time.Minute)
	dead.near.silent = true
	try := func() *rawClient {
		c := r.clientWithID(peerID(9))
		c.connect("/live", 0)
		r.run()
		return c
	}
	if c := try(); c.conn.Connected() {
		t.Fatal("two clients with one id")
	}
	r.advance(6 * time.Second)
	if dead.far.aborted == nil {
		t.Fatal("the dead client is still there")
	}
	c := try()
	if !c.conn.Connected() {
		t.Fatal("the place is not free")
	}
	try()
	r.advance(6 * time.Second)
	if !c.conn.Connected() || c.far.keepalive != rtmfp.DefaultKeepalive {
		t.Error("a live client was dropped, or is still probed")
	}
}

func TestAddressChange(t *testing.T) {
	app := &askApp{}
	r := newRig(t, app)
	c := r.connected("/live", 0)
	app.log = nil
	c.conn.moved(r.now, c.conn.Addr())
	if fmt.Sprint(app.log) != "[moved from 192.0.2.1:50000]" {
		t.Error(app.log)
	}
}
