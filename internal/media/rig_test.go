package media

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

const ms = rtmfp.Time(time.Millisecond)

// rig is a hub with shards whose mailboxes are emptied by run: the whole package on one goroutine and
// a clock set by hand.
type rig struct {
	t      testing.TB
	hub    *Hub
	shards []*Shard
	boxes  [][]any
	now    rtmfp.Time
	pub    *Publication
	seen   map[*Frame]bool // every frame that went through a mailbox
}

func newRig(t testing.TB, shards int, l Limits) *rig {
	r := &rig{t: t, hub: NewHub(l), boxes: make([][]any, shards), now: 1000 * ms, seen: make(map[*Frame]bool)}
	for i := range shards {
		r.shards = append(r.shards, NewShard(r.hub, i, func(m any) { r.boxes[i] = append(r.boxes[i], m) }))
	}
	return r
}

// run delivers what is posted.
func (r *rig) run() {
	for i, s := range r.shards {
		r.runShard(i, s)
	}
}

func (r *rig) runShard(i int, s *Shard) {
	for len(r.boxes[i]) > 0 {
		m := r.boxes[i][0]
		r.boxes[i] = r.boxes[i][1:]
		if f, ok := m.(*Frame); ok {
			r.seen[f] = true
		}
		if !s.HandlePost(r.now, m) {
			r.t.Fatalf("shard %d did not take %T", i, m)
		}
	}
}

func (r *rig) publish(name string) *Publication {
	r.t.Helper()
	p, err := r.hub.Publish("/live", name, nil)
	if err != nil {
		r.t.Fatalf("publish %s: %v", name, err)
	}
	r.pub = p
	r.run()
	return p
}

func (r *rig) play(shard int, name string, o Options) (*Listener, *fakeSink) {
	s := &fakeSink{rig: r}
	s.l = r.shards[shard].Subscribe(r.now, "/live", name, s, o)
	return s.l, s
}

// push sends one message of r.pub and delivers it. The clock follows the publisher's time.
func (r *rig) push(kind Kind, t uint32, body string) {
	r.pushAt(r.now, kind, t, body)
	r.run()
}

func (r *rig) pushAt(now rtmfp.Time, kind Kind, t uint32, body string) {
	b := rtmfp.CopyBuffer([]byte(body))
	r.pub.Push(now, kind, t, b)
	b.Release()
}

func (r *rig) metadata(handler, body string) {
	b := rtmfp.CopyBuffer([]byte(body))
	r.pub.SetMetadata(handler, b)
	b.Release()
	r.run()
}

// pass moves the clock.
func (r *rig) pass(d time.Duration) { r.now = r.now.Add(d) }

// checkEmpty fails if the hub still knows a name or somebody holds a frame.
func (r *rig) checkEmpty() {
	r.t.Helper()
	if st := r.hub.Stats(); st.Names != 0 || st.Listeners != 0 || st.Publications != 0 {
		r.t.Errorf("left in the hub: %+v", st)
	}
	for f := range r.seen {
		if n := f.refs.Load(); n != 0 {
			r.t.Errorf("a frame has %d references left", n)
		}
	}
}

// Message bodies with a label at the end, so that a log shows which is which.
func avcHeader(label string) string { return "\x17\x00\x00\x00\x00" + label }
func key(label string) string       { return "\x17\x01\x00\x00\x00" + label }
func inter(label string) string     { return "\x27\x01\x00\x00\x00" + label }
func avcEnd() string                { return "\x17\x02\x00\x00\x00" }
func aacHeader(label string) string { return "\xaf\x00" + label }
func sound(label string) string     { return "\xaf\x01" + label }

func label(b []byte) string {
	s := string(b)
	for _, head := range []string{avcHeader(""), key(""), inter(""), avcEnd(), aacHeader(""), sound("")} {
		if strings.HasPrefix(s, head) {
			return s[len(head):]
		}
	}
	return s
}

type written struct {
	id   uint64
	kind Kind
	role Role
	time uint32
	ts   uint32
	body string
	now  rtmfp.Time
	o    WriteOptions
}

func (w written) String() string {
	role := map[Role]string{
		Metadata: "meta", Message: "message", Header: "header", Key: "key", Inter: "inter", Sound: "sound", Mark: "mark",
	}[w.role]
	return strings.TrimSpace(fmt.Sprintf("%v %s @%d %s", w.kind, role, w.ts, label([]byte(w.body))))
}

// fakeSink records what a listener does. Everything counts as sent at once unless hold is set; then it
// stays in waiting until the test takes it out.
type fakeSink struct {
	rig     *rig
	l       *Listener
	log     []string
	writes  []written
	ids     [numIndexes]uint64
	hold    bool
	refuse  bool
	waiting []written
	lost    [numIndexes]struct{ count, last uint64 }
	expired []string
	onWrite func(written)
	onEvent func(string)
}

func (s *fakeSink) Published(rtmfp.Time)   { s.event("published") }
func (s *fakeSink) Unpublished(rtmfp.Time) { s.event("unpublished") }

func (s *fakeSink) event(name string) {
	s.log = append(s.log, name)
	if s.onEvent != nil {
		s.onEvent(name)
	}
}

func (s *fakeSink) Write(now rtmfp.Time, f *Frame, ts uint32, o WriteOptions) uint64 {
	if s.refuse {
		return 0
	}
	i := f.Kind.index()
	s.ids[i]++
	w := written{s.ids[i], f.Kind, f.Role, f.Time, ts, string(f.Body.Bytes()), now, o}
	s.log = append(s.log, w.String())
	s.writes = append(s.writes, w)
	if s.hold {
		s.waiting = append(s.waiting, w)
	}
	if s.onWrite != nil {
		s.onWrite(w)
	}
	return w.id
}

func (s *fakeSink) Backlog(k Kind) (bytes int, oldest rtmfp.Time) {
	for _, w := range s.waiting {
		if w.kind == k {
			bytes += len(w.body)
			if oldest == 0 {
				oldest = w.now
			}
		}
	}
	return bytes, oldest
}

func (s *fakeSink) Expire(k Kind, from, to uint64, startBy, finishBy rtmfp.Time) {
	s.expired = append(s.expired, fmt.Sprintf("%v %d-%d +%v", k, from, to, startBy.Sub(s.rig.now)))
	if finishBy != 0 {
		s.rig.t.Errorf("Expire changes the finish of what may have begun")
	}
}

func (s *fakeSink) Abandoned(k Kind) (count, last uint64) {
	l := s.lost[k.index()]
	return l.count, l.last
}

// want compares the log since the last call.
func (s *fakeSink) want(lines ...string) {
	s.rig.t.Helper()
	got := s.log
	s.log = nil
	if !slices.Equal(got, lines) {
		s.rig.t.Errorf("listener got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(lines, "\n\t"))
	}
}
