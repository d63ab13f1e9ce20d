package mesh

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
)

const kindAudio = 8

func rpc(handler string, size int) message {
	return message{handler: handler, payload: make([]byte, size)}
}

func packet(stream string, kind uint8, key bool, size int) message {
	return message{handler: "onVideo", payload: make([]byte, size), media: true, stream: stream, kind: kind, key: key}
}

// Links to servers of one address share room; one to a server that does not read leaves enough of it for the others.
func TestQueueShared(t *testing.T) {
	const limit = 1 << 20
	for stopped := 1; stopped <= 4; stopped++ {
		var all budget
		all.give(limit)
		var links []*queue
		for range stopped + 1 {
			q := newQueue(limit)
			q.shared = &all
			links = append(links, q)
		}
		for range 2 * limit / 1000 {
			for i, q := range links[:stopped] {
				if i%2 == 0 {
					_ = q.push(rpc("f", 1000)) // until it is full
				}
				mustPush(t, q, packet("live", kindVideo, true, 1000)) // is dropped then
			}
		}
		q := links[stopped]
		for range 100 {
			mustPush(t, q, rpc("f", 1000), packet("live", kindVideo, true, 1000))
			if n := len(drain(q)); n != 2 {
				t.Fatalf("with %d stopped servers only %d messages come to another", stopped, n)
			}
		}
		for _, q := range links {
			q.release()
		}
		if n := all.left.Load(); n != limit {
			t.Errorf("%d bytes are left", n)
		}
	}
}

// drain takes out everything that is queued.
func drain(q *queue) (all []message) {
	for q.stats().messages > 0 {
		b, _ := q.pop(nil)
		all = append(all, b...)
	}
	return all
}

func mustPush(t *testing.T, q *queue, list ...message) {
	t.Helper()
	for _, m := range list {
		if err := q.push(m); err != nil {
			t.Fatalf("%s of %d bytes: %v", m.handler, len(m.payload), err)
		}
	}
}

// Messages come out in the order in which they went in, media among calls.
func TestQueueOrder(t *testing.T) {
	q := newQueue(1 << 20)
	var want []string
	for i := range 100 {
		m := rpc(fmt.Sprint("f", i), 10)
		m.media = i%3 == 0
		mustPush(t, q, m)
		want = append(want, m.handler)
	}
	var got []string
	for _, m := range drain(q) {
		got = append(got, m.handler)
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got %v", got)
	}
}

// Calls are never dropped: what has no room is an error, and there is room for calls however much media
// is sent.
func TestQueueCallsOverflow(t *testing.T) {
	const limit = 64 << 10
	q := newQueue(limit)
	for range 100 {
		mustPush(t, q, packet("a", kindAudio, false, 1000))
	}
	if s := q.stats(); s.dropped == 0 || s.bytes > limit*3/4 {
		t.Fatalf("media took %d of %d bytes, %d dropped", s.bytes, limit, s.dropped)
	}
	for i := 0; ; i++ {
		err := q.push(rpc("f", 1000))
		if errors.Is(err, errQueueFull) {
			if i < 10 {
				t.Errorf("only %d calls had room beside media", i)
			}
			break
		}
		if err != nil || i > 64 {
			t.Fatalf("call %d: %v", i, err)
		}
	}
	if s := q.stats(); s.bytes > limit {
		t.Errorf("%d bytes are queued, limit %d", s.bytes, limit)
	}
}

// Video that has no room is left out up to the next key frame of its stream; other streams and audio go
// on as soon as there is room.
func TestQueueVideoGoesOnAtKeyFrame(t *testing.T) {
	q := newQueue(16 << 10)
	mustPush(t, q, packet("a", kindVideo, true, 6000), packet("a", kindVideo, false, 5000))
	mustPush(t, q, packet("a", kindVideo, false, 6000)) // no room
	if s := q.stats(); s.dropped != 1 || s.droppedBytes != 6000 {
		t.Fatalf("%+v", s)
	}
	drain(q)
	q.push(packet("a", kindVideo, false, 1)) // decoding needs the one that was dropped
	q.push(packet("a", kindAudio, false, 2))
	q.push(packet("b", kindVideo, false, 3))
	q.push(packet("a", kindVideo, true, 4))
	q.push(packet("a", kindVideo, false, 5))
	var got []int
	for _, m := range drain(q) {
		got = append(got, len(m.payload))
	}
	if fmt.Sprint(got) != "[2 3 4 5]" {
		t.Errorf("sent after the gap: %v", got)
	}
}

