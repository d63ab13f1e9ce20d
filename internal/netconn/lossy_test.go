package netconn

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/internal/simnet"
	"github.com/monaserver/monaserver/pkg/flv"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// live makes a stream of 400 kbit/s as encoders make them: 30 pictures a second of very different sizes, a key frame
// every 2 s, AAC.
func live(seed uint64, length time.Duration) []simFrame {
	rng := rand.New(rand.NewPCG(seed, 1))
	body := func(head string, size int) []byte {
		b := make([]byte, max(size, 16))
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		copy(b, head)
		return b
	}
	frames := []simFrame{
		{media.Video, 0, body("\x17\x00", 50)},
		{media.Audio, 0, body("\xaf\x00", 7)},
	}
	for i, j := 0, 0; ; {
		video, audio := uint32(i*1000/30), uint32(j*1024*10/441)
		if min(video, audio) >= uint32(length.Milliseconds()) {
			return frames
		}
		switch {
		case audio < video:
			frames = append(frames, simFrame{media.Audio, audio, body("\xaf\x01", 150+rng.IntN(60))})
			j++
			continue
		case i%60 == 0:
			frames = append(frames, simFrame{media.Video, video, body("\x17\x01", 5000+rng.IntN(4000))})
		case i%4 == 0:
			frames = append(frames, simFrame{media.Video, video, body("\x27\x01", 2000+rng.IntN(1500))})
		default:
			frames = append(frames, simFrame{media.Video, video, body("\x27\x01", 400+rng.IntN(900))})
		}
		i++
	}
}

// arrived says what of a stream came.
type arrived struct {
	sent, got [2]int // sound and pictures, without headers
	broken    int    // pictures that need one that did not come
	began     int    // number of the first picture, from 0
	late      [2]time.Duration
}

// compare finds out what came of a stream that was sent in real time from start on.
func compare(t *testing.T, sent []simFrame, p *simStream, start rtmfp.Time) (a arrived) {
	t.Helper()
	for k, kind := range [...]media.Kind{media.Audio, media.Video} {
		var list []simFrame
		for _, f := range sent {
			if f.kind == kind && !isHeader(f) {
				list = append(list, f)
			}
		}
		a.sent[k] = len(list)
		next, whole := 0, -1 // whole: the group of pictures up to here is complete
		for i, f := range p.frames {
			if f.kind != kind || isHeader(f) {
				continue
			}
			at := next
			for at < len(list) && !bytes.Equal(list[at].body, f.body) {
				at++
			}
			if at == len(list) {
				t.Fatalf("%v at %d ms came twice, or out of order, or is not what was sent", kind, f.ts)
			}
			a.late[k] = max(a.late[k], p.times[i].Sub(start)-duration(list[at].ts))
			if kind == media.Video {
				if a.got[k] == 0 {
					a.began = at
				}
				if flv.IsKeyFrame(f.body) || whole == at-1 {
					whole = at
				} else {
					a.broken++
				}
			}
			a.got[k]++
			next = at + 1
		}
	}
	return a
}

func isHeader(f simFrame) bool { return len(f.body) > 1 && f.body[1] == 0 }

// publishLive publishes frames in real time; meanwhile is called before each frame.
func (s *sim) publishLive(c *simClient, name string, frames []simFrame, meanwhile func(ts uint32, p *simStream)) (start rtmfp.Time) {
	s.t.Helper()
	p := s.stream(c)
	p.Publish(s.Now(), name, "live")
	c.node.Wake()
	s.until(func() bool { return p.codes[CodePublishStart] > 0 }, "publish")
	start = s.Now()
	for _, f := range frames {
		if d := start.Add(duration(f.ts)).Sub(s.Now()); d > 0 {
			s.Run(d)
		}
		if meanwhile != nil {
			meanwhile(f.ts, p)
		}
		p.WriteFrame(s.Now(), f.kind, f.ts, rtmfp.CopyBuffer(f.body), media.WriteOptions{})
		c.node.Wake()
	}
	p.Finish(s.Now(), nil)
	c.node.Wake()
	s.until(func() bool { return p.codes[CodeUnpublishSuccess] > 0 }, "end of publication")
	return start
}

