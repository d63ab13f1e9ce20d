package rtmfp

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// recvRig is a session that exists only to receive.
type recvRig struct {
	e *Endpoint
	s *Session
	f *RecvFlow
}

func newRecvRig(cfg Config) *recvRig {
	e := NewEndpoint(cfg)
	e.now = Time(time.Hour)
	return &recvRig{e: e, s: &Session{e: e, state: stateOpen, timer: -1}}
}

// receive hands a chunk to the session; the first one opens the flow.
func (r *recvRig) receive(c userData) {
	if r.f == nil {
		c.optionsPresent, c.options = true, appendOption(nil, optionMetadata, []byte("m"))
	}
	c.flowID = 2
	r.s.userData(r.e.now, &c)
	r.f = r.s.recvFlows[2]
}

// events returns the messages that came, and whether the flow ended.
func (r *recvRig) events() (messages []string, lost, ended int) {
	for {
		ev, ok := r.e.NextEvent()
		if !ok {
			return messages, lost, ended
		}
		switch ev.Kind {
		case EventMessage:
			messages = append(messages, string(ev.Message.Bytes()))
			lost += ev.Lost
			ev.Message.Release()
		case EventFlowEnd:
			ended++
		}
	}
}

// held returns how many bytes of data the flow holds.
func (r *recvRig) held() (n int) {
	r.f.frags.all(func(fr *recvFragment) { n += fr.data.Len() })
	if r.f.asm != nil {
		n += r.f.asm.Len()
	}
	return n
}

// model is RFC 7016 §3.6.3.2 and §3.6.3.3 taken literally.
type model struct {
	set       map[uint64]bool
	buffer    []userData // by sequence number
	arrival   bool
	suspended bool
	out       []string
}

func (m *model) csn() (n uint64) {
	for m.set[n+1] {
		n++
	}
	return n
}

func (m *model) receive(c userData) {
	if !m.set[c.seq] && !c.abandon { // step 11
		i, _ := slices.BinarySearchFunc(m.buffer, c.seq, func(d userData, seq uint64) int { return int(d.seq) - int(seq) })
		m.buffer = slices.Insert(m.buffer, i, c)
	}
	for k := uint64(1); k <= c.fsn; k++ { // step 12
		m.set[k] = true
	}
	m.set[c.seq] = true // step 13
	m.deliver()
}

// segment returns the end of the segment of one message that begins with entry i.
func (m *model) segment(i int) int {
	for i+1 < len(m.buffer) && m.buffer[i+1].seq == m.buffer[i].seq+1 && follows(m.buffer[i].fragment, m.buffer[i+1].fragment) {
		i++
	}
	return i
}

func (m *model) take(i, j int) {
	body := ""
	for _, c := range m.buffer[i : j+1] {
		body += string(c.data)
	}
	m.out = append(m.out, body)
	m.buffer = slices.Delete(m.buffer, i, j+1)
}

func (m *model) held() (n int) {
	for _, c := range m.buffer {
		n += len(c.data)
	}
	return n
}

func (m *model) deliver() {
	csn := m.csn()
	for i := 0; i < len(m.buffer) && !m.suspended; {
		first := m.buffer[i]
		if !m.arrival && first.seq > csn {
			return
		}
		j := m.segment(i)
		last := m.buffer[j]
		switch {
		case first.fragment == fragWhole, first.fragment == fragBegin && last.fragment == fragEnd:
			m.take(i, j)
		case (first.seq <= csn && first.fragment != fragBegin) || last.seq < csn:
			m.buffer = slices.Delete(m.buffer, i, j+1)
		case m.arrival:
			i = j + 1
		default:
			return // in progress
		}
	}
}

// layout cuts n sequence numbers into messages.
func layout(r *rand.Rand, n int) []userData {
	var list []userData
	for len(list) < n {
		k := 1
		if r.IntN(2) == 0 {
			k += r.IntN(6)
		}
		k = min(k, n-len(list))
		for i := range k {
			c := userData{seq: uint64(len(list) + 1), fragment: fragMiddle}
			switch {
			case k == 1:
				c.fragment = fragWhole
			case i == 0:
				c.fragment = fragBegin
			case i == k-1:
				c.fragment = fragEnd
			}
			c.data = fmt.Appendf(nil, "<%d>", c.seq)
			list = append(list, c)
		}
	}
	return list
}

