package netconn

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// testClient is a Client that writes down what it hears.
type testClient struct {
	*Client
	rig *rig
	end *pipeEnd
	log []string
}

func (r *rig) newClient(cfg ClientConfig) *testClient {
	r.clients++
	c := &testClient{rig: r}
	near, far := r.connect(peerID(r.clients), peerID(0xffff))
	note := func(format string, args ...any) { c.log = append(c.log, fmt.Sprintf(format, args...)) }
	cfg.OnConnect = func(_ rtmfp.Time, in Info) { note("connected %s", in.Code) }
	cfg.OnStatus = func(_ rtmfp.Time, in Info) { note("status %s", in.Code) }
	cfg.OnCall = func(_ rtmfp.Time, name string, args []amf.Value) { note("call %s %d", name, len(args)) }
	cfg.OnClose = func(_ rtmfp.Time, err error) { note("closed %v", err) }
	c.Client = newClient(near, cfg)
	c.end = near
	near.party = c.Client
	far.party = r.shard.newConn(r.now, far)
	c.opened(r.now)
	r.run()
	return c
}

func (c *testClient) stream() *ClientStream {
	var out *ClientStream
	note := func(format string, args ...any) { c.log = append(c.log, fmt.Sprintf(format, args...)) }
	c.CreateStream(c.rig.now, StreamConfig{
		OnStatus: func(_ rtmfp.Time, in Info) { note("stream %s", in.Code) },
		OnFrame: func(_ rtmfp.Time, kind media.Kind, ts uint32, body *rtmfp.Buffer) {
			if kind == media.Data {
				r := amf.NewReader(body.Bytes(), amf.Limits{})
				name, _ := r.ReadString()
				note("data %s", name)
				return
			}
			note("%v %d %x", kind, ts, body.Bytes())
		},
	}, func(_ rtmfp.Time, s *ClientStream, err error) {
		if err != nil {
			note("no stream: %v", err)
		}
		out = s
	})
	c.rig.run()
	return out
}

func (c *testClient) heard(t *testing.T, want ...string) {
	t.Helper()
	c.rig.run()
	if diff := cmp.Diff(want, c.log); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	c.log = nil
}

func TestClientConnect(t *testing.T) {
	app := &askApp{call: func(now rtmfp.Time, r *CallRequest) {
		switch r.Name {
		case "add":
			r.Result(now, r.Args[0].(amf.Number)+r.Args[1].(amf.Number))
		case "callMe":
			r.Conn().Invoke(now, "hello", amf.String("x"))
			r.Result(now)
		default:
			r.NotFound(now)
		}
	}}
	r := newRig(t, app)
	for _, encoding := range []uint8{0, 3} {
		c := r.newClient(ClientConfig{
			URL: "rtmfp://h/live/x?k=v", ObjectEncoding: encoding, PeerAddresses: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.5:5")},
			Properties: []amf.Member{{Name: "flashVer", Value: amf.String("Mine")}}, Args: []amf.Value{amf.String("user")},
		})
		c.heard(t, "connected NetConnection.Connect.Success")
		conn := r.shard.cfg.Registry.Lookup(peerID(r.clients))
		if conn.Path() != "/live/x" || conn.Query() != "k=v" || conn.Encoding() != encoding || c.encoding != encoding {
			t.Errorf("path %q query %q encoding %d, client's %d", conn.Path(), conn.Query(), conn.Encoding(), c.encoding)
		}
		if fmt.Sprint(conn.PeerAddresses()) != "[192.0.2.5:5]" || c.end.keepalive != 15e9 {
			t.Error("setPeerInfo")
		}
		for _, p := range conn.Properties() {
			if (p.Name == "app" && p.Value != "live/x?k=v") || (p.Name == "flashVer" && p.Value != "Mine") {
				t.Errorf("%+v", p)
			}
		}
		var results []string
		note := func(_ rtmfp.Time, res Result) { results = append(results, fmt.Sprint(show(res.Value()), " ", res.Err)) }
		c.Call(r.now, "add", note, amf.Number(1), amf.Number(2))
		c.Call(r.now, "missing", note)
		c.Call(r.now, "callMe", nil)
		c.heard(t, "call hello 1")
		want := "[3 <nil> {level:\"error\" code:\"NetConnection.Call.Failed\" description:\"Method client 'missing' not found in application /live/x\"} " +
			"NetConnection.Call.Failed: Method client 'missing' not found in application /live/x]"
		if fmt.Sprint(results) != want {
			t.Errorf("%s", results)
		}
		results = nil
		c.Call(r.now, "callMe", note) // never answered
		r.run()
		c.Close(r.now)
		c.heard(t, "call hello 1", "closed <nil>")
		if len(results) != 1 || r.shard.Len() != 0 {
			t.Errorf("%v, %d clients", results, r.shard.Len())
		}
		c.Call(r.now, "late", func(_ rtmfp.Time, res Result) {
			if !errors.Is(res.Err, net.ErrClosed) {
				t.Error(res.Err)
			}
		})
	}
}

