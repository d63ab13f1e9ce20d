package netconn

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/internal/simnet"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// sim is a server with several shards and clients on a simulated network, over the real protocol.
type sim struct {
	*simnet.Net
	t       *testing.T
	server  *simnet.Node
	shards  []*Shard
	hub     *media.Hub
	clients int
}

const simServer = "10.0.0.1:1935"

func newSim(t *testing.T, seed uint64, shards int, link simnet.Link) *sim {
	s := &sim{Net: simnet.New(seed), t: t, hub: media.NewHub(media.Limits{})}
	s.SetDefaultLink(link)
	id, err := rtmfp.NewServerIdentity(s.Reader(), "", 2)
	if err != nil {
		t.Fatal(err)
	}
	registry := NewRegistry()
	s.server = s.AddShards(simServer, rtmfp.Config{Identity: id}, shards, func(sh *simnet.Shard) simnet.Handler {
		shard := NewShard(Config{
			Index: sh.Index(), App: &askApp{}, Hub: s.hub, Registry: registry, Log: zerolog.Nop(),
			Post: func(i int, msg any) { s.server.Shard(i).Post(msg) },
		})
		s.shards = append(s.shards, shard)
		return shard
	})
	return s
}

// simClient is a Client on a node of its own.
type simClient struct {
	*Client
	node   *simnet.Node
	err    error
	closed bool
}