// Whatever arrives in whatever order, with whatever given up, what is delivered is what the RFC says,
// when it says it; nothing is counted that is not held.
func TestFlowReceiveAgainstRFC(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 7))
		n := rapid.IntRange(1, 60).Draw(t, "numbers")
		turn := rapid.IntRange(0, 3*n).Draw(t, "arrival order after")
		list := layout(r, n)
		rig := newRecvRig(Config{})
		m := &model{set: map[uint64]bool{}}
		var fsn uint64
		step := func(c userData) {
			rig.receive(c)
			m.receive(c)
		}
		var got []string
		compare := func(what string) {
			msgs, _, _ := rig.events()
			got = append(got, msgs...)
			if !slices.Equal(got, m.out) {
				t.Fatalf("%s: delivered %v, want %v", what, got, m.out)
			}
			if bad := rig.s.checkReceiving(); bad != "" {
				t.Fatalf("%s: %s", what, bad)
			}
			if rig.f.seen.cum != m.csn() {
				t.Fatalf("%s: cumulative %d, want %d", what, rig.f.seen.cum, m.csn())
			}
			if held, want := rig.held(), m.held(); held != want {
				t.Fatalf("%s: holds %d bytes, want %d", what, held, want)
			}
		}
		for i := range 3 * n {
			c := list[r.IntN(n)]
			if r.IntN(3) > 0 { // mostly near what is missing
				c = list[min(int(m.csn())+r.IntN(4), n-1)]
			}
			if r.IntN(12) == 0 {
				fsn = max(fsn, min(c.seq-1, m.csn()+uint64(r.IntN(3))))
			}
			c.fsn = min(fsn, c.seq-1)
			if r.IntN(10) == 0 {
				c.abandon, c.data = true, nil
				if c.fsn = min(fsn, c.seq); r.IntN(2) == 0 {
					c.fsn = c.seq
				}
			}
			step(c)
			compare(fmt.Sprintf("number %d (abandoned %v, FSN %d)", c.seq, c.abandon, c.fsn))
			switch {
			case i == turn:
				rig.f.SetArrivalOrder(true)
				m.arrival = true
				m.deliver()
			case r.IntN(15) == 0 && !m.suspended:
				rig.f.Suspend()
				m.suspended = true
			case r.IntN(5) == 0 && m.suspended:
				rig.f.Resume(rig.e.now)
				m.suspended = false
				m.deliver()
			}
			compare("after")
		}
		rig.f.Resume(rig.e.now)
		m.suspended = false
		m.deliver()
		compare("resumed")
		end := userData{seq: uint64(n + 1), fsn: uint64(n), abandon: true, final: true}
		step(end)
		step(end)
		m.out = slices.Clone(m.out)
		msgs, _, ended := rig.events()
		if got = append(got, msgs...); !slices.Equal(got, m.out) || ended != 1 {
			t.Fatalf("in the end: %v, want %v; ended %d times", got, m.out, ended)
		}
		if rig.s.buffered != 0 || rig.f.state != recvEnded || rig.s.openRecv != 0 {
			t.Fatalf("%d bytes, state %d, %d open", rig.s.buffered, rig.f.state, rig.s.openRecv)
		}
	})
}

// RFC 7016 §3.6.1.2: the receiver is told that something is missing, where it is.
func TestFlowReceiveTellsLoss(t *testing.T) {
	whole := func(seq, fsn uint64) userData { return userData{seq: seq, fsn: fsn, data: []byte{byte(seq)}} }
	part := func(seq, fsn uint64, fra uint8) userData {
		return userData{seq: seq, fsn: fsn, fragment: fra, data: []byte{byte(seq)}}
	}
	gone := func(seq, fsn uint64) userData { return userData{seq: seq, fsn: fsn, abandon: true} }
	for _, tt := range []struct {
		what   string
		chunks []userData
		lost   []int // of each message
	}{
		{"nothing lost", []userData{whole(1, 0), whole(2, 0)}, []int{0, 0}},
		{"the first", []userData{whole(2, 1)}, []int{1}},
		{"one between", []userData{whole(1, 0), whole(3, 0), gone(2, 2)}, []int{0, 1}},
		{"one between, marked", []userData{whole(1, 0), gone(2, 0), whole(3, 0)}, []int{0, 1}},
		{"in two places", []userData{whole(2, 0), whole(4, 0), gone(3, 3)}, []int{1, 1}},
		{"half a message", []userData{part(1, 0, fragBegin), whole(3, 2)}, []int{1}},
		{"bit by bit is one", []userData{part(1, 0, fragBegin), gone(2, 2), gone(3, 3), whole(4, 3)}, []int{1}},
		{"one, then half another", []userData{gone(1, 1), part(2, 1, fragBegin), whole(4, 3)}, []int{2}},
		{"its end came", []userData{part(2, 1, fragEnd), whole(3, 1)}, []int{1}},
	} {
		rig := newRecvRig(Config{})
		var got []int
		for _, c := range tt.chunks {
			rig.receive(c)
			for {
				ev, ok := rig.e.NextEvent()
				if !ok {
					break
				}
				if ev.Kind == EventMessage {
					got = append(got, ev.Lost)
				}
			}
		}
		if !slices.Equal(got, tt.lost) {
			t.Errorf("%s: %v, want %v", tt.what, got, tt.lost)
		}
	}
}

