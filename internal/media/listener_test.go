package media

import (
	"fmt"
	"testing"
	"time"
)

// av pushes the usual beginning of a stream.
func av(r *rig, t uint32) {
	r.metadata("onMetaData", "onMetaData…")
	r.push(Audio, t, aacHeader("A"))
	r.push(Video, t, avcHeader("V"))
}

func TestListenerFromTheStartGetsEverything(t *testing.T) {
	r := newRig(t, 1, Limits{})
	_, s := r.play(0, "cam", Options{})
	r.publish("cam")
	av(r, 5000)
	r.push(Audio, 5000, sound("s1"))
	r.push(Video, 5021, key("k1"))
	r.push(Audio, 5023, sound("s2"))
	r.push(Video, 5061, inter("i1"))
	s.want("published", "data meta @0 onMetaData…", "audio header @0 A", "video header @0 V",
		"audio sound @0 s1", "video key @21 k1", "audio sound @23 s2", "video inter @61 i1")
}

func TestLateListenerStartsAtAKeyFrame(t *testing.T) {
	r := newRig(t, 1, Limits{})
	r.publish("cam")
	av(r, 0)
	r.push(Video, 0, key("k1"))
	r.push(Audio, 10, sound("s1"))
	_, s := r.play(0, "cam", Options{})
	s.want("published", "data meta @0 onMetaData…")
	r.push(Video, 40, inter("i1"))
	r.push(Audio, 45, sound("s2"))
	s.want()
	r.push(Video, 80, key("k2"))
	r.push(Audio, 91, sound("s3"))
	r.push(Video, 120, inter("i2"))
	s.want("audio header @0 A", "video header @0 V", "video key @0 k2", "audio sound @11 s3", "video inter @40 i2")
}

// A header that comes while a late listener waits is neither lost nor sent twice.
func TestNewestHeaderOnlyOnce(t *testing.T) {
	r := newRig(t, 1, Limits{})
	r.publish("cam")
	av(r, 0)
	r.push(Video, 0, key("k1"))
	_, s := r.play(0, "cam", Options{})
	s.want("published", "data meta @0 onMetaData…")
	r.push(Video, 40, avcHeader("V2"))
	s.want()
	r.push(Video, 40, key("k2"))
	s.want("audio header @0 A", "video header @0 V2", "video key @0 k2")
	r.push(Video, 80, avcHeader("V3"))
	r.push(Video, 80, key("k3"))
	s.want("video header @40 V3", "video key @40 k3")
}

func TestSecondListenerOfAShardIsLateToo(t *testing.T) {
	r := newRig(t, 1, Limits{})
	_, first := r.play(0, "cam", Options{})
	r.publish("cam")
	av(r, 0)
	r.push(Video, 0, key("k1"))
	_, second := r.play(0, "cam", Options{})
	r.push(Video, 40, inter("i1"))
	r.push(Video, 80, key("k2"))
	first.want("published", "data meta @0 onMetaData…", "audio header @0 A", "video header @0 V",
		"video key @0 k1", "video inter @40 i1", "video key @80 k2")
	second.want("published", "data meta @0 onMetaData…", "audio header @0 A", "video header @0 V", "video key @0 k2")
}

func TestListenerBetweenHeadersAndFirstFrameMissesNothing(t *testing.T) {
	r := newRig(t, 1, Limits{})
	r.publish("cam")
	r.push(Audio, 0, aacHeader("A"))
	_, s := r.play(0, "cam", Options{})
	r.push(Audio, 0, sound("s1"))
	r.push(Video, 0, avcHeader("V"))
	r.push(Video, 7, key("k1"))
	s.want("published", "audio header @0 A", "audio sound @0 s1", "video header @0 V", "video key @7 k1")
}

func TestAudioOnlyStartsAtOnce(t *testing.T) {
	r := newRig(t, 1, Limits{})
	r.publish("radio")
	r.push(Audio, 0, aacHeader("A"))
	r.push(Audio, 0, sound("s1"))
	_, s := r.play(0, "radio", Options{})
	r.push(Audio, 23, sound("s2"))
	s.want("published", "audio header @0 A", "audio sound @0 s2")
}