// lossy is a network that loses every twentieth datagram, from publisher to server as from server to player.
var lossy = simnet.Link{Delay: 40 * time.Millisecond, Loss: 0.05}

// watchLossy sends frames through a server on a lossy network to a player, who is there from the start.
func watchLossy(t *testing.T, seed uint64, frames []simFrame) (*simStream, arrived) {
	s := newSim(t, seed, 2, lossy)
	s.server.Pick = func(from netip.AddrPort) int { return int(from.Addr().As4()[3]) % 2 } // publisher and player on one each
	_, p := s.play("rtmfp://10.0.0.1/live", "cam")
	start := s.publishLive(s.dial("rtmfp://10.0.0.1/live"), "cam", frames, nil)
	s.until(func() bool { return p.codes[CodePlayUnpublishNotify] > 0 }, "end of play")
	a := compare(t, frames, p, start)
	if a.got[0] != a.sent[0] {
		t.Errorf("%d of %d sounds arrived, want all", a.got[0], a.sent[0])
	}
	if a.got[1]*100 < a.sent[1]*98 {
		t.Errorf("%d of %d pictures arrived, want 98 %%", a.got[1], a.sent[1])
	}
	if a.broken > 0 {
		t.Errorf("%d pictures arrived without one that they need", a.broken)
	}
	if s.Dropped() < len(frames)/20 {
		t.Errorf("only %d datagrams were lost", s.Dropped())
	}
	return p, a
}

// 400 kbit/s with 5 % loss and 40 ms each way, on both hops: all sound, 98 % of the pictures, and those can be decoded.
func TestSimLiveOverLoss(t *testing.T) {
	for seed := uint64(1); seed <= 8; seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			_, a := watchLossy(t, seed, live(seed, 20*time.Second))
			t.Logf("%d of %d pictures up to %v late, %d of %d sounds up to %v late", a.got[1], a.sent[1], a.late[1], a.got[0], a.sent[0], a.late[0])
		})
	}
}

// The same with what an encoder really makes; a decoder finds nothing wrong with what arrives.
func TestSimFileOverLoss(t *testing.T) {
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("ffmpeg is not installed: nothing to encode and decode with")
	}
	dir := t.TempDir()
	source, received := filepath.Join(dir, "source.flv"), filepath.Join(dir, "received.flv")
	out, err := exec.Command(ffmpeg, "-loglevel", "error", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30",
		"-f", "lavfi", "-i", "sine=frequency=440", "-t", "20", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast",
		"-b:v", "340k", "-maxrate", "400k", "-bufsize", "400k", "-g", "60", "-c:a", "aac", "-b:a", "60k", source).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	file, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	var frames []simFrame
	reader := flv.NewReader(bytes.NewReader(file), flv.Options{})
	for tag, err := reader.Next(); err == nil; tag, err = reader.Next() {
		if tag.Type == flv.Audio || tag.Type == flv.Video && !flv.IsEndOfSequence(tag.Data) {
			frames = append(frames, simFrame{media.Kind(tag.Type), tag.Time, tag.Data})
		}
	}
	if len(frames) < 1400 {
		t.Fatalf("the file has %d frames only", len(frames))
	}
	p, _ := watchLossy(t, 1, frames)
	b := flv.AppendHeader(nil, flv.Header{Audio: true, Video: true})
	for _, f := range p.frames {
		b = flv.AppendTag(b, flv.Tag{Type: flv.TagType(f.kind), Time: f.ts, Data: f.body})
	}
	if err := os.WriteFile(received, b, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err = exec.Command(ffmpeg, "-v", "error", "-i", received, "-f", "null", "-").CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("the decoder complains: %v\n%s", err, out)
	}
}

// shared is what became of a stream with three players, of whom the network of one changed after 4 s.
type shared struct {
	slow, other, beside arrived // other is on the other shard
	stats               media.ListenerStats
	queued              int // bytes waiting at the publisher at most
}