func TestClientRefused(t *testing.T) {
	r := newRig(t, NewFolders(t.TempDir()))
	c := r.newClient(ClientConfig{URL: "rtmfp://h/no"})
	c.heard(t, "closed NetConnection.Connect.InvalidApp: Application /no doesn't exist")
	var status *StatusError
	if !errors.As(c.err, &status) || status.Level != "error" {
		t.Errorf("%v", c.err)
	}
}

func TestClientServerCloses(t *testing.T) {
	r := newRig(t, &askApp{})
	c := r.newClient(ClientConfig{URL: "rtmfp://h/live"})
	c.log = nil
	r.shard.Drain(r.now)
	c.heard(t, "status NetConnection.Connect.AppShutdown", "closed "+rtmfp.ErrPeerClosed.Error())
	c = r.newClient(ClientConfig{URL: "rtmfp://h/live"})
	c.heard(t, "closed NetConnection.Connect.AppShutdown: Server is shutting down")
}

func TestClientPublishAndPlay(t *testing.T) {
	r := newRig(t, &askApp{})
	p := r.newClient(ClientConfig{URL: "rtmfp://h/live"})
	c := r.newClient(ClientConfig{URL: "rtmfp://h/live", ObjectEncoding: 3})
	ps, cs := p.stream(), c.stream()
	ps.Publish(r.now, "cam", "live")
	cs.SetBufferTime(r.now, 1000)
	cs.Play(r.now, "cam", amf.Number(-1))
	p.heard(t, "connected NetConnection.Connect.Success", "stream NetStream.Publish.Start")
	c.heard(t, "connected NetConnection.Connect.Success", "stream NetStream.Play.Reset", "stream NetStream.Play.Start",
		"data |RtmpSampleAccess", "stream NetStream.Play.PublishNotify")

	meta := rtmfp.CopyBuffer(values(amf.String("onMetaData"), amf.NewObject()))
	ps.SetMetadata(r.now, meta)
	meta.Release()
	ps.WriteFrame(r.now, media.Video, 0, rtmfp.CopyBuffer(keyFrame), media.WriteOptions{})
	ps.WriteFrame(r.now, media.Audio, 5, rtmfp.CopyBuffer(soundFrame), media.WriteOptions{})
	ps.Send(r.now, "onCue", amf.Number(1))
	ps.WriteData(r.now, 9, rtmfp.CopyBuffer(values(amf.String("onOther"))))
	c.heard(t, "data onMetaData", "video 0 1701000000aa", "audio 5 af01cc", "data onCue", "data onOther")

	cs.ReceiveVideo(r.now, false)
	cs.ReceiveAudio(r.now, false)
	cs.Pause(r.now, true, 0)
	cs.Seek(r.now, 1)
	r.run()

	// The end comes after what the network has not taken yet.
	for _, f := range p.end.sends {
		if f.user.kind == outVideo {
			f.stuck = true
		}
	}
	ps.WriteFrame(r.now, media.Video, 40, rtmfp.CopyBuffer(interFrame), media.WriteOptions{})
	finished := false
	ps.Finish(r.now, func(rtmfp.Time) { finished = true })
	r.run()
	if finished || ps.Queued() == 0 {
		t.Error("finished before everything was acknowledged")
	}
	for _, f := range p.end.sends {
		f.acknowledge()
	}
	r.run()
	if !finished || ps.Queued() != 0 || ps.Abandoned() != 0 {
		t.Error("not finished")
	}
	p.heard(t, "stream NetStream.Unpublish.Success")
	c.heard(t, "stream NetStream.Play.UnpublishNotify")
	cs.CloseStream(r.now)
	c.heard(t, "stream NetStream.Play.Stop")

	cs.Delete(r.now)
	ps.Delete(r.now)
	ps.Delete(r.now)
	r.run()
	if len(p.streams) != 0 || r.hub.Stats().Names != 0 {
		t.Error("streams left")
	}
	p.Close(r.now)
	c.Close(r.now)
	p.heard(t, "closed <nil>")
	c.heard(t, "closed <nil>")
}