func TestAudioDoesNotWaitForVideoThatStopped(t *testing.T) {
	r := newRig(t, 1, Limits{})
	r.publish("cam")
	r.push(Video, 0, key("k1"))
	_, s := r.play(0, "cam", Options{})
	r.push(Audio, 10, sound("s1"))
	r.pass(videoAlive)
	r.push(Audio, 2010, sound("s2"))
	r.push(Video, 2020, key("k2"))
	s.want("published", "audio sound @0 s2", "video key @10 k2")
}

func TestAudioDoesNotWaitForEverForAKeyFrame(t *testing.T) {
	r := newRig(t, 1, Limits{})
	r.publish("cam")
	r.push(Video, 0, key("k1"))
	_, s := r.play(0, "cam", Options{})
	at := uint32(0)
	for begin := r.now; r.now.Sub(begin) < maxHold; at += 1000 {
		r.push(Video, at, inter("i"))
		r.push(Audio, at, sound("s"))
		r.pass(time.Second)
	}
	s.want("published")
	r.push(Audio, at, sound("now"))
	r.push(Video, at+5, inter("i"))
	r.push(Video, at+10, key("k2"))
	s.want("audio sound @0 now", "video key @10 k2")
}

func TestListenerSurvivesItsPublisher(t *testing.T) {
	r := newRig(t, 2, Limits{})
	l, s := r.play(1, "cam", Options{})
	s.want()
	p := r.publish("cam")
	av(r, 0)
	r.push(Video, 0, key("k1"))
	r.push(Audio, 500, sound("s1"))
	p.Close()
	r.run()
	s.want("published", "data meta @0 onMetaData…", "audio header @0 A", "video header @0 V",
		"video key @0 k1", "audio sound @500 s1", "unpublished")
	if l.Publication() != nil {
		t.Error("a listener without publisher has a publication")
	}
	r.pass(time.Minute)

	// The new publisher has no audio header: the one of the old must not be sent.
	p = r.publish("cam")
	r.push(Video, 900_000, avcHeader("W"))
	r.push(Video, 900_000, key("k2"))
	r.push(Audio, 900_020, sound("s2"))
	s.want("published", "video header @501 W", "video key @501 k2", "audio sound @521 s2")

	p.Close()
	r.run()
	l.Close(r.now)
	s.want("unpublished")
	r.checkEmpty()
}

func TestTimesContinueWhenThePublishersClockJumps(t *testing.T) {
	for _, c := range []struct {
		name  string
		times []uint32
		want  []uint32
	}{
		{"steady", []uint32{1000, 1040, 1080}, []uint32{0, 40, 80}},
		{"small gap stays", []uint32{0, 40, 4040}, []uint32{0, 40, 4040}},
		{"ahead", []uint32{0, 40, 100_000, 100_040}, []uint32{0, 40, 41, 81}},
		{"back to zero", []uint32{50_000, 50_040, 0, 40}, []uint32{0, 40, 41, 81}},
		{"small step back", []uint32{1000, 1040, 1030, 1070}, []uint32{0, 40, 30, 70}},
		{"wrap", []uint32{1<<32 - 40, 1<<32 - 1, 39, 79}, []uint32{0, 39, 79, 119}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, 1, Limits{})
			_, s := r.play(0, "cam", Options{})
			r.publish("cam")
			for _, at := range c.times {
				r.push(Video, at, key(""))
			}
			for i, w := range s.writes {
				if w.ts != c.want[i] {
					t.Errorf("frame at %d: %d, want %d", w.time, w.ts, c.want[i])
				}
			}
		})
	}
}

// A publisher that paused for a minute keeps its minute.
func TestGapThatReallyPassedIsNoJump(t *testing.T) {
	r := newRig(t, 1, Limits{})
	_, s := r.play(0, "cam", Options{})
	r.publish("cam")
	r.push(Video, 0, key("k1"))
	r.pass(time.Minute)
	r.push(Video, 60_000, key("k2"))
	s.want("published", "video key @0 k1", "video key @60000 k2")
}

