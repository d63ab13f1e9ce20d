package netconn

import (
	"encoding/binary"
	"testing"

	"github.com/rs/zerolog"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// FuzzServer lets a client open flows and send messages of any type and content on them. Each operation
// is a byte that says what to do, a flow, and a message with a length in front. Nothing may panic, and
// what is held must stay within its limits.
func FuzzServer(f *testing.F) {
	for _, session := range []string{"player", "publisher"} {
		var ops []byte
		for _, m := range loadDialogue(f) {
			if b := unhexString(f, m.Hex); m.Session == session && m.From == "client" && len(b) < 3000 {
				ops = append(ops, 0, byte(m.Flow-2))
				ops = binary.BigEndian.AppendUint16(ops, uint16(len(b)))
				ops = append(ops, b...)
			}
		}
		f.Add(ops)
	}
	f.Add([]byte("\x00\x01\x00\x0f\x04\x00\x00\x00\x00\x00\x22\x00\x00\x00\x01\x00\x00\x00\x02\x02\x01\x03\x00"))
	f.Fuzz(func(t *testing.T, ops []byte) { fuzzServer(t, ops) })
}

func fuzzServer(t *testing.T, ops []byte) {
	limits := Limits{Streams: 4, Flows: 16, Calls: 4, HeldBytes: 20_000}
	app := &askApp{}
	groups := &fakeGroups{log: &app.log}
	var pending []func(rtmfp.Time)
	app.call = func(_ rtmfp.Time, r *CallRequest) {
		pending = append(pending, func(now rtmfp.Time) { r.Result(now, r.Args...) })
	}
	app.play = func(_ rtmfp.Time, r *PlayRequest) {
		pending = append(pending, func(now rtmfp.Time) { r.Accept(now) })
	}
	r := newRig(t, app, func(c *Config) {
		c.Limits, c.Groups, c.Log = limits, groups, zerolog.Nop()
	})
	c := r.client()
	c.strict.called = true
	var flows []*pipeSend
	flow := func(i byte) *pipeSend {
		if len(flows) == 0 || (int(i) >= len(flows) && len(flows) < 32) {
			stream := uint32(0)
			if len(flows) > 0 {
				stream = uint32(i%5) + 1
			}
			if c.control == nil {
				flows = append(flows, c.open(0))
			} else {
				flows = append(flows, c.open(stream))
			}
		}
		return flows[int(i)%len(flows)]
	}
	for n := 0; len(ops) >= 2 && n < 400 && c.closed == nil; n++ {
		op, f := ops[0], flow(ops[1])
		ops = ops[2:]
		switch op % 8 {
		case 1:
			f.Close(r.now)
		case 2:
			r.advance(1 << 28)
		case 3:
			if len(pending) > 0 {
				p := pending[0]
				pending = pending[1:]
				p(r.now)
			}
		case 4:
			if len(c.in) > 0 {
				c.in[int(op/8)%len(c.in)].Reject(r.now, 0)
			}
		default:
			if len(ops) < 2 {
				break
			}
			size := min(int(binary.BigEndian.Uint16(ops)), len(ops)-2)
			c.writeRaw(f, ops[2:2+size])
			ops = ops[2+size:]
		}
		r.run()
		conn := c.conn
		if conn.heldBytes > limits.HeldBytes || conn.heldBytes < 0 || len(conn.streams) > limits.Streams ||
			len(conn.calls) > limits.Calls || conn.flows > limits.Flows || conn.flows < 0 || len(conn.barriers) > maxBarriers {
			t.Fatalf("limits: %d bytes held, %d streams, %d calls, %d flows, %d syncs",
				conn.heldBytes, len(conn.streams), len(conn.calls), conn.flows, len(conn.barriers))
		}
		c.got = nil
	}
	c.near.Close(r.now)
	r.run()
	if c.conn.heldBytes != 0 || r.shard.Len() != 0 || r.hub.Stats() != (media.HubStats{Skipped: r.hub.Stats().Skipped}) ||
		r.shard.cfg.Registry.Len() != 0 || r.shard.media.Listeners() != 0 {
		t.Fatalf("left: %d bytes, %d clients, %+v", c.conn.heldBytes, r.shard.Len(), r.hub.Stats())
	}
}

// FuzzClient lets a server send messages of any content: a byte that says on which stream, then a message
// with a length in front.
func FuzzClient(f *testing.F) {
	for _, session := range []string{"player", "publisher"} {
		var ops []byte
		for _, m := range loadDialogue(f) {
			if b := unhexString(f, m.Hex); m.Session == session && m.From == "server" && len(b) < 3000 {
				ops = append(ops, byte(parseFlowMetadata(unhexString(f, m.Metadata)).stream))
				ops = binary.BigEndian.AppendUint16(ops, uint16(len(b)))
				ops = append(ops, b...)
			}
		}
		f.Add(ops)
	}
	f.Fuzz(func(t *testing.T, ops []byte) {
		r := newRig(t, &askApp{}, func(c *Config) { c.Log = zerolog.Nop() })
		c := r.newClient(ClientConfig{URL: "rtmfp://h/live", Limits: Limits{HeldBytes: 10_000}})
		s := c.stream()
		var in [4]*inFlow
		for i := range in {
			l := &c.control
			if i > 0 {
				l = &s.lane
			}
			in[i] = c.attach(l, &pipeRecv{send: &pipeSend{end: c.end}}, flowMetadata{stream: l.id})
		}
		for len(ops) >= 3 {
			size := min(int(binary.BigEndian.Uint16(ops[1:])), len(ops)-3)
			c.incoming(r.now, in[ops[0]%4], rtmfp.CopyBuffer(ops[3:3+size]))
			ops = ops[3+size:]
			if c.heldBytes > 10_000 || c.heldBytes < 0 {
				t.Fatalf("%d bytes held", c.heldBytes)
			}
		}
		r.advance(1 << 32)
		c.Close(r.now)
		r.advance(1 << 34)
		if c.heldBytes != 0 || !c.closed {
			t.Fatalf("%d bytes held, closed %v", c.heldBytes, c.closed)
		}
	})
}
