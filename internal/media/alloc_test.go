package media

import (
	"fmt"
	"testing"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// nullSink takes everything and costs nothing.
type nullSink struct{ id uint64 }

func (s *nullSink) Published(rtmfp.Time)   {}
func (s *nullSink) Unpublished(rtmfp.Time) {}

func (s *nullSink) Write(rtmfp.Time, *Frame, uint32, WriteOptions) uint64 {
	s.id++
	return s.id
}

func (s *nullSink) Backlog(Kind) (int, rtmfp.Time)                      { return 0, 0 }
func (s *nullSink) Expire(Kind, uint64, uint64, rtmfp.Time, rtmfp.Time) {}
func (s *nullSink) Abandoned(Kind) (count, last uint64)                 { return 0, 0 }

// fanout is a publication with listeners spread over shards whose mailboxes are emptied by the caller.
type fanout struct {
	hub    *Hub
	pub    *Publication
	shards []*Shard
	boxes  [][]any
	now    rtmfp.Time
	time   uint32
	bodies [3]*rtmfp.Buffer
}

func newFanout(tb testing.TB, shards, listeners int) *fanout {
	f := &fanout{hub: NewHub(Limits{}), boxes: make([][]any, shards), now: rtmfp.Time(time.Second)}
	for i := range shards {
		f.shards = append(f.shards, NewShard(f.hub, i, func(m any) { f.boxes[i] = append(f.boxes[i], m) }))
	}
	for i := range listeners {
		f.shards[i%shards].Subscribe(f.now, "", "cam", &nullSink{}, Options{})
	}
	p, err := f.hub.Publish("", "cam", nil)
	if err != nil {
		tb.Fatal(err)
	}
	f.pub = p
	for i, head := range []string{sound(""), inter(""), key("")} {
		f.bodies[i] = rtmfp.NewBuffer(1000)
		copy(f.bodies[i].Bytes(), head)
	}
	return f
}

// frame pushes one message and delivers it.
func (f *fanout) frame() {
	f.now = f.now.Add(20 * time.Millisecond)
	f.time += 20
	kind, body := Video, f.bodies[1]
	switch f.time / 20 % 50 {
	case 0, 1:
		body = f.bodies[2]
	case 10, 20, 30, 40:
		kind, body = Audio, f.bodies[0]
	}
	f.pub.Push(f.now, kind, f.time, body)
	for i, s := range f.shards {
		for _, m := range f.boxes[i] {
			s.HandlePost(f.now, m)
		}
		clear(f.boxes[i])
		f.boxes[i] = f.boxes[i][:0]
	}
}

func TestNoAllocationPerFrame(t *testing.T) {
	f := newFanout(t, 2, 50)
	for range 200 {
		f.frame()
	}
	const frames = 200
	n := testing.AllocsPerRun(20, func() {
		for range frames {
			f.frame()
		}
	})
	if n != 0 && (!raceEnabled || n >= frames) {
		t.Errorf("%v allocations for %d frames from Push to Write, want 0", n, frames)
	}
	for _, l := range f.pub.Listeners() {
		if st := l.Stats(f.now); st.Video.Frames == 0 || st.Audio.Frames == 0 {
			t.Fatalf("a listener got nothing: %+v", st)
		}
	}
}

func BenchmarkFanout(b *testing.B) {
	for _, shards := range []int{1, 2} {
		for _, listeners := range []int{1, 10, 100, 1000} {
			b.Run(fmt.Sprintf("shards=%d/listeners=%d", shards, listeners), func(b *testing.B) {
				f := newFanout(b, shards, listeners)
				for range 200 {
					f.frame()
				}
				b.ReportAllocs()
				b.ResetTimer()
				for b.Loop() {
					f.frame()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*listeners), "ns/listener")
			})
		}
	}
}