// Audio has a flow of its own and a higher priority: in a burst it may be ahead by the whole file,
// and when a file is repeated it jumps before the video does.
func TestAudioAheadOfVideoKeepsOneTimeline(t *testing.T) {
	r := newRig(t, 1, Limits{})
	_, s := r.play(0, "cam", Options{})
	r.publish("cam")
	for round := range 2 {
		for at := uint32(0); at < 20_000; at += 1000 {
			r.push(Audio, at, sound(""))
		}
		for at := uint32(0); at < 20_000; at += 1000 {
			r.push(Video, at, key(""))
		}
		for _, w := range s.writes {
			if want := w.time + uint32(round)*19_001; w.ts != want {
				t.Fatalf("round %d: %v of %d came at %d, want %d", round, w.kind, w.time, w.ts, want)
			}
		}
		s.writes = nil
	}
}

func TestVideoStillOnTheOldTimelineAfterAudioJumped(t *testing.T) {
	r := newRig(t, 1, Limits{})
	_, s := r.play(0, "cam", Options{})
	r.publish("cam")
	r.push(Audio, 20_000, sound(""))
	r.push(Video, 20_000, key(""))
	r.push(Audio, 0, sound(""))
	r.push(Video, 20_040, inter(""))
	r.push(Audio, 23, sound(""))
	r.push(Video, 0, key(""))
	r.push(Video, 40, inter(""))
	s.want("published", "audio sound @0", "video key @0", "audio sound @1", "video inter @40",
		"audio sound @24", "video key @40", "video inter @41")
}

// Flows may overtake each other by a little at the start. Nothing gets a time before 0.
func TestNoTimeBeforeZero(t *testing.T) {
	r := newRig(t, 1, Limits{})
	_, s := r.play(0, "cam", Options{})
	r.publish("cam")
	r.push(Audio, 123, sound(""))
	r.push(Video, 100, key(""))
	r.push(Video, 140, inter(""))
	s.want("published", "audio sound @0", "video key @0", "video inter @17")
}

func TestMute(t *testing.T) {
	r := newRig(t, 1, Limits{})
	l, s := r.play(0, "cam", Options{MuteVideo: true})
	r.publish("cam")
	av(r, 0)
	r.push(Video, 0, key("k1"))
	r.push(Audio, 10, sound("s1"))
	s.want("published", "data meta @0 onMetaData…", "audio header @0 A", "video header @0 V", "audio sound @10 s1")

	l.SetVideo(r.now, true)
	l.SetAudio(false)
	r.push(Video, 40, inter("i1"))
	r.push(Audio, 45, sound("s2"))
	r.push(Video, 80, key("k2"))
	r.push(Video, 120, inter("i2"))
	s.want("video key @80 k2", "video inter @120 i2")

	// Switching on what is on changes nothing.
	l.SetVideo(r.now, true)
	l.SetAudio(true)
	r.push(Video, 160, inter("i3"))
	r.push(Audio, 165, sound("s3"))
	s.want("video inter @160 i3", "audio sound @165 s3")
	d := l.Stats(r.now).Dropped
	if d[DropMuted].Video != 1 || d[DropMuted].Audio != 1 || d[DropWaiting].Video != 1 {
		t.Errorf("dropped %+v", d)
	}
}

func TestMutedVideoDoesNotHoldAudioBack(t *testing.T) {
	r := newRig(t, 1, Limits{})
	r.publish("cam")
	av(r, 0)
	r.push(Video, 0, key("k1"))
	_, s := r.play(0, "cam", Options{MuteVideo: true})
	r.push(Audio, 10, sound("s1"))
	s.want("published", "data meta @0 onMetaData…", "audio header @0 A", "video header @0 V", "audio sound @0 s1")
}