func TestClientStreamRefused(t *testing.T) {
	r := newRig(t, &askApp{}, func(c *Config) { c.Limits.Streams = 1 })
	c := r.newClient(ClientConfig{URL: "rtmfp://h/live"})
	c.stream()
	c.log = nil
	if c.stream() != nil {
		t.Error("got a stream")
	}
	c.heard(t, "no stream: NetConnection.Call.Failed: Too many streams")
}

// The server's notice of the end waits for the last frames of the other flows.
func TestClientHonoursFlowSync(t *testing.T) {
	r := newRig(t, &askApp{})
	c := r.newClient(ClientConfig{URL: "rtmfp://h/live"})
	s := c.stream()
	c.log = nil
	in := func() *inFlow {
		return c.attach(&s.lane, &pipeRecv{send: &pipeSend{end: c.end}}, flowMetadata{stream: s.ID()})
	}
	data, video := in(), in()
	sync := func(f *inFlow) {
		c.incoming(r.now, f, rtmfp.CopyBuffer(appendUserControl(nil, userControl{eventFlowSync, 9, 2, 2})))
	}
	status := append(appendHeader(nil, typeCommand, 0), values(amf.String("onStatus"), amf.Number(0), amf.Null{},
		newInfo(levelStatus, CodePlayUnpublishNotify, ""))...)
	sync(data)
	c.incoming(r.now, data, rtmfp.CopyBuffer(status))
	c.incoming(r.now, video, rtmfp.CopyBuffer(append(appendHeader(nil, typeVideo, 7), keyFrame...)))
	sync(video)
	c.heard(t, "video 7 1701000000aa", "stream NetStream.Play.UnpublishNotify")
}

func TestClientOldServer(t *testing.T) {
	// An info object as ECMA array, without the null in front; keepalive periods shorter than allowed.
	r := newRig(t, &askApp{connect: func(rtmfp.Time, *ConnectRequest) {}})
	c := r.newClient(ClientConfig{URL: "rtmfp://h/live"})
	from := c.attach(&c.control, &pipeRecv{send: &pipeSend{end: c.end}}, flowMetadata{})
	info := &amf.Array{Named: newInfo(levelStatus, CodeConnectSuccess, "").Members}
	c.incoming(r.now, from, rtmfp.CopyBuffer(append(appendHeader(nil, typeCommand, 0), values(amf.String("_result"), amf.Number(1), info)...)))
	c.incoming(r.now, from, rtmfp.CopyBuffer(appendUserControl(nil, userControl{eventSetKeepalive, 1, 1, 2})))
	c.heard(t, "connected NetConnection.Connect.Success")
	if c.end.keepalive != minKeepalive {
		t.Errorf("keepalive %v", c.end.keepalive)
	}
	// Nonsense changes nothing.
	for typ := range 256 {
		for _, body := range [][]byte{nil, {0}, {0x11}, {2, 0, 1, 'f'}} {
			c.incoming(r.now, from, rtmfp.CopyBuffer(append(appendHeader(nil, byte(typ), 0), body...)))
		}
	}
	c.heard(t, "call f 0")
}

func TestClientTimeout(t *testing.T) {
	r := newRig(t, &askApp{connect: func(rtmfp.Time, *ConnectRequest) {}})
	c := r.newClient(ClientConfig{URL: "rtmfp://h/live", Timeout: 5 * time.Second})
	r.advance(4 * time.Second)
	c.heard(t)
	r.advance(2 * time.Second)
	c.heard(t, "closed "+ErrNoAnswer.Error())
}

// A server that rejects the control flow may still say why; one that says nothing is given up.
func TestClientControlRejected(t *testing.T) {
	r := newRig(t, &askApp{connect: func(rtmfp.Time, *ConnectRequest) {}})
	c := r.newClient(ClientConfig{URL: "rtmfp://h/live"})
	c.end.peer.party.(*Conn).peerControl.recv.Reject(r.now, 0)
	r.advance(time.Second)
	c.heard(t)
	c.end.peer.party.(*Conn).Close(r.now, CodeConnectRejected, "because")
	c.heard(t, "closed NetConnection.Connect.Rejected: because")

	c = r.newClient(ClientConfig{URL: "rtmfp://h/live"})
	c.end.peer.party.(*Conn).peerControl.recv.Reject(r.now, 0)
	r.advance(3 * time.Second)
	c.heard(t, "closed "+rtmfp.ErrPeerClosed.Error())
}
