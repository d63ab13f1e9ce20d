package media

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// Deadlines count from the moment the frame came.
func TestDeadlines(t *testing.T) {
	r := newRig(t, 1, Limits{})
	_, s := r.play(0, "cam", Options{})
	live(r)
	s.writes = nil
	av(r, 1000)
	r.push(Video, 20000, key("k1"))
	r.push(Video, 20000, inter("i1"))
	r.push(Audio, 20000, sound("s1"))
	r.push(Data, 20000, "onText…")
	at := func(d time.Duration) rtmfp.Time { return r.now.Add(d) }
	want := map[Role]WriteOptions{
		Key:   {StartBy: at(2000 * time.Millisecond), FinishBy: at(2100 * time.Millisecond)},
		Inter: {StartBy: at(2000 * time.Millisecond), FinishBy: at(2100 * time.Millisecond), Chain: true},
		Sound: {StartBy: at(2200 * time.Millisecond), FinishBy: at(2300 * time.Millisecond)},
	}
	for _, w := range s.writes {
		if w.o != want[w.role] {
			t.Errorf("%v: %+v, want %+v", w, w.o, want[w.role])
		}
	}
}

func TestUnbufferedSendsOnceButForKeyFramesAndHeaders(t *testing.T) {
	r := newRig(t, 1, Limits{})
	_, s := r.play(0, "cam", Options{Unbuffered: true})
	r.publish("cam")
	av(r, 0)
	r.push(Video, 0, key("k1"))
	r.push(Video, 40, inter("i1"))
	r.push(Audio, 50, sound("s1"))
	s.lost[videoIndex].count, s.lost[videoIndex].last = 1, s.ids[videoIndex]
	r.push(Video, 80, inter("i2"))
	for _, w := range s.writes {
		if want := w.role == Inter || w.role == Sound; w.o.Unreliable != want || w.o.Chain {
			t.Errorf("%v: %+v, want unreliable %v and no chain", w, w.o, want)
		}
	}
	if last := s.writes[len(s.writes)-1]; last.ts != 80 {
		t.Errorf("the last frame is %v: a gap must not stop an unbuffered listener", last)
	}
}

// live publishes, and passes the time in which it is not known yet whether the publisher sends a burst.
func live(r *rig) {
	r.publish("cam")
	r.push(Video, 0, key(""))
	r.pass(20 * time.Second)
}

// What a burst sends ahead of time is due when it plays, or later, and so are its deadlines.
func TestDeadlinesOfABurstFollowPlayback(t *testing.T) {
	r := newRig(t, 1, Limits{})
	_, s := r.play(0, "cam", Options{})
	r.publish("cam")
	for at := uint32(0); at <= 30_000; at += 1000 {
		r.push(Video, at, key(""))
	}
	for _, w := range s.writes {
		if play := r.now.Add(time.Duration(w.time)*time.Millisecond + videoStart); w.o.StartBy < play+5000*ms {
			t.Fatalf("frame of %d ms: start by %v, is played at %v", w.time, w.o.StartBy, play)
		}
	}
	// Who then goes on as time passes is in real time again, after a while.
	for at := uint32(30_000); at < 330_000; at += 1000 {
		r.push(Video, at, key(""))
		r.pass(time.Second)
	}
	w := s.writes[len(s.writes)-1]
	if lead := w.o.StartBy.Sub(w.now) - videoStart; lead > 0 {
		t.Errorf("minutes later frames still count as %v early", lead)
	}
}

func TestSlowClockAndJitterDoNotShortenDeadlines(t *testing.T) {
	r := newRig(t, 1, Limits{})
	_, s := r.play(0, "cam", Options{})
	live(r)
	s.writes = nil
	for at := uint32(20_000); at <= 30_000; at += 40 {
		r.push(Video, at, key(""))
		r.pass(time.Duration(40+at%50) * time.Millisecond)
	}
	for _, w := range s.writes {
		if left := w.o.StartBy.Sub(w.now); left < videoStart || left > videoStart+100*time.Millisecond {
			t.Fatalf("frame of %d ms has %v to start, want about %v", w.time, left, videoStart)
		}
	}
}

