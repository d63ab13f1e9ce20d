package rtmfp

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"sync"
	"testing"
	"time"
)

func reusing(t *testing.T, period time.Duration, sessions int) *sharedKeyPairs {
	t.Helper()
	return mustIdentity(NewServerIdentity(rand.Reader, "", 14, 2)).ReuseKeys(period, sessions).ephemeral.(*sharedKeyPairs)
}

func acquire(t *testing.T, s *sharedKeyPairs, group uint64, far string) *dhKeyPair {
	t.Helper()
	kp, err := s.acquire(rand.Reader, group, []byte(far))
	if err != nil {
		t.Fatal(err)
	}
	return kp
}

func wiped(kp *dhKeyPair) bool { return bytes.Equal(kp.private, make([]byte, len(kp.private))) }

// A key pair serves so many sessions and so long, one for each group, and is destroyed when the last session that
// opened with it is done.
func TestKeyReuseBounds(t *testing.T) {
	s := reusing(t, 30*time.Second, 3)
	now := Time(time.Hour)
	s.expire(now)
	first := acquire(t, s, 2, "a")
	if other := acquire(t, s, 14, "a"); other == first || other.group != 14 {
		t.Error("one pair for two groups")
	}
	if acquire(t, s, 2, "b") != first || acquire(t, s, 2, "c") != first {
		t.Error("not used again")
	}
	second := acquire(t, s, 2, "d")
	if second == first || bytes.Equal(second.private, first.private) {
		t.Error("used for more sessions than allowed")
	}
	for i := range 3 {
		if wiped(first) {
			t.Errorf("destroyed with %d sessions being opened", 3-i)
		}
		s.release(first)
	}
	if !wiped(first) {
		t.Error("not destroyed after the last session")
	}

	s.release(second)
	if next := s.expire(now.Add(29 * time.Second)); next != now.Add(30*time.Second) || wiped(second) {
		t.Errorf("next look at %v", next)
	}
	if next := s.expire(now.Add(30 * time.Second)); next != 0 || !wiped(second) {
		t.Errorf("not destroyed in time; next look at %v", next)
	}
	if third := acquire(t, s, 2, "e"); third == second {
		t.Error("used after its time")
	}
}

// No keying component meets the same pair twice: session keys would be the same, and packets of one session good in the
// other. An initiator's own component is the pair, so it never shares.
func TestKeyReuseNeverTwice(t *testing.T) {
	s := reusing(t, time.Minute, 100)
	first := acquire(t, s, 2, "copied")
	again := acquire(t, s, 2, "copied")
	if again == first {
		t.Fatal("two sessions with the same keys")
	}
	s.release(again)
	if !wiped(again) || wiped(first) {
		t.Error("the pair for a copy lives on, or the other does not")
	}
	if acquire(t, s, 2, "other") != first {
		t.Error("a copy ended the use of the pair")
	}
	own, err := s.acquire(rand.Reader, 2, nil)
	if err != nil || own == first {
		t.Errorf("a pair of others for an initiator, %v", err)
	}

	id := mustIdentity(NewServerIdentity(rand.Reader, "", 2)).ReuseKeys(time.Minute, 100)
	client := mustIdentity(NewClientIdentity(rand.Reader, 2))
	ik, err := newInitiatorKeying(rand.Reader, client, id.cert, Security{})
	if err != nil {
		t.Fatal(err)
	}
	var last []byte
	for range 3 { // the same SKIC each time
		skrc, keys, err := respondKeying(rand.Reader, id, client.cert, ik.skic, Security{})
		if err != nil {
			t.Fatal(err)
		}
		far, err := ik.finish(skrc)
		if err != nil || far.send.aes != keys.recv.aes || far.recv.aes != keys.send.aes {
			t.Errorf("keys differ, %v", err)
		}
		if bytes.Equal(last, keys.send.aes[:]) {
			t.Error("keys are those of the session before")
		}
		last = keys.send.aes[:]
	}
}

// blockedSource is a source of randomness that says when it is asked, and then waits.
type blockedSource struct{ asked, goOn chan struct{} }

func (b blockedSource) Read(p []byte) (int, error) {
	b.asked <- struct{}{}
	<-b.goOn
	return rand.Read(p)
}

