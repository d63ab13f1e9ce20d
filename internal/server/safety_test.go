package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// bystanders are those who must not notice what a hostile application does: players of a stream and a client of another
// application.
type bystanders struct {
	t                 *testing.T
	publisher, friend *peer
	players           []*peer
	stop              chan struct{}
	running           sync.WaitGroup

	sent    atomic.Int64
	unlucky atomic.Int64
	since   [1 << 13]atomic.Int64 // when a frame was sent, in nanoseconds since start
	start   time.Time

	mu      sync.Mutex
	answers []time.Duration // of the calls
	delays  []time.Duration // of the frames, for each player
}

func newBystanders(t *testing.T, d *testDaemon, players int) *bystanders {
	b := &bystanders{t: t, publisher: dialPeer(t, d.addr), friend: dialPeerTo(t, d.addr, "friendly"), stop: make(chan struct{}), start: time.Now()}
	b.publisher.publish("cam")
	b.players = dialPeers(t, players, d.addr, "live")
	for _, p := range b.players {
		p.arrived = b.arrived
		p.play("cam")
	}
	b.running.Go(b.publish)
	b.running.Go(b.call)
	return b
}

// publish sends 30 pictures a second.
func (b *bystanders) publish() {
	tick := time.NewTicker(33 * time.Millisecond)
	defer tick.Stop()
	for n := 0; n < len(b.since); n++ {
		select {
		case <-tick.C:
		case <-b.stop:
			return
		}
		body := fmt.Sprintf("\x27\x01\x00\x00\x00%d", n)
		if n%30 == 0 {
			body = "\x17" + body[1:]
		}
		b.since[n].Store(int64(time.Since(b.start)))
		b.publisher.do(func(now rtmfp.Time) {
			_ = b.publisher.stream.WriteFrame(now, media.Video, uint32(n*33), rtmfp.CopyBuffer([]byte(body)), media.WriteOptions{})
		})
		b.sent.Add(1)
	}
}

// arrived notes how long a frame was under way.
func (b *bystanders) arrived(body string) {
	n, err := strconv.Atoi(body[min(5, len(body)):])
	if err != nil || n < 0 || n >= len(b.since) {
		b.t.Errorf("a frame %q", body)
		return
	}
	took := time.Since(b.start) - time.Duration(b.since[n].Load())
	b.mu.Lock()
	b.delays = append(b.delays, took)
	b.mu.Unlock()
}

// call calls the other application, 200 times a second at most.
func (b *bystanders) call() {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-b.stop:
			return
		case <-tick.C:
		}
		r, took := b.friend.call("add", amf.Number(i), amf.Number(1))
		if r.Err != nil && strings.Contains(r.Err.Error(), interrupted) {
			b.unlucky.Add(1) // it had no processor for as long as its budget
		} else if r.Value() != amf.Number(i+1) {
			b.t.Errorf("add = %v, %v", r.Value(), r.Err)
		}
		b.mu.Lock()
		b.answers = append(b.answers, took)
		b.mu.Unlock()
	}
}