// A key frame that has no room itself does not end the gap.
func TestQueueDroppedKeyFrame(t *testing.T) {
	q := newQueue(16 << 10)
	mustPush(t, q, packet("a", kindVideo, true, 11000), packet("a", kindVideo, true, 11000), packet("a", kindVideo, false, 1))
	if s := q.stats(); s.messages != 1 || s.dropped != 2 {
		t.Errorf("%+v: a frame without its key frame is queued", s)
	}
}

// What is being written still counts, so that a stalled connection cannot take twice the limit; a batch
// is bounded.
func TestQueueBatch(t *testing.T) {
	q := newQueue(4 << 20)
	for range 20 {
		mustPush(t, q, rpc("f", 100<<10))
	}
	all := q.stats().bytes
	batch, ok := q.pop(make([]message, 0, 64))
	if !ok || len(batch) != 2 {
		t.Errorf("%d messages in a batch", len(batch))
	}
	if s := q.stats(); s.bytes != all || s.messages != 18 {
		t.Errorf("%+v while the batch is written, %d bytes before", s, all)
	}
	q.pop(batch)
	if s := q.stats(); s.bytes >= all {
		t.Errorf("%+v: the written batch still counts", s)
	}
	big := newQueue(4 << 20)
	mustPush(t, big, rpc("f", 1<<20))
	if batch, _ := big.pop(nil); len(batch) != 1 {
		t.Error("a message larger than a batch is not sent")
	}
}

// The writer waits for messages; closing lets it have the rest and ends it.
func TestQueueClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1 << 20)
		var got []string
		done := make(chan struct{})
		go func() {
			defer close(done)
			var batch []message
			for ok := true; ok; {
				if batch, ok = q.pop(batch); ok {
					got = append(got, batch[0].handler)
				}
			}
		}()
		synctest.Wait()
		mustPush(t, q, rpc("a", 1))
		synctest.Wait()
		mustPush(t, q, rpc("b", 1))
		q.close()
		if err := q.push(rpc("c", 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("push after close: %v", err)
		}
		<-done
		if fmt.Sprint(got) != "[a b]" {
			t.Errorf("the writer got %v", got)
		}
	})
}

// Streams that end while they wait for a key frame are not remembered for ever.
func TestQueueForgetsStreams(t *testing.T) {
	q := newQueue(4 << 10)
	mustPush(t, q, packet("a", kindVideo, true, 2800))
	for i := range 3 * maxSkipped {
		mustPush(t, q, packet(fmt.Sprint(i), kindVideo, false, 2800))
	}
	if n := len(q.skipped); n > maxSkipped {
		t.Errorf("%d streams are remembered", n)
	}
}

func TestQueueAllocations(t *testing.T) {
	q := newQueue(1 << 20)
	call, key, inter := rpc("f", 100), packet("a", kindVideo, true, 100), packet("a", kindVideo, false, 100)
	batch := make([]message, 0, 64)
	if n := testing.AllocsPerRun(1000, func() {
		for range 8 {
			q.push(call)
			q.push(key)
			q.push(inter)
		}
		for q.stats().messages > 0 {
			batch, _ = q.pop(batch)
		}
	}); n != 0 {
		t.Errorf("%v allocations for 24 messages", n)
	}
}

func BenchmarkQueue(b *testing.B) {
	q := newQueue(1 << 20)
	m := packet("a", kindVideo, true, 1000)
	batch := make([]message, 0, 64)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		q.push(m)
		if i%64 == 63 {
			batch, _ = q.pop(batch)
		}
	}
}

// Media waits for flush, or for something behind it, so that the writer is woken once for some of it.
func TestQueueFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1 << 20)
		got := make(chan int, 10)
		go func() {
			defer close(got)
			for batch, more := q.pop(nil); more; batch, more = q.pop(batch) {
				got <- len(batch)
			}
		}()
		synctest.Wait()
		mustPush(t, q, packet("a", kindVideo, true, 10), packet("a", kindVideo, false, 10))
		synctest.Wait()
		if len(got) > 0 {
			t.Error("the writer did not wait")
		}
		q.flush()
		if n := <-got; n != 2 {
			t.Errorf("%d messages with a flush", n)
		}
		synctest.Wait()
		mustPush(t, q, packet("a", kindVideo, false, 10))
		synctest.Wait()
		mustPush(t, q, rpc("f", 10))
		if n := <-got; n != 2 {
			t.Errorf("%d messages with a call", n)
		}
		mustPush(t, q, packet("a", kindVideo, false, 10))
		q.close()
		if n := <-got; n != 1 {
			t.Errorf("%d messages at the end", n)
		}
		if _, more := <-got; more {
			t.Error("more than was pushed")
		}
	})
}
