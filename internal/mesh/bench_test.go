package mesh

import (
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
}

func (c *counter) ServerCall(_ *Link, _ string, _ []amf.Value, _ int, done func()) bool {
	done()
	if c.calls.Add(1) == c.want {
		close(c.done)
	}
	return true
}

// BenchmarkLink is a message with a time and a packet of 1000 bytes, from Send to the applications of the other
// server, both in this process.
func BenchmarkLink(b *testing.B) {
	far := &counter{apps: newApps(b), want: int64(b.N), done: make(chan struct{})}
	cfg := Config{Listen: anyPort}
	to, err := New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	if err := to.Start(b.Context(), far); err != nil {
		b.Fatal(err)
	}
	near := &server{apps: newApps(b)}
	near.Node, err = New(Config{Targets: []Target{{Host: "127.0.0.1", Port: (&server{Node: to}).port()}}})
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
			<-far.pause()
		}
		if err := l.Send("video", payload, Media{}); err != nil {
			b.Fatal(err)
		}
	}
	<-far.done
	b.StopTimer()
	near.stop()
	_ = to.Stop(b.Context())
}

// pause waits a little for the other side.
func (c *counter) pause() <-chan struct{} {
	p := make(chan struct{})
	go close(p)
	return p
}