func TestAbandonedFrameStopsVideoUntilTheNextKeyFrame(t *testing.T) {
	r := newRig(t, 1, Limits{})
	l, s := r.play(0, "cam", Options{})
	r.publish("cam")
	r.push(Video, 0, key("k1"))   // 1
	r.push(Video, 40, inter("a")) // 2
	r.push(Video, 80, key("k2"))  // 3
	s.want("published", "video key @0 k1", "video inter @40 a", "video key @80 k2")

	// Given up before the newest key frame: that group is complete.
	s.lost[videoIndex].count, s.lost[videoIndex].last = 1, 2
	r.push(Video, 120, inter("b")) // 4
	s.want("video inter @120 b")

	s.lost[videoIndex].count, s.lost[videoIndex].last = 2, 4
	r.push(Video, 160, inter("c"))
	r.push(Audio, 165, sound("s"))
	r.push(Video, 200, inter("d"))
	s.want("audio sound @165 s")
	r.push(Video, 240, key("k3"))
	r.push(Video, 280, inter("e"))
	s.want("video key @240 k3", "video inter @280 e")
	if st := l.Stats(r.now); st.Video.Lost != 2 || st.Dropped[DropWaiting].Video != 2 {
		t.Errorf("stats %+v", st)
	}
}

// A flow that was replaced counts its messages from 1 again.
func TestAbandonedFramesOfAnEarlierFlowAreHistory(t *testing.T) {
	r := newRig(t, 1, Limits{})
	_, s := r.play(0, "cam", Options{})
	r.publish("cam")
	r.push(Video, 0, key("k1"))
	s.lost[videoIndex].count, s.lost[videoIndex].last = 5, 100
	r.push(Video, 40, inter("a"))
	s.ids = [numIndexes]uint64{}
	r.push(Video, 80, key("k2"))
	r.push(Video, 120, inter("b"))
	s.lost[videoIndex].count, s.lost[videoIndex].last = 0, 0
	r.push(Video, 160, inter("c"))
	s.want("published", "video key @0 k1", "video key @80 k2", "video inter @120 b", "video inter @160 c")
	s.lost[videoIndex].count, s.lost[videoIndex].last = 1, 3
	r.push(Video, 200, inter("d"))
	s.want()
}

// A new key frame replaces what waits since 0.5 s, but no header, and nothing that is younger.
func TestKeyFrameExpiresTheStaleRestBeforeIt(t *testing.T) {
	r := newRig(t, 1, Limits{})
	_, s := r.play(0, "cam", Options{})
	live(r)                              // 1
	r.push(Video, 20000, avcHeader("V")) // 2
	s.hold = true
	r.push(Video, 20000, key("k1")) // 3
	r.pass(40 * time.Millisecond)
	r.push(Video, 20040, inter("a")) // 4
	r.pass(40 * time.Millisecond)
	r.push(Video, 20080, avcHeader("V")) // 5
	r.push(Video, 20080, inter("b"))     // 6
	r.pass(320 * time.Millisecond)
	r.push(Video, 20400, inter("c")) // 7
	r.pass(180 * time.Millisecond)
	r.push(Video, 20580, key("k2")) // 8
	if want := []string{"video 3-4 +100ms", "video 6-6 +100ms"}; !slices.Equal(s.expired, want) {
		t.Errorf("expired %v, want %v", s.expired, want)
	}
	s.expired = nil
	r.pass(400 * time.Millisecond)
	s.waiting = s.waiting[len(s.waiting)-1:] // all but k2 went out
	r.push(Video, 20980, key("k3"))
	if s.expired != nil {
		t.Errorf("expired %v, but all that is older was sent", s.expired)
	}
}

func TestNothingIsQueuedBehindWhatIsTooLate(t *testing.T) {
	r := newRig(t, 1, Limits{})
	l, s := r.play(0, "cam", Options{})
	live(r)
	s.log, s.hold = nil, true
	r.push(Video, 20000, key("k1"))
	r.pass(lateLifetimes * videoStart)
	r.push(Video, 24000, inter("a"))
	r.pass(time.Millisecond)
	r.push(Video, 24001, inter("b"))
	r.push(Video, 24002, key("k2"))
	r.push(Audio, 24002, sound("s"))
	s.want("video key @20000 k1", "video inter @24000 a", "audio sound @24002 s")
	s.waiting = nil
	r.push(Video, 24040, inter("c"))
	r.push(Video, 24080, key("k3"))
	s.want("video key @24080 k3")
	if d := l.Stats(r.now).Dropped; d[DropLate].Video != 2 || d[DropWaiting].Video != 1 {
		t.Errorf("dropped %+v", d)
	}
}

