package rtmfp_test

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"net"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/simnet"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// pattern returns n bytes that no shift or swap leaves the same.
func pattern(n int) []byte {
	b := make([]byte, n)
	x := uint32(n)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

// RFC 7016 §3.6.2.2 and §3.6.3.3: messages of any size arrive whole, and no datagram is too long.
func TestFlowMessageSizes(t *testing.T) {
	sizes := []int{0, 1, 2, 63, 64, 65, 1000}
	for n := 1120; n <= 1180; n++ { // around one packet
		sizes = append(sizes, n)
	}
	sizes = append(sizes, 2300, 2340, 16<<10, 65535, 65536, 300_000, 0, 5)
	secure := rtmfp.Security{RequestHMAC: true, RequestSSEQ: true}
	for _, secured := range []bool{false, true} {
		for _, arrival := range []bool{false, true} {
			t.Run(fmt.Sprintf("secured %v arrival %v", secured, arrival), func(t *testing.T) {
				c := worldConfig{seed: 1, link: cleanLink}
				if secured {
					c.server.Security, c.client.Security = secure, secure
				}
				p := newFlowRig(t, c)
				p.srv.onFlow = func(_ rtmfp.Time, f *rtmfp.RecvFlow) { f.SetArrivalOrder(arrival) }
				f := p.dataFlow(rtmfp.FlowOptions{})
				var want []string
				for i, n := range sizes {
					body := pattern(n)
					head := min(i%9, n)
					m := rtmfp.Message{HeadLen: uint8(head), Body: rtmfp.CopyBuffer(body[head:])}
					copy(m.Head[:], body[:head])
					if head == n {
						m.Body.Release()
						m.Body = nil
					}
					if _, err := f.Write(p.net.Now(), m); err != nil {
						t.Fatal(err)
					}
					want = append(want, string(body))
				}
				p.client.Wake()
				p.acked(f)
				p.want(want...)
				for i := range min(len(want), len(p.srv.all)) {
					if p.srv.all[i] != want[i] {
						t.Errorf("message %d of %d bytes differs", i, len(want[i]))
					}
				}
				for _, s := range p.sent {
					if s.size > rtmfp.MaxDatagram {
						t.Errorf("datagram of %d bytes", s.size)
					}
				}
				if p.ss.Buffered() != 0 {
					t.Errorf("%d bytes left in the receive buffer", p.ss.Buffered())
				}
			})
		}
	}
}

// The largest message passes, one byte more rejects its flow, the session goes on.
func TestFlowLargestMessage(t *testing.T) {
	for _, arrival := range []bool{false, true} {
		t.Run(fmt.Sprintf("arrival %v", arrival), func(t *testing.T) {
			w := newWorld(t, worldConfig{seed: 2, link: simnet.Link{Delay: ms}})
			cs, ss := w.open()
			w.srv.onFlow = func(_ rtmfp.Time, f *rtmfp.RecvFlow) {
				f.SetArrivalOrder(arrival)
				f.SetCapacity(24 << 20)
			}
			var sums []uint32
			w.srv.onMessage = func(_ rtmfp.Time, _ *rtmfp.RecvFlow, b []byte) { sums = append(sums, crc32.ChecksumIEEE(b)) }
			f := w.flow(cs, rtmfp.FlowOptions{})
			body := pattern(rtmfp.MaxMessageSize)
			w.write(f, rtmfp.Message{}, string(body))
			if !w.net.RunUntil(func() bool { return len(sums) == 1 }, time.Minute) {
				t.Fatal("the largest message did not arrive")
			}
			if sums[0] != crc32.ChecksumIEEE(body) || len(w.srv.all[0]) != len(body) {
				t.Error("the largest message was changed")
			}
			w.write(f, rtmfp.Message{}, string(append(body, 0)))
			w.write(f, rtmfp.Message{}, "behind it")
			if !w.net.RunUntil(func() bool { return len(w.cli.sendEnds) == 1 }, time.Minute) {
				t.Fatal("the flow of a message that is too large did not end")
			}
			var rejected *rtmfp.RejectedError
			if !errors.As(w.cli.sendEnds[0], &rejected) || rejected.Code != 0 || len(w.cli.rejected) != 1 {
				t.Errorf("ended with %v, rejected %v", w.cli.sendEnds[0], w.cli.rejected)
			}
			if len(w.srv.ended) != 1 || !errors.Is(w.srv.ended[0], net.ErrClosed) || len(sums) != 1 {
				t.Errorf("receiver: ended %v, %d messages", w.srv.ended, len(sums))
			}
			if n := w.server.Endpoint().Counters().MessagesTooLong.Load(); n != 1 {
				t.Errorf("%d messages counted as too long", n)
			}
			g := w.flow(cs, rtmfp.FlowOptions{})
			w.write(g, rtmfp.Message{}, "another flow")
			w.net.Run(time.Second)
			if n := len(w.srv.all); w.srv.all[n-1] != "another flow" || ss.Buffered() != 0 {
				t.Errorf("after it: %d messages, %d bytes buffered", n, ss.Buffered())
			}
		})
	}
}

// RFC 7016 §2.3.11: how fragments are marked; §2.3.11.1.1: options until the first acknowledgement.
func TestFlowFragments(t *testing.T) {
	p := newFlowRig(t, worldConfig{seed: 3, link: cleanLink})
	p.reset()
	f := p.dataFlow(rtmfp.FlowOptions{})
	p.write(f, rtmfp.Message{}, string(pattern(3000)))
	p.write(f, rtmfp.Message{}, "small")
	p.write(f, rtmfp.Message{}, "tail")
	p.acked(f)
	var chunks []rtmfp.FlowChunk
	for _, s := range p.sent {
		d := s.user()
		for i, c := range d {
			wantOptions := i == 0 && s.at == p.sent[0].at // all were sent before the first acknowledgement
			if (c.Options != nil) != wantOptions {
				t.Errorf("fragment %d: options %v", c.Seq, c.Options != nil)
			}
			if follows := i > 0; (c.Type == rtmfp.ChunkNextUserData) != follows {
				t.Errorf("fragment %d, number %d of its packet, is chunk %#x", c.Seq, i, c.Type)
			}
		}
		chunks = append(chunks, d...)
	}
	want := []uint8{rtmfp.FragBegin, rtmfp.FragMiddle, rtmfp.FragEnd, rtmfp.FragWhole, rtmfp.FragWhole}
	if len(chunks) != len(want) {
		t.Fatalf("%d fragments", len(chunks))
	}
	var all []byte
	for i, c := range chunks {
		if c.Fragment != want[i] || c.Seq != uint64(i+1) || c.FSN != 0 || c.Abandon || c.Final {
			t.Errorf("fragment %d: %+v", i, c)
		}
		all = append(all, c.Data...)
	}
	if !bytes.Equal(all, append(pattern(3000), "smalltail"...)) {
		t.Error("content differs")
	}
	if !bytes.Equal(chunks[0].Options, rtmfp.MetadataOption("test")) {
		t.Errorf("options %x", chunks[0].Options)
	}
	p.reset()
	p.write(f, rtmfp.Message{}, "later")
	p.acked(f)
	if c := p.find(upData).user()[0]; c.Options != nil || c.FSN != 5 || c.Seq != 6 {
		t.Errorf("after the first acknowledgement: %+v", c)
	}
}

// RFC 7016 §2.3.11.1.1: a lost first packet takes the options with it; they are in every packet until
// the flow is acknowledged.
func TestFlowOptionsRepeated(t *testing.T) {
	p := newFlowRig(t, worldConfig{seed: 4, link: cleanLink})
	f := p.dataFlow(rtmfp.FlowOptions{})
	p.reset()
	p.dropSeq(1, 2, 3)
	for i := range 4 {
		p.write(f, rtmfp.Message{}, string(pattern(1100+i)))
	}
	p.acked(f)
	for _, s := range p.sent {
		if d := s.user(); len(d) > 0 && d[0].Options == nil && s.at == p.sent[0].at {
			t.Errorf("packet with fragment %d has no options", d[0].Seq)
		}
	}
	if len(p.srv.all) != 4 || string(p.srv.flows[0].Metadata()) != "test" {
		t.Errorf("%d messages", len(p.srv.all))
	}
}

// A fragment that was cut in a packet of its own must fit in any later packet, also beside its flow's
// longest options and with large numbers.
func TestFlowRepeatedFragmentsFit(t *testing.T) {
	for seed := range uint64(6) {
		c := worldConfig{seed: seed, link: simnet.Link{Delay: 10 * ms, Loss: 0.3}}
		if seed%2 == 1 {
			c.client.Security = rtmfp.Security{RequestHMAC: true, RequestSSEQ: true}
			c.server.Security = c.client.Security
		}
		p := newFlowRig(t, c)
		f, err := p.cs.Open(p.net.Now(), pattern(512), rtmfp.FlowOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for i := range 120 {
			body := string(pattern(i * 53))
			want = append(want, body)
			p.write(f, rtmfp.Message{}, body)
		}
		p.acked(f)
		p.want(want...)
		for _, s := range p.sent {
			if s.size > rtmfp.MaxDatagram {
				t.Errorf("datagram of %d bytes", s.size)
			}
		}
	}
}

// Metadata longer than RFC 7016 §2.3.11.1.1 allows is refused by Open.
func TestFlowMetadataSize(t *testing.T) {
	p := newFlowRig(t, worldConfig{seed: 5})
	if _, err := p.cs.Open(p.net.Now(), make([]byte, 513), rtmfp.FlowOptions{}); !errors.Is(err, rtmfp.ErrMetadataSize) {
		t.Errorf("%v", err)
	}
	f, err := p.cs.Open(p.net.Now(), nil, rtmfp.FlowOptions{}) // may be empty
	if err != nil {
		t.Fatal(err)
	}
	p.write(f, rtmfp.Message{}, "x")
	p.acked(f)
	p.want("x")
}