func TestPauseResumesAtAKeyFrame(t *testing.T) {
	r := newRig(t, 1, Limits{})
	l, s := r.play(0, "cam", Options{})
	r.publish("cam")
	r.push(Video, 0, avcHeader("V"))
	r.push(Video, 0, key("k1"))
	r.push(Audio, 10, sound("s1"))
	l.Pause(r.now)
	r.push(Video, 40, inter("i1"))
	r.push(Video, 40, avcHeader("V2"))
	r.push(Data, 40, "onText…")
	r.push(Audio, 8000, sound("s2"))
	l.Resume(r.now)
	l.Resume(r.now)
	r.push(Audio, 8020, sound("s3"))
	r.push(Video, 8040, inter("i2"))
	r.push(Video, 8080, key("k2"))
	r.push(Audio, 8090, sound("s4"))
	s.want("published", "video header @0 V", "video key @0 k1", "audio sound @10 s1", "data message @40 onText…",
		"video header @11 V2", "video key @11 k2", "audio sound @21 s4")
	if d := l.Stats(r.now).Dropped[DropPaused]; d.Video != 1 || d.Audio != 1 {
		t.Errorf("dropped while paused: %+v", d)
	}
}

// One who resumes joins a running stream, however long ago it was that it came.
func TestResumeHoldsAudioForTheKeyFrame(t *testing.T) {
	r := newRig(t, 1, Limits{})
	l, s := r.play(0, "cam", Options{})
	r.publish("cam")
	r.push(Video, 0, key("k1"))
	l.Pause(r.now)
	r.pass(2 * maxHold)
	r.push(Video, 30_000, inter("i1"))
	l.Resume(r.now)
	r.push(Audio, 30_010, sound("s1"))
	r.push(Video, 30_040, key("k2"))
	s.want("published", "video key @0 k1", "video key @1 k2")
}

func TestListenerFromTheStartGetsAudioBeforeAnyKeyFrame(t *testing.T) {
	r := newRig(t, 1, Limits{})
	_, s := r.play(0, "cam", Options{})
	r.publish("cam")
	r.push(Video, 0, inter("cannot be shown"))
	r.push(Audio, 10, sound("s1"))
	r.push(Video, 40, key("k1"))
	s.want("published", "audio sound @0 s1", "video key @30 k1")
}

// What the publisher before did says nothing about the next one.
func TestNextPublisherIsNotMeasuredByTheLast(t *testing.T) {
	r := newRig(t, 2, Limits{})
	_, stays := r.play(0, "cam", Options{})
	p := r.publish("cam")
	r.push(Video, 0, key("k1"))
	p.Close()
	r.publish("cam")
	_, early := r.play(1, "cam", Options{})
	r.push(Video, 0, inter("cannot be shown"))
	r.push(Audio, 0, sound("s1"))
	early.want("published", "audio sound @0 s1")

	r.pub.Close()
	r.run()
	early.l.Close(r.now)
	r.publish("cam")
	r.push(Audio, 0, sound("s2"))
	_, late := r.play(1, "cam", Options{})
	r.push(Audio, 20, sound("s3"))
	late.want("published", "audio sound @0 s3")
	stays.want("published", "video key @0 k1", "unpublished",
		"published", "audio sound @1 s1", "unpublished", "published", "audio sound @2 s2", "audio sound @22 s3")
}

func TestMetadataIsKeptPerHandler(t *testing.T) {
	r := newRig(t, 1, Limits{})
	r.publish("cam")
	r.metadata("onMetaData", "old")
	r.metadata("onCuePoint", "cue")
	r.metadata("onMetaData", "new")
	_, s := r.play(0, "cam", Options{})
	s.want("published", "data meta @0 new", "data meta @0 cue")

	r.pub.ClearMetadata("onMetaData")
	r.run()
	s.want()
	_, s = r.play(0, "cam", Options{})
	s.want("published", "data meta @0 cue")
	r.pub.ClearMetadata("")
	r.run()
	_, s = r.play(0, "cam", Options{})
	s.want("published")
}

func TestMetadataMemoryIsBounded(t *testing.T) {
	r := newRig(t, 1, Limits{})
	r.publish("cam")
	_, early := r.play(0, "cam", Options{})
	for i := range 100 {
		r.metadata(fmt.Sprint("handler", i), "x")
	}
	r.metadata("handler0", string(make([]byte, maxKeptBytes)))
	if n := len(early.writes); n != 101 {
		t.Errorf("the listener got %d messages, want all 101", n)
	}
	_, late := r.play(0, "cam", Options{})
	if n := len(late.writes); n != maxMetadata-1 {
		t.Errorf("a late listener got %d, want %d", n, maxMetadata-1)
	}
}