func TestWaitingBytesAreBounded(t *testing.T) {
	r := newRig(t, 1, Limits{ListenerBytes: 1000})
	l, s := r.play(0, "cam", Options{})
	r.publish("cam")
	s.hold = true
	big := string(make([]byte, 490))
	r.push(Video, 0, key(big))
	r.push(Video, 1, inter(big))
	r.push(Video, 2, inter("full by now"))
	r.push(Video, 3, inter("no"))
	r.push(Video, 4, key("no"))
	r.push(Audio, 4, sound("a"))
	r.push(Audio, 5, sound(big[:120]))
	r.push(Audio, 6, sound("no"))
	for range 10 {
		r.push(Data, 5, big)
		r.push(Video, 5, avcHeader(big))
	}
	var bytes int
	for _, w := range s.waiting {
		bytes += len(w.body)
	}
	if bytes > 5500 {
		t.Errorf("%d bytes wait at a limit of 1000 (twice that for headers and for data)", bytes)
	}
	if d := l.Stats(r.now).Dropped[DropFull]; d.Video != 2 || d.Audio != 1 || d.Data == 0 {
		t.Errorf("dropped %+v", d)
	}
	s.waiting, s.log = nil, nil
	r.push(Video, 6, key("k"))
	s.want("video header @6 "+big, "video key @6 k")
}

// link is a sink with a network of so many bytes per second behind it: audio first, then video.
type link struct {
	rate    float64
	queues  [numIndexes][]*message
	ids     [numIndexes]uint64
	lost    [numIndexes]struct{ count, last uint64 }
	gone    [numIndexes]map[uint64]bool
	credit  float64
	arrived []string
	written []string
	at      rtmfp.Time
}

type message struct {
	id   uint64
	kind Kind
	role Role
	text string
	o    WriteOptions
	now  rtmfp.Time
	size float64
	left float64
}

func (k *link) Published(rtmfp.Time)   {}
func (k *link) Unpublished(rtmfp.Time) {}

func (k *link) Write(now rtmfp.Time, f *Frame, _ uint32, o WriteOptions) uint64 {
	i := f.Kind.index()
	k.ids[i]++
	m := &message{
		id: k.ids[i], kind: f.Kind, role: f.Role, text: label(f.Body.Bytes())[:4], o: o, now: now,
		size: float64(f.Body.Len()), left: float64(f.Body.Len()),
	}
	k.written = append(k.written, m.text)
	if o.Chain && k.gone[i][m.id-1] {
		k.abandon(i, m)
		return m.id
	}
	k.queues[i] = append(k.queues[i], m)
	return m.id
}

func (k *link) abandon(i int, m *message) {
	k.lost[i].count++
	k.lost[i].last = max(k.lost[i].last, m.id)
	if k.gone[i] == nil {
		k.gone[i] = make(map[uint64]bool)
	}
	k.gone[i][m.id] = true
}

func (k *link) Backlog(kind Kind) (bytes int, oldest rtmfp.Time) {
	for _, m := range k.queues[kind.index()] {
		if m.left == m.size {
			bytes += int(m.size)
			if oldest == 0 {
				oldest = m.now
			}
		}
	}
	return bytes, oldest
}

func (k *link) Expire(kind Kind, from, to uint64, startBy, _ rtmfp.Time) {
	for _, m := range k.queues[kind.index()] {
		if m.id >= from && m.id <= to && (m.o.StartBy == 0 || m.o.StartBy > startBy) {
			m.o.StartBy = startBy
		}
	}
}

func (k *link) Abandoned(kind Kind) (count, last uint64) {
	return k.lost[kind.index()].count, k.lost[kind.index()].last
}

// run lets the time from the last call to now pass.
func (k *link) run(now rtmfp.Time) {
	if k.at != 0 {
		k.credit = min(k.credit+k.rate*now.Sub(k.at).Seconds(), max(3000, k.rate/50))
	}
	k.at = now
	for _, i := range []int{audioIndex, videoIndex, dataIndex} {
		k.expire(i, now)
		for len(k.queues[i]) > 0 && k.credit > 0 {
			m := k.queues[i][0]
			n := min(k.credit, m.left)
			k.credit -= n
			if m.left -= n; m.left == 0 {
				k.queues[i] = k.queues[i][1:]
				k.arrived = append(k.arrived, m.text)
			}
		}
	}
}

