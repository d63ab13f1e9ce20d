package media

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// fakeTarget queues what it gets until take is called, like a link or a script that is behind.
type fakeTarget struct {
	queue []*Frame
}

func (t *fakeTarget) Post(_ *Attachment, f *Frame) { t.queue = append(t.queue, f) }

// take empties the queue and names what was in it.
func (t *fakeTarget) take(a *Attachment) string {
	var names []string
	for _, f := range t.queue {
		if a.Accept(f) {
			names = append(names, nameOf(f))
		}
		f.Release()
	}
	t.queue = t.queue[:0]
	return strings.Join(names, " ")
}

func nameOf(f *Frame) string {
	switch f.Role {
	case Published:
		return "published"
	case Unpublished:
		return "unpublished"
	case Cleared:
		return "cleared:" + f.Handler
	}
	return label(f.Body.Bytes())
}

func (r *rig) attach(name string, kinds Kinds) (*fakeTarget, *Attachment, Snapshot) {
	r.t.Helper()
	t := &fakeTarget{}
	a, snap, err := r.hub.Attach(name, t, kinds)
	if err != nil {
		r.t.Fatal(err)
	}
	return t, a, snap
}

func wantTaken(t *testing.T, f *fakeTarget, a *Attachment, want string) {
	t.Helper()
	if got := f.take(a); got != want {
		t.Errorf("target got %q, want %q", got, want)
	}
}

func TestTargetSeesEverythingInOrder(t *testing.T) {
	r := newRig(t, 1, Limits{})
	f, a, snap := r.attach("cam", AllKinds)
	if snap.Live || len(snap.Metadata)+len(snap.Headers) != 0 {
		t.Errorf("snapshot of a name without publisher: %+v", snap)
	}
	p := r.publish("cam")
	av(r, 0)
	r.push(Video, 0, key("k1"))
	r.push(Data, 5, "text")
	r.push(Audio, 10, sound("s1"))
	p.ClearMetadata("onMetaData")
	p.Close()
	wantTaken(t, f, a, "published onMetaData… A V k1 text s1 cleared:onMetaData unpublished")
	a.Detach()
	r.run()
	r.checkEmpty()
}

func TestTargetGetsTheKindsItWants(t *testing.T) {
	r := newRig(t, 1, Limits{})
	p := r.publish("cam")
	av(r, 0)
	r.push(Video, 0, key("k1"))
	f, a, snap := r.attach("cam", AudioKind)
	if !snap.Live || snap.Metadata != nil || len(snap.Headers) != 1 || nameOf(snap.Headers[0]) != "A" {
		t.Errorf("snapshot %+v, want the audio header alone", snap)
	}
	snap.Release()
	r.metadata("onMetaData", "meta")
	r.push(Video, 40, inter("i1"))
	r.push(Audio, 41, sound("s1"))
	r.push(Data, 42, "text")
	p.Close()
	wantTaken(t, f, a, "s1 unpublished")
	a.Detach()
	r.run()
	r.checkEmpty()
}

func TestSnapshotIsTheStateBeforeTheFirstFrame(t *testing.T) {
	r := newRig(t, 1, Limits{})
	r.publish("cam")
	av(r, 0)
	f, a, snap := r.attach("cam", AllKinds)
	r.push(Video, 0, avcHeader("V2"))
	if len(snap.Metadata) != 1 || snap.Metadata[0].Handler != "onMetaData" || len(snap.Headers) != 2 {
		t.Fatalf("snapshot %+v", snap)
	}
	if v := snap.Headers[1]; nameOf(v) != "V" || v.Name() != "cam" || v.Number() != 4 {
		t.Errorf("%s: frame %d of %q, want V: 4 of cam", nameOf(v), v.Number(), v.Name())
	}
	snap.Release()
	wantTaken(t, f, a, "V2")
}

