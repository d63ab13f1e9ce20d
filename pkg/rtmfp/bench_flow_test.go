package rtmfp_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

var benchSecurities = []struct {
	name string
	rtmfp.Security
}{{"checksum", rtmfp.Security{}}, {"hmac", rtmfp.Security{RequestHMAC: true, RequestSSEQ: true}}}

// benchPair is a client that sends to a server over a flow.
func benchPair(b *testing.B, sec rtmfp.Security) (w *wireRig, client, server *host, f *rtmfp.SendFlow) {
	w = newWireRig()
	server = w.add("192.0.2.1:1935", rtmfp.Config{Identity: testServer, Security: sec})
	client = w.add("198.51.100.1:5000", rtmfp.Config{Identity: testClient, Security: sec})
	near, _ := w.connect(b, client, server)
	f, err := near.Open(w.now, []byte("bench"), rtmfp.FlowOptions{})
	if err != nil {
		b.Fatal(err)
	}
	return w, client, server, f
}

// perPacket reports what a host took for each of n packets.
func perPacket(b *testing.B, what string, d time.Duration, n int) {
	b.ReportMetric(float64(d.Nanoseconds())/float64(max(n, 1)), "ns/"+what)
}

// BenchmarkFragment cuts 16 KB messages into sealed packets, and takes their acknowledgements.
func BenchmarkFragment(b *testing.B) {
	for _, sec := range benchSecurities {
		b.Run(sec.name, func(b *testing.B) {
			w, client, server, f := benchPair(b, sec.Security)
			body := rtmfp.CopyBuffer(pattern(16 << 10))
			b.SetBytes(int64(body.Len()))
			b.ReportAllocs()
			run := func() {
				f.Write(w.now, rtmfp.Message{Body: body.Retain()})
				w.pass(time.Millisecond)
			}
			for range 200 {
				run()
			}
			client.spent, client.clock, server.packets = 0, true, 0
			for b.Loop() {
				run()
			}
			perPacket(b, "packet-sent", client.spent, server.packets)
		})
	}
}

// BenchmarkSessionReceive takes packets of one message each: datagram in, message out.
func BenchmarkSessionReceive(b *testing.B) {
	for _, sec := range benchSecurities {
		b.Run(sec.name, func(b *testing.B) {
			w, _, server, f := benchPair(b, sec.Security)
			body := rtmfp.CopyBuffer(pattern(1000))
			messages := 0
			server.on = func(_ rtmfp.Time, ev *rtmfp.Event) {
				if ev.Message != nil {
					messages++
					ev.Message.Release()
				}
			}
			b.SetBytes(int64(body.Len()))
			b.ReportAllocs()
			run := func() {
				f.Write(w.now, rtmfp.Message{Body: body.Retain()})
				w.pass(time.Millisecond)
			}
			for range 200 {
				run()
			}
			server.spent, server.clock, messages = 0, true, 0
			for b.Loop() {
				run()
			}
			perPacket(b, "packet-received", server.spent, messages)
		})
	}
}

// fanout is a server with a flow to each of many clients.
type fanout struct {
	*wireRig
	server *host
	flows  []*rtmfp.SendFlow
	got    int // messages the clients received
}

func newFanout(tb testing.TB, n int, sec rtmfp.Security) *fanout {
	x := &fanout{wireRig: newWireRig()}
	x.server = x.add("192.0.2.1:1935", rtmfp.Config{Identity: testServer, Security: sec})
	for i := range n {
		c := x.add(fmt.Sprintf("198.51.100.%d:5000", i+1), rtmfp.Config{Identity: testClient, Security: sec})
		_, s := x.connect(tb, c, x.server)
		c.on = func(_ rtmfp.Time, ev *rtmfp.Event) {
			if ev.Message != nil {
				x.got++
				ev.Message.Release()
			}
		}
		f, err := s.Open(x.now, []byte("fan-out"), rtmfp.FlowOptions{Priority: rtmfp.PriorityVideo, TimeCritical: true})
		if err != nil {
			tb.Fatal(err)
		}
		x.flows = append(x.flows, f)
	}
	return x
}

// push sends one body to everybody.
func (x *fanout) push(body *rtmfp.Buffer) {
	for _, f := range x.flows {
		f.Write(x.now, rtmfp.Message{HeadLen: 5, Body: body.Retain(), StartBy: x.now.Add(time.Second), Chain: true})
	}
	x.pass(5 * time.Millisecond)
}

// BenchmarkFanoutSessions sends one body to 100 sessions: Write, Poll and the acknowledgements.
func BenchmarkFanoutSessions(b *testing.B) {
	for _, sec := range benchSecurities {
		for _, size := range []int{1000, 4000} {
			b.Run(fmt.Sprintf("%s/%d", sec.name, size), func(b *testing.B) {
				x := newFanout(b, 100, sec.Security)
				body := rtmfp.CopyBuffer(pattern(size))
				b.ReportAllocs()
				for range 50 {
					x.push(body)
				}
				x.server.spent, x.server.clock, x.got = 0, true, 0
				for b.Loop() {
					x.push(body)
				}
				perPacket(b, "message-sent", x.server.spent, x.got)
			})
		}
	}
}