func (k *link) expire(i int, now rtmfp.Time) {
	kept := k.queues[i][:0]
	for _, m := range k.queues[i] {
		started := m.left < m.size
		late := m.o.StartBy != 0 && now > m.o.StartBy && !started || m.o.FinishBy != 0 && now > m.o.FinishBy
		if late || m.o.Chain && k.gone[i][m.id-1] {
			k.abandon(i, m)
		} else {
			kept = append(kept, m)
		}
	}
	k.queues[i] = kept
}

// film pushes a stream of 50 pictures and 50 sounds per second with a key frame every second: video of
// videoRate and audio of audioRate bytes per second. Texts are K, I or A and a number.
func film(r *rig, seconds int, speed float64, videoRate, audioRate int, each func()) (video, audio []string) {
	v, a := make([]byte, videoRate/50), make([]byte, audioRate/50)
	for n := range seconds * 50 {
		text, head := fmt.Sprintf("I%03d", n%1000), inter("")
		if n%50 == 0 {
			text, head = fmt.Sprintf("K%03d", n%1000), key("")
		}
		video = append(video, text)
		copy(v, head+text)
		r.push(Video, uint32(n*20), string(v))
		text = fmt.Sprintf("A%03d", n%1000)
		audio = append(audio, text)
		copy(a, sound("")+text)
		r.push(Audio, uint32(n*20), string(a))
		r.pass(time.Duration(float64(20*time.Millisecond) / speed))
		each()
	}
	return video, audio
}

// split checks that no inter frame arrived without the picture before it, and returns what arrived.
func split(t *testing.T, arrived []string) (video, audio []string) {
	t.Helper()
	for _, text := range arrived {
		if text[0] == 'A' {
			audio = append(audio, text)
			continue
		}
		if text[0] == 'I' {
			var n, before int
			fmt.Sscanf(text, "I%d", &n)
			if len(video) > 0 {
				fmt.Sscanf(video[len(video)-1][1:], "%d", &before)
			}
			if len(video) == 0 || before != (n+999)%1000 {
				t.Fatalf("%s arrived after %v", text, video[max(0, len(video)-3):])
			}
		}
		video = append(video, text)
	}
	return video, audio
}

func (r *rig) playLink(k *link) *Listener {
	return r.shards[0].Subscribe(r.now, "", "cam", k, Options{})
}

// drain lets the network work until nothing is queued.
func (r *rig) drain(k *link) {
	for range 60_000 {
		if len(k.queues[audioIndex])+len(k.queues[videoIndex])+len(k.queues[dataIndex]) == 0 {
			return
		}
		r.pass(10 * time.Millisecond)
		k.run(r.now)
	}
	r.t.Fatal("the network does not come to rest")
}

func TestNetworkThatSufficesLosesNothing(t *testing.T) {
	for _, c := range []struct {
		name  string
		speed float64
		rate  float64
	}{
		{"real time", 1, 55_000},
		{"burst over a network of twice the rate", 100, 100_000},
		{"burst over a network that just plays it", 1000, 51_000},
		{"slow burst over a network that just plays it", 10, 51_000},
		{"double speed", 2, 55_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, 1, Limits{})
			k := &link{rate: c.rate}
			l := r.playLink(k)
			r.publish("cam")
			video, audio := film(r, 20, c.speed, 42_000, 8_000, func() { k.run(r.now) })
			r.drain(k)
			gotVideo, gotAudio := split(t, k.arrived)
			if !slices.Equal(gotVideo, video) || !slices.Equal(gotAudio, audio) {
				t.Errorf("%d of %d pictures and %d of %d sounds arrived; %+v", len(gotVideo), len(video), len(gotAudio), len(audio), l.Stats(r.now))
			}
		})
	}
}

func TestCongestionCostsPicturesNotSound(t *testing.T) {
	for _, rate := range []float64{45_000, 30_000, 15_000, 9_000} {
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			r := newRig(t, 1, Limits{})
			k := &link{rate: rate}
			r.playLink(k)
			r.publish("cam")
			video, audio := film(r, 60, 1, 42_000, 8_000, func() { k.run(r.now) })
			r.drain(k)
			gotVideo, gotAudio := split(t, k.arrived)
			if !slices.Equal(gotAudio, audio) {
				t.Errorf("%d of %d sounds arrived", len(gotAudio), len(audio))
			}
			share := float64(len(gotVideo)) / float64(len(video))
			if room := (rate - 8_000) / 42_000; share < room*0.6 || share > room*1.1+0.02 {
				t.Errorf("%.0f %% of the pictures arrived, the network has room for %.0f %%", 100*share, 100*room)
			}
		})
	}
}