func (s *sim) dial(url string) *simClient {
	s.t.Helper()
	s.clients++
	id, err := rtmfp.NewClientIdentity(s.Reader())
	if err != nil {
		s.t.Fatal(err)
	}
	c := &simClient{}
	c.node = s.AddNode(fmt.Sprintf("10.1.0.%d:5000", s.clients), rtmfp.Config{Identity: id}, func(*simnet.Shard) simnet.Handler { return Clients{} })
	session, err := c.node.Endpoint().Dial(s.Now(), rtmfp.DialConfig{
		EPD: rtmfp.EPDForURI(url), Addrs: []netip.AddrPort{simnet.Addr(simServer)},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	c.Client = NewClient(s.Now(), session, ClientConfig{
		URL: url, OnClose: func(_ rtmfp.Time, err error) { c.err, c.closed = err, true },
	})
	c.node.Wake()
	s.until(c.Connected, "connect")
	return c
}

func (s *sim) until(cond func() bool, what string) {
	s.t.Helper()
	if !s.RunUntil(cond, 30*time.Second) {
		s.t.Fatalf("no %s after 30 s", what)
	}
}

type simFrame struct {
	kind media.Kind
	ts   uint32
	body []byte
}

// simStream is a stream with what it got.
type simStream struct {
	*ClientStream
	frames []simFrame
	codes  map[string]int
	times  []rtmfp.Time
}

func (s *sim) stream(c *simClient) *simStream {
	s.t.Helper()
	out := &simStream{codes: map[string]int{}}
	c.CreateStream(s.Now(), StreamConfig{
		OnStatus: func(_ rtmfp.Time, in Info) { out.codes[in.Code]++ },
		OnFrame: func(now rtmfp.Time, kind media.Kind, ts uint32, body *rtmfp.Buffer) {
			if kind != media.Data {
				out.frames = append(out.frames, simFrame{kind, ts, bytes.Clone(body.Bytes())})
				out.times = append(out.times, now)
			}
		},
	}, func(_ rtmfp.Time, cs *ClientStream, err error) { out.ClientStream = cs })
	c.node.Wake()
	s.until(func() bool { return out.ClientStream != nil }, "stream")
	return out
}

func (s *sim) play(url, name string) (*simClient, *simStream) {
	s.t.Helper()
	c := s.dial(url)
	p := s.stream(c)
	p.Play(s.Now(), name)
	c.node.Wake()
	s.until(func() bool { return p.codes[CodePlayStart] > 0 }, "play")
	return c, p
}

// clip is a stream of n seconds: 25 pictures of 2000 bytes and 40 sounds a second, a key frame each second.
func clip(n int) []simFrame {
	frames := []simFrame{
		{media.Audio, 0, []byte{0xaf, 0, 0x12, 0x10}},
		{media.Video, 0, []byte{0x17, 0, 0, 0, 0, 1}},
	}
	for ms := uint32(0); ms < uint32(n)*1000; ms += 5 {
		if ms%40 == 0 {
			b := make([]byte, 2000)
			b[0], b[1] = 0x27, 1
			if ms%1000 == 0 {
				b[0] = 0x17
			}
			copy(b[5:], fmt.Sprint("video", ms))
			frames = append(frames, simFrame{media.Video, ms, b})
		}
		if ms%25 == 0 {
			frames = append(frames, simFrame{media.Audio, ms, append([]byte{0xaf, 1}, fmt.Sprint("audio", ms)...)})
		}
	}
	return frames
}

func kindOnly(frames []simFrame, k media.Kind) (out []simFrame) {
	for _, f := range frames {
		if f.kind == k {
			out = append(out, f)
		}
	}
	return out
}

// publishClip publishes frames in real time and ends the publication.
func (s *sim) publishClip(c *simClient, name string, frames []simFrame) {
	s.t.Helper()
	p := s.stream(c)
	p.Publish(s.Now(), name, "live")
	c.node.Wake()
	s.until(func() bool { return p.codes[CodePublishStart] > 0 }, "publish")
	start := s.Now()
	for _, f := range frames {
		if d := start.Add(time.Duration(f.ts) * time.Millisecond).Sub(s.Now()); d > 0 {
			s.Run(d)
		}
		p.WriteFrame(s.Now(), f.kind, f.ts, rtmfp.CopyBuffer(f.body), media.WriteOptions{})
		c.node.Wake()
	}
	p.Finish(s.Now(), nil)
	c.node.Wake()
	s.until(func() bool { return p.codes[CodeUnpublishSuccess] > 0 }, "end of publication")
}

// A clip through publisher, server and players on several shards comes out whole, times included.
func TestSimRelay(t *testing.T) {
	for _, tc := range []struct {
		name string
		link simnet.Link
	}{
		{"clean", simnet.Link{Delay: 20 * time.Millisecond}},
		{"loss", simnet.Link{Delay: 20 * time.Millisecond, Loss: 0.05, Jitter: 5 * time.Millisecond, Dup: 0.01, Reorder: 0.01}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSim(t, 42, 2, tc.link)
			s.server.Pick = func(from netip.AddrPort) int { return int(from.Addr().As4()[3]) % 2 }
			var players []*simStream
			var clients []*simClient
			for range 3 {
				c, p := s.play("rtmfp://10.0.0.1/live", "cam")
				players, clients = append(players, p), append(clients, c)
			}
			frames := clip(10)
			pub := s.dial("rtmfp://10.0.0.1/live")
			s.publishClip(pub, "cam", frames)
			for i, p := range players {
				s.until(func() bool { return p.codes[CodePlayUnpublishNotify] > 0 }, "end of play")
				for _, k := range []media.Kind{media.Audio, media.Video} {
					want, got := kindOnly(frames, k), kindOnly(p.frames, k)
					lost := 0
					for _, f := range got {
						for len(want) > 0 && !bytes.Equal(want[0].body, f.body) {
							want = want[1:]
							lost++
						}
						if len(want) == 0 {
							t.Fatalf("player %d: %v out of order", i, k)
						}
						if f.ts != want[0].ts {
							t.Fatalf("player %d: %v at %d, sent at %d", i, k, f.ts, want[0].ts)
						}
						want = want[1:]
					}
					if lost += len(want); lost > 0 {
						t.Errorf("player %d: %d of %v lost", i, lost, k)
					}
				}
			}
			for _, c := range append(clients, pub) {
				c.Close(s.Now())
				c.node.Wake()
				s.until(func() bool { return c.closed }, "close")
				if c.err != nil {
					t.Errorf("closed with %v", c.err)
				}
			}
			s.Run(5 * time.Second)
			if n := s.shards[0].Len() + s.shards[1].Len(); n != 0 || s.hub.Stats().Names != 0 {
				t.Errorf("%d clients left, %+v", n, s.hub.Stats())
			}
		})
	}
}

// One who joins late starts at a key frame with the headers before it.
func TestSimLateJoin(t *testing.T) {
	s := newSim(t, 7, 2, simnet.Link{Delay: 10 * time.Millisecond})
	var p *simStream
	pub := s.dial("rtmfp://10.0.0.1/live")
	ps := s.stream(pub)
	ps.Publish(s.Now(), "cam", "")
	pub.node.Wake()
	s.until(func() bool { return ps.codes[CodePublishStart] > 0 }, "publish")
	start := s.Now()
	for _, f := range clip(6) {
		at := start.Add(time.Duration(f.ts) * time.Millisecond)
		if p == nil && f.ts > 2400 {
			_, p = s.play("rtmfp://10.0.0.1/live", "cam")
		}
		if d := at.Sub(s.Now()); d > 0 {
			s.Run(d)
		}
		ps.WriteFrame(s.Now(), f.kind, f.ts, rtmfp.CopyBuffer(f.body), media.WriteOptions{})
		pub.node.Wake()
	}
	s.Run(time.Second)
	video, audio := kindOnly(p.frames, media.Video), kindOnly(p.frames, media.Audio)
	if len(video) < 60 || len(audio) < 100 {
		t.Fatalf("%d pictures, %d sounds", len(video), len(audio))
	}
	if video[0].body[1] != 0 || video[1].body[0] != 0x17 || video[0].ts != 0 || video[1].ts != 0 || audio[0].body[1] != 0 {
		t.Errorf("begins with %x at %d, %x at %d, %x", video[0].body[:2], video[0].ts, video[1].body[:2], video[1].ts, audio[0].body)
	}
}

// A burst faster than real time is relayed whole to a listener whose network keeps up.
func TestSimBurst(t *testing.T) {
	s := newSim(t, 11, 1, simnet.Link{Delay: 5 * time.Millisecond})
	_, p := s.play("rtmfp://10.0.0.1/live", "cam")
	pub := s.dial("rtmfp://10.0.0.1/live")
	ps := s.stream(pub)
	ps.Publish(s.Now(), "cam", "live")
	pub.node.Wake()
	s.until(func() bool { return ps.codes[CodePublishStart] > 0 }, "publish")
	frames := clip(10)
	for _, f := range frames {
		ps.WriteFrame(s.Now(), f.kind, f.ts, rtmfp.CopyBuffer(f.body), media.WriteOptions{})
	}
	ps.Finish(s.Now(), nil)
	pub.node.Wake()
	s.until(func() bool { return p.codes[CodePlayUnpublishNotify] > 0 }, "end")
	if len(p.frames) != len(frames) {
		t.Errorf("%d of %d frames", len(p.frames), len(frames))
	}
}

// A client that dies without a word is noticed, and takes nobody with it.
func TestSimVanishedClient(t *testing.T) {
	s := newSim(t, 13, 1, simnet.Link{Delay: 5 * time.Millisecond})
	gone, _ := s.play("rtmfp://10.0.0.1/live", "cam")
	_, p := s.play("rtmfp://10.0.0.1/live", "cam")
	gone.node.Remove()
	pub := s.dial("rtmfp://10.0.0.1/live")
	s.publishClip(pub, "cam", clip(3))
	s.until(func() bool { return p.codes[CodePlayUnpublishNotify] > 0 }, "end")
	if len(p.frames) != len(clip(3)) {
		t.Errorf("%d frames", len(p.frames))
	}
	s.Run(time.Minute)
	if n := s.shards[0].Len(); n != 2 {
		t.Errorf("%d clients", n)
	}
}

// Why a connect was refused is heard, whichever datagram gets lost.
func TestSimRefused(t *testing.T) {
	for n := range 14 {
		t.Run(fmt.Sprint("datagram ", n), func(t *testing.T) { simRefused(t, n) })
	}
}

func simRefused(t *testing.T, drop int) {
	s := newSim(t, 17, 1, simnet.Link{Delay: 30 * time.Millisecond})
	s.Filter = func(_, _ netip.AddrPort, _ []byte) bool {
		drop--
		return drop != -1
	}
	s.shards[0].cfg.App = &askApp{connect: func(now rtmfp.Time, r *ConnectRequest) {
		r.Reject(now, CodeConnectRejected, "no "+string(r.Args[0].(amf.String)))
	}}
	id, err := rtmfp.NewClientIdentity(s.Reader())
	if err != nil {
		t.Fatal(err)
	}
	node := s.AddNode("10.1.0.9:5000", rtmfp.Config{Identity: id}, func(*simnet.Shard) simnet.Handler { return Clients{} })
	session, err := node.Endpoint().Dial(s.Now(), rtmfp.DialConfig{
		EPD: rtmfp.EPDForURI("rtmfp://10.0.0.1/live"), Addrs: []netip.AddrPort{simnet.Addr(simServer)},
	})
	if err != nil {
		t.Fatal(err)
	}
	var closed error
	NewClient(s.Now(), session, ClientConfig{
		URL: "rtmfp://10.0.0.1/live", Args: []amf.Value{amf.String("entry")},
		OnClose: func(_ rtmfp.Time, err error) { closed = err },
	})
	node.Wake()
	s.until(func() bool { return closed != nil }, "refusal")
	if closed.Error() != "NetConnection.Connect.Rejected: no entry" {
		t.Error(closed)
	}
	s.Run(30 * time.Second)
	if s.shards[0].Len() != 0 {
		t.Error("the server still has the client")
	}
}