// The enhanced headers with a FourCC (enhanced RTMP v2), HDR information beside the configuration.
func TestEnhancedCodecs(t *testing.T) {
	for _, c := range []struct{ name, audio, video, hdr, key, inter, sound string }{
		{"HEVC and Opus", "\x90Opus", "\x90hvc1", "\x94hvc1", "\x91hvc1\x00\x00\x00", "\xa1hvc1\x00\x00\x00", "\x91Opus"},
		{"AV1 and AAC", "\x90mp4a", "\x90av01", "\x94av01", "\x91av01", "\xa1av01", "\x91mp4a"},
		{"AVC without composition time", "\x90fLaC", "\x90avc1", "\x94avc1", "\x93avc1", "\xa3avc1", "\x91fLaC"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, 1, Limits{})
			r.publish("cam")
			r.push(Audio, 0, c.audio+"old")
			r.push(Audio, 0, c.audio)
			r.push(Video, 0, c.video)
			r.push(Video, 0, c.hdr)
			r.push(Video, 0, c.key)
			r.push(Video, 40, c.inter)
			_, s := r.play(0, "cam", Options{})
			r.push(Video, 80, c.inter)
			r.push(Audio, 85, c.sound)
			r.push(Video, 120, c.key)
			r.push(Audio, 130, c.sound)
			r.push(Video, 160, c.inter)
			s.want("published", "audio header @0 "+c.audio, "video header @0 "+c.video, "video header @0 "+c.hdr,
				"video key @0 "+c.key, "audio sound @10 "+c.sound, "video inter @40 "+c.inter)
			if h := r.pub.Header(Audio); string(h) != c.audio {
				t.Errorf("audio header %q", h)
			}
		})
	}
}

func TestHeadersKeptAreBounded(t *testing.T) {
	r := newRig(t, 1, Limits{})
	p := r.publish("cam")
	_, early := r.play(0, "cam", Options{})
	for track := range 100 {
		r.push(Video, 0, "\x96\x00hvc1"+string(rune(track))) // configuration of one track of many
	}
	if n := len(early.writes); n != 100 {
		t.Errorf("a listener got %d headers of 100", n)
	}
	r.push(Video, 0, key("k1"))
	_, late := r.play(0, "cam", Options{})
	r.push(Video, 0, key("k2"))
	if n := len(late.writes); n != maxHeaders+1 {
		t.Errorf("a late listener got %d messages, want %d headers and a key frame", n, maxHeaders)
	}
	r.push(Video, 0, avcHeader(string(make([]byte, maxKeptBytes))))
	if n := len(p.Header(Video)); n > 100 {
		t.Errorf("a header of %d bytes was kept", n)
	}
	p.Close()
	early.l.Close(r.now)
	late.l.Close(r.now)
	r.run()
	r.checkEmpty()
	if w := late.writes[len(late.writes)-1]; w.role != Mark || w.o != (WriteOptions{}) {
		t.Errorf("the huge header went out as %v", w.role)
	}
}

func TestEndOfSequenceAndSilenceArrive(t *testing.T) {
	r := newRig(t, 1, Limits{})
	_, s := r.play(0, "cam", Options{})
	r.publish("cam")
	r.push(Video, 0, key("k1"))
	_, late := r.play(0, "cam", Options{})
	r.push(Video, 40, avcEnd())
	r.push(Audio, 41, "")
	s.want("published", "video key @0 k1", "video mark @40", "audio mark @41")
	late.want("published")
	for _, w := range s.writes[1:] {
		if w.o != (WriteOptions{}) {
			t.Errorf("%v has delivery rules %+v: it must not be given up", w, w.o)
		}
	}
}