// shareWith plays a stream to three players; change, if not nil, is what becomes of the network of one of them.
func shareWith(t *testing.T, frames []simFrame, change *simnet.Link) (r shared) {
	t.Helper()
	s := newSim(t, 5, 2, simnet.Link{Delay: 20 * time.Millisecond})
	s.server.Pick = func(from netip.AddrPort) int { return int(from.Addr().As4()[3]) % 2 }
	slow, slowStream := s.play("rtmfp://10.0.0.1/live", "cam")
	_, other := s.play("rtmfp://10.0.0.1/live", "cam")
	_, beside := s.play("rtmfp://10.0.0.1/live", "cam")
	start := s.publishLive(s.dial("rtmfp://10.0.0.1/live"), "cam", frames, func(ts uint32, p *simStream) {
		if ts >= 4000 && change != nil {
			s.SetLink(s.server, slow.node, *change)
			change = nil
		}
		r.queued = max(r.queued, p.Queued())
	})
	for _, p := range []*simStream{other, beside} {
		s.until(func() bool { return p.codes[CodePlayUnpublishNotify] > 0 }, "end of play")
	}
	r.stats = listenerOf(s, slow)
	s.Run(5 * time.Second)
	r.slow, r.other, r.beside = compare(t, frames, slowStream, start), compare(t, frames, other, start), compare(t, frames, beside, start)
	return r
}

// A player whose network fails in the middle costs the others nothing, on its own shard or another, nor the publisher.
func TestSimSlowListener(t *testing.T) {
	frames := live(3, 20*time.Second)
	undisturbed := shareWith(t, frames, nil)
	for _, tc := range []struct {
		name  string
		link  simnet.Link
		check func(t *testing.T, r shared)
	}{
		{"dead", simnet.Link{Loss: 1}, func(t *testing.T, r shared) {
			if d := r.stats.Dropped; d[media.DropWaiting].Video == 0 || d[media.DropLate].Audio == 0 {
				t.Error("everything was kept for one who takes nothing")
			}
		}},
		{"narrow", simnet.Link{Delay: 20 * time.Millisecond, Rate: 25_000, Queue: 16 << 10}, func(t *testing.T, r shared) {
			if a := r.slow; a.got[0] != a.sent[0] || a.late[0] > time.Second {
				t.Errorf("%d of %d sounds, up to %v late: they go before pictures", a.got[0], a.sent[0], a.late[0])
			}
			// What was under way when a picture before it was given up arrives all the same.
			if a := r.slow; a.got[1] < a.sent[1]/4 || a.got[1] == a.sent[1] || a.broken > a.got[1]/8 {
				t.Errorf("%d of %d pictures, of which %d cannot be decoded", a.got[1], a.sent[1], a.broken)
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := shareWith(t, frames, &tc.link)
			for name, a := range map[string]arrived{"on the other shard": r.other, "beside it": r.beside} {
				if a.got != a.sent || a.broken > 0 {
					t.Errorf("the player %s got %v of %v", name, a.got, a.sent)
				}
				for k := range a.late {
					if limit := max(undisturbed.other.late[k], undisturbed.beside.late[k]) + 10*time.Millisecond; a.late[k] > limit {
						t.Errorf("the player %s got a frame %v late, without the slow one it is %v", name, a.late[k], limit)
					}
				}
			}
			if r.queued > 2*undisturbed.queued {
				t.Errorf("%d bytes waited at the publisher, without the slow one it is %d", r.queued, undisturbed.queued)
			}
			t.Logf("the slow one: %d of %d pictures up to %v late, %d of %d sounds up to %v late", r.slow.got[1], r.slow.sent[1],
				r.slow.late[1], r.slow.got[0], r.slow.sent[0], r.slow.late[0])
			tc.check(t, r)
		})
	}
}

// listenerOf returns the counters of the only player of a client.
func listenerOf(s *sim, c *simClient) (st media.ListenerStats) {
	for _, shard := range s.shards {
		shard.Conns(func(conn *Conn) bool {
			if conn.PeerID() == c.link.(sessionLink).Session.NearID() {
				for _, stream := range conn.streams {
					if l := stream.Listener(); l != nil {
						st = l.Stats(s.Now())
					}
				}
			}
			return true
		})
	}
	return st
}