// While a worker draws a pair, which takes milliseconds with a large group, nobody waits for it: neither the shards,
// which look for pairs that are too old, nor sessions that use the pair there is.
func TestKeyReuseDrawsWithoutLock(t *testing.T) {
	s := reusing(t, time.Minute, 100)
	source := blockedSource{make(chan struct{}), make(chan struct{})}
	first := acquire(t, s, 2, "copied")
	done := make(chan *dhKeyPair)
	go func() {
		kp, _ := s.acquire(source, 2, []byte("copied"))
		done <- kp
	}()
	<-source.asked
	free := make(chan struct{})
	go func() {
		defer close(free)
		s.expire(Time(time.Second))
		s.release(acquire(t, s, 2, "other"))
	}()
	select {
	case <-free:
	case <-time.After(20 * time.Second):
		t.Error("all wait for one pair")
	}
	close(source.goOn)
	go func() {
		for range source.asked { // a draw may be thrown away
		}
	}()
	if again := <-done; again == nil || again == first {
		t.Error("no pair for a copy")
	}
	close(source.asked)
}

// Workers that find no pair at the same time each draw one, of which one is used again and the others are destroyed.
func TestKeyReuseDrawnTwice(t *testing.T) {
	s := reusing(t, time.Minute, 100)
	source := blockedSource{make(chan struct{}), make(chan struct{})}
	done := make(chan *dhKeyPair)
	for _, far := range []string{"a", "b"} {
		go func() {
			kp, _ := s.acquire(source, 2, []byte(far))
			done <- kp
		}()
	}
	<-source.asked
	<-source.asked
	close(source.goOn)
	go func() {
		for range source.asked {
		}
	}()
	a, b := <-done, <-done
	close(source.asked)
	if a == nil || b == nil || a == b {
		t.Fatal("not two pairs")
	}
	s.release(a)
	s.release(b)
	if wiped(a) == wiped(b) {
		t.Errorf("destroyed: %v and %v", wiped(a), wiped(b))
	}
	if kp := acquire(t, s, 2, "c"); wiped(kp) || (kp != a && kp != b) {
		t.Error("neither is used again")
	}
}

// An endpoint destroys a pair in time although nobody connects any more.
func TestKeyReuseEnds(t *testing.T) {
	id := mustIdentity(NewServerIdentity(rand.Reader, "", 2)).ReuseKeys(30*time.Second, 100)
	e := NewEndpoint(Config{Identity: id})
	now := Time(time.Hour)
	e.expireKeys(now)
	kp := acquire(t, id.ephemeral.(*sharedKeyPairs), 2, "x")
	id.ephemeral.release(kp)
	e.expireKeys(now.Add(time.Second)) // the key agreement came back
	if next := e.NextTimeout(); next != now.Add(30*time.Second) {
		t.Fatalf("next timeout %v", next)
	}
	e.HandleTimeout(now.Add(30 * time.Second))
	if !wiped(kp) || e.NextTimeout() != 0 {
		t.Errorf("destroyed: %v; next timeout %v", wiped(kp), e.NextTimeout())
	}
	if static := mustIdentity(NewClientIdentity(rand.Reader, 2)); static.ReuseKeys(time.Minute, 1) != static {
		t.Error("a static identity has nothing to reuse")
	}
}

// Workers share pairs.
func TestKeyReuseConcurrent(t *testing.T) {
	s := reusing(t, time.Minute, 10)
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for n := range 25 {
				kp, err := s.acquire(rand.Reader, 2, fmt.Appendf(nil, "%d %d", i, n))
				if err != nil || wiped(kp) {
					t.Errorf("no pair, or a dead one: %v", err)
					return
				}
				s.expire(Time(n) * Time(10*time.Second))
				s.release(kp)
			}
		})
	}
	all.Wait()
}

// Exponents are at least twice as long as the strength of the group (RFC 7919 §5.2 has the numbers: 80, 112 and 152
// bits), and not much longer: a full one costs four times as much.
func TestExponentLength(t *testing.T) {
	for group, strength := range map[uint64]int{2: 80, 14: 112, 16: 152} {
		kp, err := generateKeyPair(rand.Reader, group)
		if err != nil {
			t.Fatal(err)
		}
		if bits := 8 * len(kp.private); bits < 2*strength || bits > 4*strength {
			t.Errorf("group %d: exponents of %d bits", group, bits)
		}
	}
}