// A sink may close listeners and open others while it is called.
func TestSinkChangesListenersWhileCalled(t *testing.T) {
	r := newRig(t, 1, Limits{})
	_, a := r.play(0, "cam", Options{})
	lb, b := r.play(0, "cam", Options{})
	var c *fakeSink
	a.onWrite = func(written) {
		a.l.Close(r.now)
		lb.Close(r.now)
		if c == nil {
			_, c = r.play(0, "cam", Options{})
		}
	}
	r.publish("cam")
	r.push(Video, 0, key("k1"))
	r.push(Video, 40, key("k2"))
	a.want("published", "video key @0 k1")
	b.want("published")
	c.want("published", "video key @0 k2")

	// One that leaves as soon as it hears of the publisher.
	d := &fakeSink{rig: r}
	d.onEvent = func(string) { r.pub.Listeners()[1].Close(r.now) }
	r.shards[0].Subscribe(r.now, "", "cam", d, Options{})
	r.push(Video, 80, key("k3"))
	d.want("published")

	// One that leaves in the middle of what a key frame brings.
	r.push(Video, 120, avcHeader("V"))
	_, e := r.play(0, "cam", Options{})
	e.onWrite = func(written) { e.l.Close(r.now) }
	r.push(Video, 120, key("k4"))
	e.want("published", "video header @0 V")
	c.l.Close(r.now)
	r.pub.Close()
	r.run()
	r.checkEmpty()
}

func TestRefusedFramesAreNotMissedSilently(t *testing.T) {
	r := newRig(t, 1, Limits{})
	l, s := r.play(0, "cam", Options{})
	r.publish("cam")
	r.push(Video, 0, avcHeader("V"))
	r.push(Video, 0, key("k1"))
	s.refuse = true
	r.push(Video, 40, inter("i1"))
	r.push(Video, 80, avcHeader("V2"))
	s.refuse = false
	r.push(Video, 80, inter("i2"))
	r.push(Video, 120, key("k2"))
	s.want("published", "video header @0 V", "video key @0 k1", "video header @120 V2", "video key @120 k2")
	if d := l.Stats(r.now).Dropped; d[DropRefused].Video != 2 || d[DropWaiting].Video != 1 {
		t.Errorf("dropped %+v", d)
	}
}

func TestLossAtThePublisherSkipsToAKeyFrame(t *testing.T) {
	r := newRig(t, 1, Limits{})
	_, s := r.play(0, "cam", Options{})
	p := r.publish("cam")
	r.push(Video, 0, key("k1"))
	p.Lost(Audio, 2)
	r.push(Video, 40, inter("i1"))
	p.Lost(Video, 1)
	r.push(Video, 80, inter("i2"))
	r.push(Audio, 85, sound("s1"))
	r.push(Video, 120, key("k2"))
	r.push(Video, 160, inter("i3"))
	s.want("published", "video key @0 k1", "video inter @40 i1", "audio sound @85 s1", "video key @120 k2", "video inter @160 i3")
	st := p.Stats(r.now)
	if st.DroppedFrames != 1 || st.Video.Lost != 1 || st.Audio.Lost != 2 || st.LastTime != 160 {
		t.Errorf("stats %+v", st)
	}
}

func TestByteRateIsTheMeanOfFourSeconds(t *testing.T) {
	r := newRig(t, 1, Limits{})
	l, _ := r.play(0, "cam", Options{})
	p := r.publish("cam")
	for at := uint32(0); at < 10_000; at += 100 {
		r.push(Audio, at, sound(string(make([]byte, 98))))
		r.pass(100 * time.Millisecond)
	}
	for _, rate := range []float64{p.Stats(r.now).Audio.ByteRate, l.Stats(r.now).Audio.ByteRate} {
		if rate < 850 || rate > 1050 {
			t.Errorf("rate %.0f bytes/s, want about 1000", rate)
		}
	}
	if st := p.Stats(r.now); st.Audio.Frames != 100 || st.Audio.Bytes != 10_000 {
		t.Errorf("stats %+v", st.Audio)
	}
	r.pass(5 * time.Second)
	if rate := p.Stats(r.now).Audio.ByteRate; rate != 0 {
		t.Errorf("rate %.0f after five silent seconds, want 0", rate)
	}
}
