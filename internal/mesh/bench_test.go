package mesh

import (
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/monaserver/monaserver/pkg/amf"
)

// counter is applications that only count.
type counter struct {
	*apps
	calls atomic.Int64
	want  int64
	done  chan struct{}
	each  chan struct{} // told of every call, if not nil
}

func (c *counter) ServerCall(_ *Link, _ string, _ []amf.Value, _ int, done func()) bool {
	done()
	if c.each != nil {
		c.each <- struct{}{}
	}
	if c.calls.Add(1) == c.want {
		close(c.done)
	}
	return true
}

// BenchmarkLink is a message with a time and a packet of 1000 bytes, from Send to the applications of the other
// server, both in this process: as many as go, and one at a time, which is the latency of a link.
func BenchmarkLink(b *testing.B) {
	b.Run("many", func(b *testing.B) { benchLink(b, nil) })
	b.Run("one", func(b *testing.B) { benchLink(b, make(chan struct{}, 1)) })
}

func benchLink(b *testing.B, each chan struct{}) {
	far := &counter{apps: newApps(b), want: int64(b.N), done: make(chan struct{}), each: each}
	to, err := New(Config{Listen: anyPort})
	if err != nil {
		b.Fatal(err)
	}
	if err := to.Start(b.Context(), far); err != nil {
		b.Fatal(err)
	}
	near := &server{apps: newApps(b)}
	near.Node, err = New(Config{Targets: []Target{(&server{Node: to}).target()}})
	if err != nil {
		b.Fatal(err)
	}
	if err := near.Start(b.Context(), near.apps); err != nil {
		b.Fatal(err)
	}
	near.wait("open /live")
	l := near.linked()[0]
	e := amf.Encoder{Mode: amf.AMF3InAMF0}
	payload, _ := e.Append(nil, amf.Number(40))
	payload, _ = e.Append(payload, amf.String(make([]byte, 1000)))
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		for l.queue.stats().bytes > 8<<20 {
			runtime.Gosched()
		}
		if err := l.Send("video", payload, Media{}); err != nil {
			b.Fatal(err)
		}
		if each != nil {
			<-each
		}
	}
	<-far.done
	b.StopTimer()
	near.stop()
	_ = to.Stop(b.Context())
}
