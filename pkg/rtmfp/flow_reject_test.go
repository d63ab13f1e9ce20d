package rtmfp_test

import (
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// wantRejected checks the client's half of a rejected flow: told once, with the code, and ended once.
func (p *flowRig) wantRejected(f *rtmfp.SendFlow, code uint64) {
	p.t.Helper()
	p.until("the rejected flow ends", time.Minute, func() bool { return len(p.cli.sendEnds) > 0 })
	p.net.Run(time.Second)
	if len(p.cli.rejected) != 1 || p.cli.rejected[0] != code || len(p.cli.sendEnds) != 1 {
		p.t.Fatalf("rejected %v, ended %v", p.cli.rejected, p.cli.sendEnds)
	}
	var e *rtmfp.RejectedError
	if err := p.cli.sendEnds[0]; !errors.As(err, &e) || e.Code != code || !errors.Is(err, net.ErrClosed) {
		p.t.Errorf("ended with %v", p.cli.sendEnds[0])
	}
	if _, err := f.Write(p.net.Now(), rtmfp.Message{Body: rtmfp.CopyBuffer([]byte("x"))}); !errors.As(err, &e) || e.Code != code {
		p.t.Errorf("Write: %v", err)
	}
	if f.Queued() != 0 || p.cs.QueuedTotal() != 0 || p.cs.Congestion().Outstanding != 0 {
		p.t.Errorf("%d bytes queued, %d outstanding", p.cs.QueuedTotal(), p.cs.Congestion().Outstanding)
	}
	p.check()
}

// wantExceptions checks that, from the first one on, the server puts an exception before each
// acknowledgement of its flow, whose window is closed (RFC 7016 §2.3.16).
func (p *flowRig) wantExceptions(code uint64) {
	p.t.Helper()
	n := 0
	for _, s := range p.sent {
		for i, c := range s.chunks {
			if s.up || !c.IsAck() {
				continue
			}
			var before rtmfp.FlowChunk
			if i > 0 {
				before = s.chunks[i-1]
			}
			switch {
			case before.Type == rtmfp.ChunkFlowException:
				n++
				if before.Flow != c.Flow || before.Code != code || c.Blocks != 0 {
					p.t.Errorf("exception %+v, acknowledgement %+v", before, c)
				}
			case n > 0:
				p.t.Errorf("acknowledgement of a rejected flow without an exception: %+v", s.chunks)
			}
		}
	}
	if n == 0 {
		p.t.Error("no exception was sent")
	}
}

// RFC 7016 §3.6.2.10 and §3.6.3.7.
func TestFlowRejected(t *testing.T) {
	for _, tt := range []struct {
		what string
		code uint64
		at   int // message at which the application rejects; 0 = when the flow opens
		loss bool
	}{
		{"at once", 7, 0, false},
		{"at once, code 0", 0, 0, false},
		{"large code", 1 << 40, 0, false},
		{"amid a backlog", 9, 3, false},
		{"the exceptions get lost", 5, 2, true},
	} {
		t.Run(tt.what, func(t *testing.T) {
			p := newFlowRig(t, worldConfig{seed: 1, link: cleanLink})
			p.srv.onFlow = func(now rtmfp.Time, f *rtmfp.RecvFlow) {
				if tt.at == 0 {
					f.Reject(now, tt.code)
				}
			}
			p.srv.onMessage = func(now rtmfp.Time, f *rtmfp.RecvFlow, _ []byte) {
				if len(p.srv.all) == tt.at {
					f.Reject(now, tt.code)
					f.Reject(now, tt.code+1) // once is enough
				}
			}
			p.reset()
			lost := 0
			p.pass = func(fp *flowPacket) bool {
				if tt.loss && downAck(fp) && len(fp.chunks) > 1 && lost < 3 {
					lost++
					return false
				}
				return true
			}
			f := p.dataFlow(rtmfp.FlowOptions{})
			for i := range 100 {
				p.write(f, rtmfp.Message{}, numbered(i, 1000+100*i))
			}
			p.wantRejected(f, tt.code)
			p.wantExceptions(tt.code)
			if len(p.srv.all) != tt.at || len(p.srv.ended) != 0 {
				t.Errorf("the application that rejected got %d messages and %d ends", len(p.srv.all), len(p.srv.ended))
			}
			if p.ss.Buffered() != 0 {
				t.Errorf("%d bytes buffered", p.ss.Buffered())
			}
			p.net.Run(3 * time.Minute)
			if all, _ := p.ss.RecvFlows(); all != 0 || !p.cs.IsOpen() && len(p.cli.closed) == 0 {
				t.Errorf("%d receiving flows remembered", all)
			}
		})
	}
}

// A flow that was closed, but whose receiver does not want it, is told so, too; only the event of the
// rejection is left out, as it is closing already.
func TestFlowRejectedWhileClosing(t *testing.T) {
	p := newFlowRig(t, worldConfig{seed: 1, link: cleanLink})
	p.srv.onFlow = func(now rtmfp.Time, f *rtmfp.RecvFlow) { f.Reject(now, 3) }
	f := p.dataFlow(rtmfp.FlowOptions{})
	for i := range 50 {
		p.write(f, rtmfp.Message{}, numbered(i, 1000))
	}
	f.Close(p.net.Now())
	p.client.Wake()
	p.until("the end", time.Minute, func() bool { return len(p.cli.sendEnds) > 0 })
	var e *rtmfp.RejectedError
	if len(p.cli.rejected) != 0 || !errors.As(p.cli.sendEnds[0], &e) || e.Code != 3 {
		t.Errorf("rejected %v, ended %v", p.cli.rejected, p.cli.sendEnds)
	}
	// Also one that came to its end before anybody could say no.
	p.forge(
		rtmfp.MakeUserData(rtmfp.FlowChunk{Flow: 40, Seq: 1, Data: []byte("no metadata")}),
		rtmfp.MakeUserData(rtmfp.FlowChunk{Flow: 40, Seq: 2, FSN: 1, Abandon: true, Final: true}),
	)
	if c := p.sent[len(p.sent)-1].chunks; c[0].Type != rtmfp.ChunkFlowException || c[1].Cumulative != 2 {
		t.Errorf("%+v", c)
	}
}

// RFC 7016 §3.6.3.1, §2.3.11.1 and §2.3.11.1.2: what is rejected by itself, with code 0.
func TestFlowOpeningRules(t *testing.T) {
	meta := rtmfp.MetadataOption("m")
	join := func(list ...[]byte) (out []byte) {
		for _, l := range list {
			out = append(out, l...)
		}
		return out
	}
	for _, tt := range []struct {
		what    string
		options func(open, closing uint64) []byte
		ok      bool
	}{
		{"metadata", func(_, _ uint64) []byte { return meta }, true},
		{"empty metadata", func(_, _ uint64) []byte { return rtmfp.MetadataOption("") }, true},
		{"512 bytes", func(_, _ uint64) []byte { return rtmfp.MetadataOption(string(pattern(512))) }, true},
		{"513 bytes", func(_, _ uint64) []byte { return rtmfp.MetadataOption(string(pattern(513))) }, false},
		{"no options", func(_, _ uint64) []byte { return nil }, false},
		{"no metadata", func(open, _ uint64) []byte { return rtmfp.AssociationOption(open) }, false},
		{"unknown option", func(_, _ uint64) []byte { return join(meta, rtmfp.OptionOf(5, nil)) }, false},
		{"the last that matters", func(_, _ uint64) []byte { return join(meta, rtmfp.OptionOf(8191, []byte("x"))) }, false},
		{"the first that does not", func(_, _ uint64) []byte { return join(rtmfp.OptionOf(8192, []byte("x")), meta) }, true},
		{"association", func(open, _ uint64) []byte { return join(meta, rtmfp.AssociationOption(open)) }, true},
		{"association first", func(open, _ uint64) []byte { return join(rtmfp.AssociationOption(open), meta) }, true},
		{"with a flow that never was", func(_, _ uint64) []byte { return join(meta, rtmfp.AssociationOption(77)) }, false},
		{"with a closing flow", func(_, closing uint64) []byte { return join(meta, rtmfp.AssociationOption(closing)) }, false},
		{"two associations", func(open, _ uint64) []byte {
			return join(meta, rtmfp.AssociationOption(open), rtmfp.AssociationOption(open))
		}, false},
		{"malformed association", func(_, _ uint64) []byte { return join(meta, rtmfp.OptionOf(0x0a, []byte{0x81})) }, false},
		{"two metadata", func(_, _ uint64) []byte { return join(meta, rtmfp.MetadataOption("n")) }, true},
	} {
		t.Run(tt.what, func(t *testing.T) {
			p := newFlowRig(t, worldConfig{seed: 1, link: cleanLink})
			open := p.flow(p.ss, rtmfp.FlowOptions{})
			closing := p.flow(p.ss, rtmfp.FlowOptions{})
			p.write(open, rtmfp.Message{}, "x")
			p.acked(open)
			p.write(closing, rtmfp.Message{}, "x")
			closing.Close(p.net.Now())
			p.reset()
			p.forge(rtmfp.MakeUserData(rtmfp.FlowChunk{Flow: 40, Seq: 1, Options: tt.options(open.ID(), closing.ID()), Data: []byte("body")}))
			if got := len(p.srv.flows) == 1; got != tt.ok {
				t.Fatalf("accepted: %v", got)
			}
			var a *rtmfp.FlowChunk
			for _, s := range p.sent {
				for i, c := range s.chunks {
					if c.Type == rtmfp.ChunkFlowException && (tt.ok || c.Flow != 40 || c.Code != 0) {
						t.Errorf("exception %+v", c)
					}
					if c.IsAck() && c.Flow == 40 {
						a = &s.chunks[i]
						if !tt.ok && (i == 0 || s.chunks[i-1].Type != rtmfp.ChunkFlowException) {
							t.Error("no exception before the acknowledgement")
						}
					}
				}
			}
			if a == nil || a.Cumulative != 1 {
				t.Fatalf("acknowledgement %+v: also rejected data is acknowledged, and the first at once", a)
			}
			if !tt.ok {
				if len(p.srv.all) != 0 || len(p.srv.ended) != 0 {
					t.Error("the application heard of it")
				}
				return
			}
			if len(p.srv.all) != 1 || len(p.srv.flows[0].Metadata()) > 512 {
				t.Errorf("%d messages", len(p.srv.all))
			}
			want := open
			if tt.what != "association" && tt.what != "association first" {
				want = nil
			}
			if got := p.srv.flows[0].Assoc(); got != want {
				t.Errorf("associated with %v", got)
			}
		})
	}
}

// RFC 7016 §3.6.3.2, step 4: an option that must be understood rejects also a flow that is open.
func TestFlowUnknownOptionLater(t *testing.T) {
	p := newFlowRig(t, worldConfig{seed: 1, link: cleanLink})
	send := func(seq uint64, options []byte) {
		p.forge(rtmfp.MakeUserData(rtmfp.FlowChunk{Flow: 40, Seq: seq, Options: options, Data: []byte("body")}))
	}
	send(1, rtmfp.MetadataOption("m"))
	send(2, rtmfp.OptionOf(9000, nil))
	if len(p.srv.all) != 2 || len(p.srv.ended) != 0 {
		t.Fatalf("%d messages, ended %v", len(p.srv.all), p.srv.ended)
	}
	p.reset()
	send(3, rtmfp.OptionOf(9, nil))
	send(4, nil)
	if len(p.srv.all) != 2 || len(p.srv.ended) != 1 || !errors.Is(p.srv.ended[0], net.ErrClosed) {
		t.Errorf("%d messages, ended %v", len(p.srv.all), p.srv.ended)
	}
	p.wantExceptions(0)
}

// RFC 7016 §3.6.1.1: an answering flow is bound to the one it answers, both ways.
func TestFlowReturnAssociation(t *testing.T) {
	p := newFlowRig(t, worldConfig{seed: 1, link: cleanLink})
	var answers []*rtmfp.SendFlow
	p.srv.onFlow = func(now rtmfp.Time, f *rtmfp.RecvFlow) {
		if f.Assoc() != nil {
			t.Error("the first flow answers nothing")
		}
		for range 3 { // as many as one likes
			a, err := p.ss.Open(now, []byte("answer"), rtmfp.FlowOptions{Assoc: f})
			if err != nil {
				t.Fatal(err)
			}
			answers = append(answers, a)
			if _, err := a.Write(now, rtmfp.Message{Body: rtmfp.CopyBuffer([]byte("hi"))}); err != nil {
				t.Fatal(err)
			}
		}
	}
	f := p.dataFlow(rtmfp.FlowOptions{})
	p.write(f, rtmfp.Message{}, "question")
	p.until("the answers", time.Minute, func() bool { return len(p.cli.all) == 3 })
	for _, r := range p.cli.flows {
		if r.Assoc() != f || string(r.Metadata()) != "answer" {
			t.Errorf("flow %d answers %v", r.ID(), r.Assoc())
		}
	}
	// When the question is closed, an answer that begins only then is rejected.
	late, err := p.ss.Open(p.net.Now(), []byte("late"), rtmfp.FlowOptions{Assoc: p.srv.flows[0]})
	if err != nil {
		t.Fatal(err)
	}
	f.Close(p.net.Now())
	p.client.Wake()
	p.net.Run(time.Second)
	if _, err := late.Write(p.net.Now(), rtmfp.Message{Body: rtmfp.CopyBuffer([]byte("late"))}); err != nil {
		t.Fatal(err)
	}
	p.server.Wake()
	p.net.Run(time.Second)
	if fmt.Sprint(p.srv.rejected) != "[0]" || len(p.cli.all) != 3 || len(p.srv.sendEnds) != 1 {
		t.Errorf("rejected %v, %d messages", p.srv.rejected, len(p.cli.all))
	}
}

// Flows are limited in both directions. A receiver rejects those above the limit; it only ignores what
// is far beyond.
func TestFlowLimits(t *testing.T) {
	const limit = 5
	p := newFlowRig(t, worldConfig{seed: 1, link: cleanLink, server: rtmfp.Config{MaxFlows: limit}})
	var flows []*rtmfp.SendFlow
	for range limit + 2 {
		f := p.dataFlow(rtmfp.FlowOptions{})
		flows = append(flows, f)
		p.write(f, rtmfp.Message{}, "x")
	}
	p.net.Run(time.Second)
	if len(p.srv.flows) != limit || len(p.cli.rejected) != 2 || len(p.cli.sendEnds) != 2 {
		t.Fatalf("%d flows, %d rejected, %d ended", len(p.srv.flows), len(p.cli.rejected), len(p.cli.sendEnds))
	}
	if n := p.server.Endpoint().Counters().FlowsRefused.Load(); n != 2 {
		t.Errorf("%d counted", n)
	}
	flows[0].Close(p.net.Now())
	p.client.Wake()
	p.net.Run(time.Second)
	g := p.dataFlow(rtmfp.FlowOptions{})
	p.write(g, rtmfp.Message{}, "room again")
	p.acked(g)
	if len(p.srv.flows) != limit+1 {
		t.Errorf("%d flows", len(p.srv.flows))
	}
	for i := range uint64(10 * limit) {
		p.forge(rtmfp.MakeUserData(rtmfp.FlowChunk{Flow: 1000 + i, Seq: 1, Options: rtmfp.MetadataOption("m")}))
	}
	if all, open := p.ss.RecvFlows(); all != 4*limit || open != limit {
		t.Errorf("%d receiving flows, %d open", all, open)
	}

	for range limit {
		if _, err := p.ss.Open(p.net.Now(), nil, rtmfp.FlowOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.ss.Open(p.net.Now(), nil, rtmfp.FlowOptions{}); !errors.Is(err, rtmfp.ErrTooManyFlows) {
		t.Errorf("%v", err)
	}
}

// Rejected flows do not keep a session alive that has no others.
func TestFlowRejectedIsIdle(t *testing.T) {
	p := newFlowRig(t, worldConfig{seed: 1, link: cleanLink, server: rtmfp.Config{IdleLimit: 10 * time.Second}})
	p.srv.onFlow = func(now rtmfp.Time, f *rtmfp.RecvFlow) { f.Reject(now, 1) }
	p.forge(rtmfp.MakeUserData(rtmfp.FlowChunk{Flow: 40, Seq: 1, Options: rtmfp.MetadataOption("m")}))
	p.net.Run(15 * time.Second)
	if len(p.srv.closed) != 1 || p.srv.closed[0] != rtmfp.ErrIdle {
		t.Errorf("closed: %v", p.srv.closed)
	}
}