func TestShortOutageIsForgotten(t *testing.T) {
	r := newRig(t, 1, Limits{})
	k := &link{rate: 200_000}
	r.playLink(k)
	r.publish("cam")
	n := 0
	video, audio := film(r, 20, 1, 42_000, 8_000, func() {
		k.rate = 200_000
		if n++; n >= 250 && n < 320 { // 1.4 s without network
			k.rate = 0
		}
		k.run(r.now)
	})
	r.drain(k)
	gotVideo, gotAudio := split(t, k.arrived)
	if len(gotAudio) != len(audio) || len(gotVideo) < len(video)-60 {
		t.Errorf("%d of %d pictures and %d of %d sounds arrived", len(gotVideo), len(video), len(gotAudio), len(audio))
	}
}

// When not even audio gets through, no picture is written, however empty its own queue is.
func TestNeverAudioBeforeVideo(t *testing.T) {
	r := newRig(t, 1, Limits{})
	l, s := r.play(0, "cam", Options{})
	live(r)
	r.push(Video, 20_000, key("k1"))
	s.log, s.hold = nil, true
	r.push(Audio, 20_000, sound("s1")) // and there it stays
	s.hold = false
	r.pass(lateLifetimes*audioStart + 1)
	r.push(Video, 24_000, inter("i1"))
	r.push(Audio, 24_010, sound("s2"))
	r.push(Video, 24_040, inter("i2"))
	r.push(Video, 24_080, key("k2"))
	s.want("audio sound @20000 s1", "video inter @24000 i1")
	s.waiting = nil
	r.push(Video, 24_120, inter("i3"))
	r.push(Audio, 24_130, sound("s3"))
	r.push(Video, 24_160, inter("i4"))
	r.push(Video, 24_200, key("k3"))
	s.want("audio sound @24130 s3", "video key @24200 k3")
	if d := l.Stats(r.now).Dropped[DropLate]; d.Audio != 1 || d.Video != 1 {
		t.Errorf("dropped %+v", d)
	}
}

func TestMemoryIsBoundedWhenABurstMeetsASlowNetwork(t *testing.T) {
	r := newRig(t, 1, Limits{ListenerBytes: 256 << 10})
	k := &link{rate: 20_000}
	l := r.playLink(k)
	r.publish("cam")
	most := 0
	film(r, 60, 100, 42_000, 8_000, func() {
		k.run(r.now)
		a, _ := k.Backlog(Audio)
		v, _ := k.Backlog(Video)
		most = max(most, a+v)
	})
	if most > 9*(32<<10)+2000 || most < 256<<10 {
		t.Errorf("%d bytes waited, the limit is %d and an eighth more for audio", most, 256<<10)
	}
	if d := l.Stats(r.now).Dropped[DropFull]; d.Video == 0 {
		t.Errorf("dropped %+v", l.Stats(r.now).Dropped)
	}
	split(t, k.arrived)
}

func TestSlowListenerHarmsNoOther(t *testing.T) {
	r := newRig(t, 1, Limits{})
	stuck, good := &link{}, &link{rate: 100_000}
	l := r.playLink(stuck)
	r.playLink(good)
	r.publish("cam")
	video, audio := film(r, 60, 1, 42_000, 8_000, func() { good.run(r.now); stuck.run(r.now) })
	r.drain(good)
	gotVideo, gotAudio := split(t, good.arrived)
	if len(gotVideo) != len(video) || len(gotAudio) != len(audio) {
		t.Errorf("the good listener got %d of %d pictures, %d of %d sounds", len(gotVideo), len(video), len(gotAudio), len(audio))
	}
	if len(stuck.arrived) != 0 {
		t.Errorf("%d arrived without network", len(stuck.arrived))
	}
	if v, _ := stuck.Backlog(Video); v > 5*42_000 {
		t.Errorf("%d bytes of video wait for nothing: %+v", v, l.Stats(r.now))
	}
}