// A target that is behind loses pictures first, up to a key frame, then sound; never what tells where
// the stream begins and ends.
func TestTargetThatIsBehindSkipsToAKeyFrame(t *testing.T) {
	r := newRig(t, 1, Limits{TargetBytes: 4000})
	f, a, _ := r.attach("cam", AllKinds)
	p := r.publish("cam")
	av(r, 0)
	pad := strings.Repeat(".", 500)
	r.push(Video, 0, key("k1"+pad))
	r.push(Video, 40, inter("i1"+pad))
	r.push(Video, 80, inter("i2"+pad))
	r.push(Audio, 85, sound("s1"+pad))
	r.push(Video, 120, inter("i3"+pad)) // does not fit
	r.push(Video, 160, inter("i4"))     // would fit, but needs i3
	r.push(Video, 200, avcHeader("V2"))
	r.push(Audio, 210, sound("s2"))
	got := strings.ReplaceAll(f.take(a), pad, "")
	if want := "published onMetaData… A V k1 i1 i2 s1 V2 s2"; got != want {
		t.Errorf("target got %q, want %q", got, want)
	}
	r.push(Video, 240, inter("i5"))
	r.push(Video, 280, key("k2"))
	r.push(Video, 320, inter("i6"))
	wantTaken(t, f, a, "k2 i6")
	if n := a.Skipped(); n != 3 {
		t.Errorf("%d frames skipped, want 3", n)
	}
	if n := r.hub.Stats().Skipped; n != 3 {
		t.Errorf("the hub counts %d", n)
	}
	for range 100 {
		r.push(Audio, 330, sound(pad))
	}
	p.Close()
	got = f.take(a)
	if !strings.HasSuffix(got, " unpublished") || strings.Count(got, pad) > 6 {
		t.Errorf("a flood of audio: got %d sounds, then %q", strings.Count(got, pad), got[len(got)-11:])
	}
}

// Even a flood of headers is bounded, and what was left out is made good before the next picture.
func TestFloodOfHeadersIsBoundedAndMadeGood(t *testing.T) {
	r := newRig(t, 1, Limits{TargetBytes: 4000})
	f, a, _ := r.attach("cam", AllKinds)
	r.publish("cam")
	pad := strings.Repeat(".", 500)
	r.push(Video, 0, key("k1"))
	for range 100 {
		r.push(Video, 0, avcHeader(pad))
	}
	r.push(Video, 0, avcHeader("newest"+pad))
	r.metadata("onMetaData", "meta"+pad)
	r.push(Video, 40, key("k2"))
	if n := len(f.queue); n > 20 {
		t.Errorf("%d frames wait in a queue of 4000 bytes", n)
	}
	f.take(a)
	r.push(Video, 80, inter("i1"))
	r.push(Video, 120, key("k3"))
	r.push(Video, 160, inter("i2"))
	if got := strings.ReplaceAll(f.take(a), pad, ""); got != "newest meta k3 i2" {
		t.Errorf("target got %q", got)
	}
	// Nor does the next publication suffer.
	for range 100 {
		r.push(Video, 170, avcHeader(pad))
	}
	r.pub.Close()
	f.take(a)
	r.publish("cam")
	r.metadata("onMetaData", "meta")
	r.push(Video, 0, avcHeader("V"))
	r.push(Video, 0, key("k4"))
	wantTaken(t, f, a, "published meta V k4")
}

// Headers that were left out arrive even when smaller ones behind them would have had room.
func TestHeadersMadeGoodArriveTogether(t *testing.T) {
	r := newRig(t, 1, Limits{TargetBytes: 4000})
	_, s := r.play(0, "cam", Options{})
	r.publish("cam")
	pad := strings.Repeat(".", 500)
	for range 100 {
		r.pushAt(r.now, Video, 0, avcHeader(pad))
	}
	r.pushAt(r.now, Video, 0, avcHeader("newest"))
	r.pushAt(r.now, Video, 0, "\x94avc1HDR")
	r.run()
	s.log = nil
	r.push(Video, 0, key("k"))
	s.want("video header @0 newest", "video header @0 \x94avc1HDR", "video key @0 k")
}

// A joiner may come between a step of the feeder and the next. It is told of each frame once: by the
// snapshot or by the frame.
func TestJoinBetweenTheStepsOfAPush(t *testing.T) {
	r := newRig(t, 2, Limits{})
	p := r.publish("cam")
	tp := p.topic
	b := rtmfp.CopyBuffer([]byte(avcHeader("V")))
	defer b.Release()

	header := newFrame(tp, Video, Header, b)
	tp.mu.Lock()
	tp.stateSeq = tp.next(header)
	tp.state.apply(header)
	tp.mu.Unlock()
	f, a, snap := r.attach("cam", AllKinds)
	if len(snap.Headers) != 1 {
		t.Errorf("%d headers in the snapshot, want the new one", len(snap.Headers))
	}
	snap.Release()
	tp.emit(header)
	wantTaken(t, f, a, "")

	// The first picture is counted but not posted when a listener comes.
	k := rtmfp.CopyBuffer([]byte(inter("i1")))
	defer k.Release()
	first := newFrame(tp, Video, Inter, k)
	tp.firstMedia.Store(tp.next(first))
	tp.lastVideo.Store(int64(r.now))
	_, early := r.play(0, "cam", Options{})
	tp.number.Store(first.seq)
	_, late := r.play(1, "cam", Options{})
	tp.emit(first)
	r.push(Audio, 0, sound("s1"))
	wantTaken(t, f, a, "i1 s1")
	early.want("published", "video header @0 V", "audio sound @0 s1")
	late.want("published")
}

