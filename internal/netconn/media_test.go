package netconn

import (
	"fmt"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

var (
	keyFrame   = []byte{0x17, 1, 0, 0, 0, 0xaa}
	interFrame = []byte{0x27, 1, 0, 0, 0, 0xbb}
	soundFrame = []byte{0xaf, 1, 0xcc}
)

// relay is a publisher and a player of the same name.
type relay struct {
	*rig
	pub, play   *rawClient
	pubID       uint32
	playID      uint32
	in, playing *pipeSend
}

func newRelay(t *testing.T, encoding int, change ...func(*Config)) *relay {
	r := &relay{rig: newRig(t, &askApp{}, change...)}
	r.pub, r.play = r.connected("/live", 0), r.connected("/live", encoding)
	r.pubID, r.in = r.pub.stream()
	r.pub.command(r.in, "publish", 0, amf.String("cam"))
	r.playID, r.playing = r.play.stream()
	r.play.command(r.playing, "play", 0, amf.String("cam"))
	r.run()
	r.pub.got, r.play.got = nil, nil
	return r
}

func TestRelayOverFlows(t *testing.T) {
	r := newRelay(t, 0)
	if n := len(r.play.in); n != 2 {
		t.Fatalf("%d flows before the first frame, want control and commands", n)
	}
	audio, video := r.pub.open(r.pubID), r.pub.open(r.pubID)
	r.pub.write(video, typeVideo, 100, keyFrame)
	r.pub.write(audio, typeAudio, 110, soundFrame)
	r.pub.write(video, typeVideo, 140, interFrame)
	r.play.expect(r.playID, "video 0 1701000000aa", "audio 10 af01cc", "video 40 2701000000bb")
	flows := map[uint8]*pipeSend{}
	for _, f := range r.play.far.sends {
		flows[f.user.typeOf()] = f
	}
	for typ, want := range map[uint8]struct {
		p        rtmfp.Priority
		critical bool
	}{typeVideo: {rtmfp.PriorityVideo, true}, typeAudio: {rtmfp.PriorityAudio, true}, typeCommand: {rtmfp.PriorityCommand, false}} {
		if f := flows[typ]; f == nil || f.priority != want.p || f.critical != want.critical {
			t.Errorf("flow of type %d: %+v", typ, f)
		}
	}
	for _, m := range flows[typeVideo].msgs {
		if m.StartBy == 0 || m.FinishBy <= m.StartBy || m.HeadLen != headerSize {
			t.Errorf("video without deadlines: %+v", m)
		}
	}
	if !flows[typeVideo].msgs[1].Chain || flows[typeVideo].msgs[0].Chain {
		t.Error("inter frames chain, key frames do not")
	}

	// The notice of the end is ordered behind the frames of all flows.
	r.pub.command(r.in, "closeStream", 0)
	r.play.expect(r.playID, "sync of 3", "sync of 3", "sync of 3",
		"onStatus 0 [status NetStream.Play.UnpublishNotify: cam is now unpublished]",
		"sync of 3", "sync of 3", "sync of 3")
}

// typeOf names the flow by the type of message it is for.
func (o *outFlow) typeOf() uint8 {
	return [...]uint8{outOther: typeCommand, outAudio: typeAudio, outVideo: typeVideo}[o.kind]
}

func TestReceiveSwitches(t *testing.T) {
	r := newRelay(t, 0)
	send := func(typ uint8, ts uint32, b []byte) { r.pub.write(r.in, typ, ts, b) }
	send(typeVideo, 0, keyFrame)
	r.run()
	r.play.got = nil
	r.play.command(r.playing, "receiveVideo", 0, amf.Bool(false))
	r.run()
	send(typeVideo, 40, interFrame)
	send(typeAudio, 50, soundFrame)
	r.play.expect(r.playID, "audio 50 af01cc")
	r.play.command(r.playing, "receiveVideo", 0, amf.Bool(true))
	r.play.command(r.playing, "receiveAudio", 0, amf.Bool(false))
	r.run()
	send(typeVideo, 80, interFrame) // not before a key frame
	send(typeAudio, 90, soundFrame)
	send(typeVideo, 120, keyFrame)
	send(typeVideo, 160, interFrame)
	r.play.expect(r.playID, "video 120 1701000000aa", "video 160 2701000000bb")
	r.play.command(r.playing, "pause", 0, amf.Bool(true), amf.Number(160))
	r.run()
	send(typeVideo, 200, keyFrame)
	r.play.expect(r.playID)
	r.play.command(r.playing, "pause", 0, amf.Bool(false), amf.Number(160))
	r.run()
	send(typeVideo, 240, interFrame)
	send(typeVideo, 280, keyFrame)
	r.play.expect(r.playID, "video 161 1701000000aa")
}

func TestDataMessages(t *testing.T) {
	amf3 := []byte("\x11\x06\x03b")
	bytesAMF3 := []byte("\x11\x0c\x03\x07") // a byte array, for which AMF0 has no type
	for _, tc := range []struct {
		encoding int
		typ      uint8
		payload  []byte
		want     []string
	}{
		{0, typeData, values(amf.String("onCue"), amf.Number(1)), []string{`data18 "onCue" 1`}},
		{3, typeData, values(amf.String("onCue"), amf.Number(1)), []string{`data18 "onCue" 1`}},
		{0, typeData, append(values(amf.String("onCue")), amf3...), []string{`data18 "onCue" "b"`}},
		{3, typeData, append(values(amf.String("onCue")), amf3...), []string{`data18 "onCue" "b"`}},
		{0, typeDataAMF3, append([]byte{0}, append(values(amf.String("onCue")), amf3...)...), []string{`data18 "onCue" "b"`}},
		{3, typeDataAMF3, append([]byte{0}, append(values(amf.String("onCue")), bytesAMF3...)...), []string{`data15 "onCue" bytes(07)`}},
		{0, typeDataAMF3, append([]byte{0}, append(values(amf.String("onCue")), bytesAMF3...)...), []string{`data18 "onCue" "\a"`}},
		{3, typeDataAMF3, append([]byte{1}, values(amf.String("onCue"))...), nil},
		{3, typeData, values(amf.Number(1)), nil},
		{3, typeData, nil, nil},
		{0, typeData, append(values(amf.String("onCue")), 0x11), nil},
	} {
		r := newRelay(t, tc.encoding)
		r.pub.write(r.in, tc.typ, 0, tc.payload)
		t.Run(fmt.Sprintf("%d %d %x", tc.encoding, tc.typ, tc.payload), func(t *testing.T) {
			r.play.t = t
			r.play.expect(r.playID, tc.want...)
		})
	}
}

func TestMetadata(t *testing.T) {
	r := newRelay(t, 3)
	meta := amf.NewObject().Add("width", amf.Number(640))
	r.pub.write(r.in, typeData, 0, values(amf.String("@setDataFrame"), amf.String("onMetaData"), meta))
	r.play.expect(r.playID, `data18 "onMetaData" {width:640}`)
	late := func() []string {
		c := r.connected("/live", 0)
		id, f := c.stream()
		c.command(f, "play", 0, amf.String("cam"))
		r.run()
		var out []string
		for _, g := range c.got {
			if g.stream == id && g.typ == typeData {
				out = append(out, g.String())
			}
		}
		c.conn.Close(r.now, "", "")
		r.run()
		return out[1:] // after the sample access
	}
	if got := fmt.Sprint(late()); got != `[data18 "onMetaData" {width:640}]` {
		t.Error(got)
	}
	// AMF3 inside becomes AMF0; type 15; a missing handler name means onMetaData.
	r.pub.write(r.in, typeDataAMF3, 0, append([]byte{0}, append(values(amf.String("@setDataFrame")), "\x11\x0a\x0b\x01\x0bwidth\x04\x05\x01"...)...))
	r.play.expect(r.playID, `data18 "onMetaData" {width:5}`)
	r.pub.write(r.in, typeData, 0, values(amf.String("@setDataFrame"), amf.String("onOther"), amf.Number(1)))
	r.play.expect(r.playID, `data18 "onOther" 1`)
	if got := fmt.Sprint(late()); got != `[data18 "onMetaData" {width:5} data18 "onOther" 1]` {
		t.Error(got)
	}
	r.pub.write(r.in, typeData, 0, values(amf.String("@clearDataFrame"), amf.String("onMetaData")))
	r.play.expect(r.playID)
	if got := fmt.Sprint(late()); got != `[data18 "onOther" 1]` {
		t.Error(got)
	}
	r.pub.write(r.in, typeData, 0, values(amf.String("@clearDataFrame")))
	r.run()
	if got := late(); len(got) != 0 {
		t.Error(got)
	}
	r.pub.write(r.in, typeData, 0, append(values(amf.String("@setDataFrame"), amf.String("onMetaData")), 0xff))
	r.play.expect(r.playID)
}

func TestStrayMedia(t *testing.T) {
	r := newRelay(t, 0)
	for _, typ := range []uint8{typeAudio, typeVideo, typeData, typeDataAMF3} {
		r.play.write(r.playing, typ, 0, keyFrame)
		r.pub.write(r.pub.control, typ, 0, keyFrame)
	}
	r.run()
	if n := r.shard.counters.StrayMessages.Load(); n != 8 {
		t.Errorf("%d stray messages", n)
	}
}

// A player that does not want audio rejects its flow; the rest goes on.
func TestPlayerRejectsFlow(t *testing.T) {
	r := newRelay(t, 0)
	r.pub.write(r.in, typeVideo, 0, keyFrame)
	r.pub.write(r.in, typeAudio, 0, soundFrame)
	r.run()
	for _, in := range r.play.in {
		if in.send.user.kind == outAudio {
			in.Reject(r.now, 0)
		}
	}
	r.run()
	r.play.got = nil
	r.pub.write(r.in, typeAudio, 20, soundFrame)
	r.pub.write(r.in, typeVideo, 40, interFrame)
	r.play.expect(r.playID, "video 40 2701000000bb")
	// The next play starts afresh.
	r.play.command(r.playing, "play", 0, amf.String("cam"))
	r.run()
	r.play.got = nil
	r.pub.write(r.in, typeVideo, 80, keyFrame)
	r.pub.write(r.in, typeAudio, 80, soundFrame)
	r.play.expect(r.playID, "video 0 1701000000aa", "audio 0 af01cc")
}

// Pictures that a publisher's network lost spoil those that build on them.
func TestPublisherLoss(t *testing.T) {
	r := newRelay(t, 0)
	r.pub.write(r.in, typeVideo, 0, keyFrame)
	r.run()
	r.play.got = nil
	r.pub.conn.missed(r.in.in, typeVideo, 2)
	r.pub.write(r.in, typeVideo, 40, interFrame)
	r.pub.write(r.in, typeVideo, 80, keyFrame)
	r.pub.write(r.in, typeVideo, 120, interFrame)
	r.play.expect(r.playID, "video 80 1701000000aa", "video 120 2701000000bb")
	if n := r.pub.conn.Stream(r.pubID).Publication().Stats(r.now).Video.Lost; n != 2 {
		t.Errorf("%d lost", n)
	}
	r.pub.conn.missed(r.in.in, typeCommand, 1)
}

// What nobody plays any more is not sent any more.
func TestStopExpiresFrames(t *testing.T) {
	r := newRelay(t, 0)
	r.pub.write(r.in, typeVideo, 0, keyFrame)
	r.run()
	r.play.command(r.playing, "closeStream", 0)
	r.run()
	for _, f := range r.play.far.sends {
		if f.user.kind == outVideo && fmt.Sprint(f.expired) != "[1 1]" {
			t.Errorf("expired %v", f.expired)
		}
	}
}

func TestSinkAbandoned(t *testing.T) {
	r := newRelay(t, 0)
	r.pub.write(r.in, typeVideo, 0, keyFrame)
	r.run()
	s := r.play.conn.Stream(r.playID)
	for _, f := range r.play.far.sends {
		if f.user.kind == outVideo {
			f.gone, f.goneLast = 2, 7
			f.queued = 99
		}
	}
	if n, last := s.Abandoned(media.Video); n != 2 || last != 7 {
		t.Errorf("abandoned %d, last %d", n, last)
	}
	if n, _ := s.Backlog(media.Video); n != 99 {
		t.Errorf("backlog %d", n)
	}
	if n, _ := s.Backlog(media.Audio); n != 0 {
		t.Errorf("backlog %d", n)
	}
}

// recorder is a link whose flows keep nothing, to count what this package allocates.
type recorder struct{ *pipeEnd }

type nullFlow struct {
	*pipeSend
	n rtmfp.MessageID
}

func (f *nullFlow) Write(_ rtmfp.Time, m rtmfp.Message) (rtmfp.MessageID, error) {
	m.Body.Release()
	f.n++
	return f.n, nil
}

func (r recorder) open(now rtmfp.Time, md []byte, assoc recvFlow, p rtmfp.Priority, critical bool, user *outFlow) (sendFlow, error) {
	f, err := r.pipeEnd.open(now, md, assoc, p, critical, user)
	return &nullFlow{pipeSend: f.(*pipeSend)}, err
}

// directRelay is a relay whose player writes to nowhere, without the test network's queue.
func directRelay(t *testing.T) (r *relay, frame func(typ uint8, ts uint32, b []byte)) {
	r = newRelay(t, 0)
	s := r.play.conn.Stream(r.playID)
	r.play.conn.link = recorder{r.play.far}
	s.lane.out = [outKinds]*outFlow{}
	audio, video := r.pub.open(r.pubID), r.pub.open(r.pubID)
	r.pub.write(video, typeVideo, 0, keyFrame)
	r.pub.write(audio, typeAudio, 0, soundFrame)
	r.run()
	r.direct = true
	now := r.now
	return r, func(typ uint8, ts uint32, b []byte) {
		in := audio.in
		if typ == typeVideo {
			in = video.in
		}
		now = now.Add(20 * time.Millisecond)
		m := rtmfp.NewBuffer(headerSize + len(b))
		appendHeader(m.Bytes()[:0], typ, ts)
		copy(m.Bytes()[headerSize:], b)
		r.pub.conn.incoming(now, in, m)
		for _, msg := range r.posted {
			r.shard.HandlePost(now, msg)
		}
		r.posted = r.posted[:0]
	}
}

// From the publisher's message to the players' flows nothing is allocated.
func TestRelayAllocatesNothing(t *testing.T) {
	r, frame := directRelay(t)
	ts := uint32(0)
	step := func() {
		ts += 20
		frame(typeVideo, ts, interFrame)
		frame(typeAudio, ts, soundFrame)
	}
	for range 1000 {
		step()
	}
	if allocs := testing.AllocsPerRun(1000, step); allocs > 0 && !raceEnabled {
		t.Errorf("%v allocations per two frames", allocs)
	}
	st := r.play.conn.Stream(r.playID).Listener().Stats(r.now)
	if st.Video.Frames < 2000 || st.Audio.Frames < 2000 {
		t.Errorf("frames did not get through: %+v", st)
	}
}

func BenchmarkRelay(b *testing.B) {
	_, frame := directRelay(&testing.T{})
	body := make([]byte, 1000)
	body[0], body[1] = 0x27, 1
	b.ReportAllocs()
	ts := uint32(0)
	for b.Loop() {
		ts += 20
		frame(typeVideo, ts, body)
	}
}