// noticed returns the longest that something took since the positions of mark, when all of that is over that is under way.
func (b *bystanders) noticed(answers, delays int) (answer, delay time.Duration) {
	frames := b.sent.Load()
	answered, _ := b.mark()
	until(b.t, "answer and frame", func() bool {
		a, d := b.mark()
		return a > answered && d >= int(frames)*len(b.players)
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Max(b.answers[answers:]), slices.Max(append(b.delays[delays:], 0))
}

func (b *bystanders) mark() (answers, delays int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.answers), len(b.delays)
}

// check ends it and looks at what they got.
func (b *bystanders) check() {
	t := b.t
	close(b.stop)
	b.running.Wait()
	sent := int(b.sent.Load())
	for i, p := range b.players {
		until(t, "last frame", func() bool { return len(p.received()) >= sent })
		for n, f := range p.received() {
			if f.body[5:] != fmt.Sprint(n) {
				t.Errorf("player %d: frame %d is %q", i, n, f.body)
				break
			}
		}
	}
	if n := b.unlucky.Load(); n > maxUnlucky && !raceEnabled {
		t.Errorf("%d calls of another application were interrupted", n)
	}
	slices.Sort(b.answers)
	slices.Sort(b.delays)
	t.Logf("%d calls of another application: median %v, 99%% %v", len(b.answers), b.answers[len(b.answers)/2], b.answers[len(b.answers)*99/100])
	t.Logf("%d frames to each of %d players: median %v, 99%% %v", sent, len(b.players), b.delays[len(b.delays)/2], b.delays[len(b.delays)*99/100])
}

// siege is a server under attack.
type siege struct {
	*bystanders
	budget time.Duration
	peak   uint64 // of the heap
	waited time.Duration
}

// What bystanders may notice: an answer waits for the call under way, which has its budget; frames do not wait. The machine
// may be busy with something else: then it gives this process no processor for a while, which is not counted, and what
// took longer is tried again.
const (
	slack    = 50 * time.Millisecond
	attempts = 6

	maxUnlucky = 3
)

// starved is how long threads of this process have waited for a processor so far, all together. There are no more of them
// than processors that want one, so they wait for other processes. Only Linux tells.
func starved() (total time.Duration) {
	threads, _ := filepath.Glob("/proc/self/task/*/schedstat")
	for _, file := range threads {
		text, _ := os.ReadFile(file) // the thread may have ended
		if fields := strings.Fields(string(text)); len(fields) == 3 {
			n, _ := strconv.ParseInt(fields[1], 10, 64)
			total += time.Duration(n)
		}
	}
	return total
}

// attack calls a function of a hostile application until the others did not notice; it returns the error that the client is
// told.
func (s *siege) attack(p *peer, name, function string, extra time.Duration) (text string) {
	limit, wait := s.budget+slack+extra, slack+extra
	if raceEnabled {
		limit, wait = 20*limit, 20*wait
	}
	for n := 1; ; n++ {
		answers, delays := s.mark()
		waited := starved()
		r, took := p.call(function)
		s.peak = max(s.peak, heapNow())
		text = ""
		var status *netconn.StatusError
		if errors.As(r.Err, &status) {
			text = status.Description
		}
		answer, delay := s.noticed(answers, delays)
		waited = max(starved()-waited, 0)
		// The attacker waits for the end of its call before, and rests as long as that took.
		if answer <= limit+waited && delay <= wait+waited && took <= 2*limit+waited {
			s.waited += waited
			return text
		}
		s.t.Logf("%s: answered after %v; meanwhile %v for an answer to others, %v for a frame; no processor for %v", name, took, answer, delay, waited)
		if n == attempts {
			s.t.Errorf("%s: noticed by others each of %d times; want %v for an answer, %v for a frame", name, n, limit, wait)
			return text
		}
	}
}

// Whatever the script of one application does, called again and again: it is stopped within its budget, memory stays
// bounded, those who play a stream get every frame of it at once, and calls of another application are answered as soon as
// the running call of the hostile one has been interrupted.
func TestHostileApplication(t *testing.T) {
	const budget, listeners = 100 * time.Millisecond, 50
	const memory = 1 << 30
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(memory))
	d := startDaemonWith(t, map[string]string{
		"hostile/main.lua": hostile(), "friendly/main.lua": friendly, "greedy/main.lua": greedy,
	}, fmt.Sprintf("[limits]\nhandshakesPerAddress = 1000\n[script]\nbudget = %d\n", budget.Milliseconds()))
	s := &siege{bystanders: newBystanders(t, d, listeners), budget: budget}
	enemy := dialPeerTo(t, d.addr, "hostile")
	glutton := dialPeerTo(t, d.addr, "greedy")
	rounds := 2
	if raceEnabled {
		rounds = 1
	}
	for range rounds {
		for i, a := range attacks {
			text := s.attack(enemy, a.name, fmt.Sprintf("a%d", i), a.extra)
			slow := raceEnabled && strings.Contains(text, interrupted) // before it got to what stops it
			if !strings.Contains(text, a.want) && !slow {
				t.Errorf("%s: %.120q, want %q", a.name, text, a.want)
			}
		}
	}
	// It holds more with each call, until it is stopped: then its functions are gone.
	for n := 0; ; n++ {
		r, _ := glutton.call("much")
		s.peak = max(s.peak, heapNow())
		if r.Err != nil && strings.Contains(r.Err.Error(), "not found") {
			t.Logf("the application that keeps what it gets was stopped after %d calls", n)
			break
		}
		if n == 1000 {
			t.Fatal("an application keeps what it wants")
		}
	}
	t.Logf("heap at most %d MB; no processor for %v", s.peak>>20, s.waited)
	if s.peak > memory*3/2 && !raceEnabled { // the limit is a soft one
		t.Errorf("heap grew to %d MB", s.peak>>20)
	}
	s.check()
}

func heapNow() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