// One target that does not take anything costs the others nothing.
func TestStuckTargetHarmsNoOther(t *testing.T) {
	r := newRig(t, 1, Limits{TargetBytes: 1000})
	stuck, _, _ := r.attach("cam", AllKinds)
	f, a, _ := r.attach("cam", AllKinds)
	_, s := r.play(0, "cam", Options{})
	r.publish("cam")
	for i := range 100 {
		r.push(Video, uint32(i), key(""))
		got := f.take(a)
		if i == 0 && got != "published " || i > 0 && got != "" {
			t.Fatalf("frame %d: got %q", i, got)
		}
	}
	if len(stuck.queue) > 7 || len(s.writes) != 100 || a.Skipped() != 0 {
		t.Errorf("%d wait at the stuck target, %d written, %d skipped at the good one", len(stuck.queue), len(s.writes), a.Skipped())
	}
}

// A shard that is behind is a target like others.
func TestShardThatIsBehindSkipsToAKeyFrame(t *testing.T) {
	r := newRig(t, 2, Limits{TargetBytes: 2000})
	_, slow := r.play(0, "cam", Options{})
	_, fast := r.play(1, "cam", Options{})
	r.publish("cam")
	for at := uint32(0); at < 1000; at += 40 {
		body := inter("i")
		if at%400 == 0 {
			body = key("k")
		}
		r.pushAt(r.now, Video, at, body)
		r.runShard(1, r.shards[1])
	}
	if len(fast.writes) != 25 {
		t.Errorf("the other shard wrote %d frames of 25", len(fast.writes))
	}
	r.run()
	for at := uint32(1000); at <= 1200; at += 40 {
		r.push(Video, at, inter("i"))
	}
	r.push(Video, 1240, key("k"))
	if n := len(slow.writes); n < 5 || n > 15 {
		t.Errorf("wrote %d frames, want what 2000 bytes hold and the last key frame", n)
	}
	if last := slow.writes[len(slow.writes)-1]; last.ts != 1240 || slow.writes[len(slow.writes)-2].ts > 1000 {
		t.Errorf("ended with %v", slow.writes)
	}
}

// Frames posted for listeners that left meanwhile must not count against the next ones.
func TestAccountOfAShardSurvivesItsListeners(t *testing.T) {
	r := newRig(t, 1, Limits{TargetBytes: 2000})
	p := r.publish("cam")
	for range 20 {
		l, _ := r.play(0, "cam", Options{})
		for i := range 5 {
			r.pushAt(r.now, Video, uint32(i), key(""))
		}
		l.Close(r.now)
		_, s := r.play(0, "cam", Options{})
		r.push(Video, 6, key("mine"))
		s.want("published", "video key @0 mine")
		s.l.Close(r.now)
		r.pass(time.Second)
	}
	r.play(0, "cam", Options{})
	r.pushAt(r.now, Video, 7, key(""))
	for _, l := range p.Listeners() {
		l.Close(r.now)
	}
	r.run()
	if n := p.topic.slots[0].pending.Load(); n != 0 {
		t.Errorf("%d bytes count as waiting in an empty mailbox", n)
	}
	if n := r.hub.Stats().Skipped; n != 0 {
		t.Errorf("%d frames skipped", n)
	}
}

func TestDetachStopsThePosts(t *testing.T) {
	r := newRig(t, 1, Limits{})
	f, a, _ := r.attach("cam", AllKinds)
	other, b, _ := r.attach("cam", AllKinds)
	r.publish("cam")
	a.Detach()
	r.push(Video, 0, key("k1"))
	wantTaken(t, f, a, "published")
	wantTaken(t, other, b, "published k1")
	if list := *r.pub.topic.targets.Load(); !slices.Equal(list, []*Attachment{b}) {
		t.Errorf("%d targets left, want 1", len(list))
	}
}