// FragmentsReceived and FragmentsSkipped count each number once, the closing one not at all.
func TestFlowReceiveStats(t *testing.T) {
	rig := newRecvRig(Config{})
	for _, c := range []userData{
		{seq: 1, data: []byte("a")},
		{seq: 1, data: []byte("a")}, // again
		{seq: 5, fsn: 3, data: []byte("e")},
		{seq: 4, fsn: 3, abandon: true},
		{seq: 4, fsn: 4, abandon: true},
		{seq: 9, fsn: 5, data: []byte("i")},
		{seq: 8, fsn: 8, abandon: true},
		{seq: 10, fsn: 10, abandon: true, final: true},
	} {
		rig.receive(c)
	}
	if st := rig.s.stats; st.FragmentsReceived != 3 || st.FragmentsSkipped != 2+1+3 {
		t.Errorf("%d received, %d skipped", st.FragmentsReceived, st.FragmentsSkipped)
	}
}

// RFC 7016 §3.6.3.5: a full buffer must drain when what is missing comes, or is given up.
func TestFlowReceiveFullBufferDrains(t *testing.T) {
	const capacity = 4096
	data := make([]byte, 1000)
	for name, repair := range map[string]userData{
		"the gap is filled":   {seq: 1, data: data},
		"the gap is given up": {seq: 200, fsn: 1, data: data},
	} {
		for _, arrival := range []bool{false, true} {
			rig := newRecvRig(Config{RecvCapacity: capacity})
			rig.receive(userData{seq: 2, data: data, fragment: fragBegin})
			rig.f.SetArrivalOrder(arrival)
			seq := uint64(3)
			for rig.f.seen.contains(seq - 1) { // until it refuses
				rig.receive(userData{seq: seq, data: data, fragment: fragMiddle})
				seq++
			}
			if n := rig.e.counters.ReceiveBufferFull.Load(); n != 1 || rig.f.buffered > capacity+initialWindow {
				t.Fatalf("%s: refused %d, holds %d", name, n, rig.f.buffered)
			}
			if name == "the gap is given up" {
				repair.seq = seq - 1 // the very fragment that found no room
			}
			repair.fragment = fragMiddle
			if repair.seq == 1 {
				repair.fragment = fragWhole
			}
			rig.receive(repair)
			if !rig.f.seen.contains(repair.seq) {
				t.Fatalf("%s, arrival %v: refused for ever", name, arrival)
			}
			for ; seq < 300; seq++ { // the message in progress may grow beyond the capacity
				rig.receive(userData{seq: seq - 1, data: data, fragment: fragMiddle})
			}
			rig.receive(userData{seq: seq - 1, data: data, fragment: fragEnd})
			msgs, _, _ := rig.events()
			if n := len(msgs); n == 0 || len(msgs[n-1]) != 298*len(data) || rig.s.buffered != 0 {
				t.Errorf("%s, arrival %v: %d messages, %d bytes left", name, arrival, n, rig.s.buffered)
			}
		}
	}
}

// What one session may buffer is bounded. A message that alone needs more rejects its flow; one that
// must wait for others is only refused for now.
func TestFlowReceiveMaxBuffered(t *testing.T) {
	data := make([]byte, 1000)
	for _, arrival := range []bool{false, true} {
		rig := newRecvRig(Config{MaxBuffered: 20_000, RecvCapacity: 1 << 20})
		rig.receive(userData{seq: 1, data: data, fragment: fragBegin})
		rig.f.SetArrivalOrder(arrival)
		for seq := uint64(2); seq < 40; seq++ {
			rig.receive(userData{seq: seq, data: data, fragment: fragMiddle})
			if rig.s.buffered > 20_000 {
				t.Fatalf("holds %d", rig.s.buffered)
			}
		}
		if _, _, ended := rig.events(); ended != 1 || rig.f.state != recvRejected || rig.s.buffered != 0 {
			t.Errorf("arrival %v: ended %d, state %d, %d bytes", arrival, ended, rig.f.state, rig.s.buffered)
		}
		if n := rig.e.counters.MessagesTooLong.Load(); n != 1 {
			t.Errorf("too long: %d", n)
		}
	}

	rig := newRecvRig(Config{MaxBuffered: 20_000, RecvCapacity: 1 << 20})
	rig.receive(userData{seq: 1, data: data})
	a := rig.f
	a.Suspend()
	for seq := uint64(2); seq < 10; seq++ {
		rig.receive(userData{seq: seq, data: data})
	}
	other := func(seq uint64, fra uint8) bool {
		c := userData{flowID: 3, seq: seq, data: data, fragment: fra}
		if seq == 1 {
			c.optionsPresent, c.options = true, appendOption(nil, optionMetadata, nil)
		}
		rig.s.userData(rig.e.now, &c)
		return rig.s.recvFlows[3].seen.contains(seq)
	}
	seq := uint64(1)
	for fra := uint8(fragBegin); other(seq, fra); fra = fragMiddle {
		seq++
	}
	if b := rig.s.recvFlows[3]; seq < 5 || b.state != recvOpen || b.blocks() > 2 {
		t.Fatalf("refused at %d, state %d, window %d", seq, b.state, b.blocks())
	}
	a.Resume(rig.e.now)
	if !other(seq, fragMiddle) {
		t.Error("still refused when there is room")
	}
}

// The window is what the buffer has room for; never 0 unless the application wants it
// (RFC 7016 §3.6.3.5).
func TestFlowAdvertisedWindow(t *testing.T) {
	for _, tt := range []struct {
		capacity, buffered, total int
		suspended                 bool
		want                      uint64
	}{
		{65536, 0, 0, false, 64},
		{65536, 1, 1, false, 64},
		{65536, 1024, 1024, false, 63},
		{65536, 65535, 65535, false, 1},
		{65536, 65536, 65536, false, 1},
		{65536, 99999, 99999, false, 1},
		{65536, 99999, 99999, true, 0},
		{65536, 65535, 65535, true, 1},
		{65536, 0, 0, true, 64},
		{0, 0, 0, false, 0},
		{65536, 0, 99 << 10, false, 1},
		{65536, 0, 90 << 10, false, 10},
		{65536, 0, 120 << 10, false, 1},
	} {
		s := &Session{e: NewEndpoint(Config{MaxBuffered: 100 << 10}), buffered: tt.total}
		f := &RecvFlow{s: s, capacity: tt.capacity, buffered: tt.buffered, suspended: tt.suspended}
		if got := f.blocks(); got != tt.want {
			t.Errorf("capacity %d, buffered %d of %d, suspended %v: %d blocks, want %d",
				tt.capacity, tt.buffered, tt.total, tt.suspended, got, tt.want)
		}
	}
	f := &RecvFlow{state: recvRejected, rejected: true}
	if f.blocks() != 0 {
		t.Error("a rejected flow has a window")
	}
	if f = (&RecvFlow{state: recvEnded}); f.blocks() == 0 {
		t.Error("a completed flow has no window")
	}
}

// Tiny fragments, backwards, of a window full of them: none may cost more than the others.
func TestFlowReceiveBackwards(t *testing.T) {
	for _, arrival := range []bool{false, true} {
		rig := newRecvRig(Config{RecvCapacity: 16 << 20})
		rig.receive(userData{seq: 100_000, data: []byte("z"), fragment: fragEnd})
		rig.f.SetArrivalOrder(arrival)
		for seq := uint64(99_999); seq > 1; seq-- {
			if rig.receive(userData{seq: seq, data: []byte("y"), fragment: fragMiddle}); !rig.f.seen.contains(seq) {
				break
			}
		}
		if held := rig.f.buffered; held < 16<<20 {
			t.Errorf("arrival %v: holds only %d", arrival, held)
		}
		rig.f.discard()
		if rig.s.buffered != 0 {
			t.Errorf("%d bytes left", rig.s.buffered)
		}
	}
}

func TestFlowSequenceLimits(t *testing.T) {
	rig := newRecvRig(Config{})
	rig.receive(userData{seq: 1, data: []byte("a")})
	for _, c := range []userData{
		{seq: maxSequence + 1, fsn: maxSequence, data: []byte("b")},
		{seq: 1<<64 - 1, fsn: 1<<64 - 2, data: []byte("b")},
		{seq: 1<<64 - 1, fsn: 1<<64 - 1, abandon: true, final: true},
	} {
		rig.receive(c)
		if rig.f.seen.cum != 1 || rig.f.seen.hasGaps() {
			t.Fatalf("%d was taken", c.seq)
		}
	}
	rig.receive(userData{seq: maxSequence, fsn: maxSequence - 1, data: binary.BigEndian.AppendUint64(nil, 1)})
	if msgs, lost, _ := rig.events(); len(msgs) != 2 || lost != 1 {
		t.Errorf("%d messages, %d lost", len(msgs), lost)
	}
}
