package netconn

import (
	"fmt"
	"testing"
	"time"

	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// openWith opens a flow with any metadata and association, and writes an empty message to announce it.
func (c *rawClient) openWith(metadata string, assoc recvFlow) *pipeSend {
	f, err := c.near.open(c.rig.now, []byte(metadata), assoc, 0, false, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	c.writeRaw(f.(*pipeSend), nil)
	c.rig.run()
	return f.(*pipeSend)
}

func TestFlowMetadata(t *testing.T) {
	r := newRig(t, &askApp{})
	c := r.connected("/live", 0)
	id, _ := c.stream()
	for _, tc := range []struct {
		metadata string
		assoc    recvFlow
		ok       bool
	}{
		{"TC\x04\x01", c.peer, true},
		{"TC\x05\x01", c.peer, true},  // arrival order
		{"TC\x04\x01", nil, true},     // no doubt which connection is meant
		{"TC\x04\x00", c.peer, true},  // one more flow of the control stream
		{"TC\x04\x00", nil, false},    // a second connection
		{"TC\x04\x02", c.peer, false}, // no such stream
		{"TC\x04\x8f\xff\xff\xff\x7f", c.peer, false},
		{"TC\x04\x9f\xff\xff\xff\xff\xff\xff\xff\xff\x7f", c.peer, false},
		{"TC\x04\x81", c.peer, false},
		{"TC\x04", c.peer, false},
		{"TC\x00\x01", c.peer, false},
		{"GC", c.peer, false}, // no groups here
		{"GR\x1c", c.peer, false},
		{"rtmfp://other", c.peer, false},
		{"", c.peer, false},
	} {
		f := c.openWith(tc.metadata, tc.assoc)
		if f.rejected == tc.ok {
			t.Errorf("%q: rejected %v", tc.metadata, f.rejected)
		}
		if f.recv.code != 0 {
			t.Errorf("%q: exception code %d", tc.metadata, f.recv.code)
		}
		if want := tc.metadata == "TC\x05\x01"; tc.ok && f.recv.arrival != want {
			t.Errorf("%q: arrival order %v", tc.metadata, f.recv.arrival)
		}
		if tc.ok && tc.metadata[3] == byte(id) && f.recv.capacity < 1<<20 {
			t.Errorf("%q: capacity %d", tc.metadata, f.recv.capacity)
		}
	}
	if !c.conn.Connected() || r.shard.counters.FlowsRejected.Load() != 11 {
		t.Errorf("connected %v, %d rejected", c.conn.Connected(), r.shard.counters.FlowsRejected.Load())
	}
}

func TestFlowBeforeControl(t *testing.T) {
	r := newRig(t, &askApp{})
	c := r.client()
	if f := c.openWith("TC\x04\x01", nil); !f.rejected {
		t.Error("stream flow without connection accepted")
	}
	c.control = nil
	c.connect("/live", 0)
	r.run()
	if !c.conn.Connected() {
		t.Error("not connected")
	}
}

func TestFlowLimit(t *testing.T) {
	r := newRig(t, &askApp{}, func(c *Config) { c.Limits.Flows = 3 })
	c := r.connected("/live", 0)
	_, f := c.stream()
	c.writeRaw(f, nil)
	if c.openWith("TC\x04\x01", c.peer).rejected || !c.openWith("TC\x04\x01", c.peer).rejected {
		t.Error("limit not kept")
	}
	f.Close(r.now)
	r.run()
	if c.openWith("TC\x04\x01", c.peer).rejected {
		t.Error("a flow that ended still counts")
	}
}

// Flow sync: what follows it on one flow waits until the others have reached it (RFC 7425 §5.2).
func TestFlowSync(t *testing.T) {
	r := newRelay(t, 0)
	audio, video := r.pub.open(r.pubID), r.pub.open(r.pubID)
	sync := func(f *pipeSend, id, count uint32) {
		r.pub.writeRaw(f, appendUserControl(nil, userControl{eventFlowSync, id, count, 2}))
	}
	sync(audio, 1, 3)
	r.pub.write(audio, typeAudio, 10, soundFrame)
	sync(video, 1, 3)
	r.pub.write(video, typeVideo, 0, keyFrame)
	r.pub.write(video, typeVideo, 40, interFrame)
	r.play.expect(r.playID)
	r.pub.write(r.in, typeData, 0, values(amf.String("cue")))
	sync(r.in, 1, 3)
	r.play.expect(r.playID, `data18 "cue"`, "audio 0 af01cc", "video 0 1701000000aa", "video 30 2701000000bb")

	// Two syncs in a row, the second one read while the first one holds the flow.
	sync(audio, 2, 2)
	r.pub.write(audio, typeAudio, 50, soundFrame)
	sync(audio, 3, 2)
	r.pub.write(audio, typeAudio, 90, soundFrame)
	sync(video, 2, 2)
	r.play.expect(r.playID, "audio 40 af01cc")
	sync(video, 3, 2)
	r.play.expect(r.playID, "audio 80 af01cc")

	// A participant that ends lets the others go on.
	sync(audio, 4, 2)
	r.pub.write(audio, typeAudio, 100, soundFrame)
	r.play.expect(r.playID)
	video.Close(r.now)
	r.play.expect(r.playID, "audio 90 af01cc")

	// One that never comes does as well, after a while.
	sync(audio, 5, 2)
	r.pub.write(audio, typeAudio, 110, soundFrame)
	r.advance(1900 * time.Millisecond)
	r.play.expect(r.playID)
	r.advance(200 * time.Millisecond)
	r.play.expect(r.playID, "audio 100 af01cc")
	if r.shard.counters.SyncTimeouts.Load() != 1 {
		t.Error("not counted")
	}

	// Nonsense, and flows in arrival order, wait for nothing.
	for _, count := range []uint32{0, 1, 1000, 1<<32 - 1} {
		sync(audio, 6, count)
	}
	arrival := r.pub.openWith("TC\x05\x01", r.pub.peer)
	sync(arrival, 7, 2)
	r.pub.write(audio, typeAudio, 120, soundFrame)
	r.pub.write(arrival, typeAudio, 130, soundFrame)
	r.play.expect(r.playID, "audio 110 af01cc", "audio 120 af01cc")
}

func TestFlowSyncBounded(t *testing.T) {
	r := newRelay(t, 0, func(c *Config) { c.Limits.HeldBytes = 5000 })
	r.pub.writeRaw(r.in, appendUserControl(nil, userControl{eventFlowSync, 1, 2, 2}))
	for i := range 1000 {
		r.pub.write(r.in, typeAudio, uint32(i), soundFrame)
	}
	r.run()
	audio := 0
	for _, g := range r.play.got {
		if g.typ == typeAudio {
			if g.ts != uint32(audio) {
				t.Fatalf("audio %d has time %d", audio, g.ts)
			}
			audio++
		}
	}
	if audio != 1000 || r.pub.conn.heldBytes != 0 {
		t.Errorf("%d frames, %d bytes held", audio, r.pub.conn.heldBytes)
	}
	for id := range uint32(100) {
		f := r.pub.open(r.pubID)
		r.pub.writeRaw(f, appendUserControl(nil, userControl{eventFlowSync, 10 + id, 2, 2}))
	}
	r.run()
	if n := len(r.pub.conn.barriers); n != maxBarriers {
		t.Errorf("%d syncs in progress", n)
	}
}

// fakeGroups keeps the members of groups.
type fakeGroups struct {
	log     *[]string
	members []*Membership
}

func (g *fakeGroups) Join(_ rtmfp.Time, m *Membership) {
	*g.log = append(*g.log, fmt.Sprintf("join %d", m.Group()[0]))
	g.members = append(g.members, m)
}

func (g *fakeGroups) Leave(_ rtmfp.Time, m *Membership) {
	*g.log = append(*g.log, fmt.Sprintf("leave %d", m.Group()[0]))
}

// join joins the group whose id starts with n.
func (c *rawClient) join(n byte) *pipeSend {
	f := c.openWith("GC", c.peer)
	id := GroupID{n}
	c.writeRaw(f, append([]byte{groupJoin, 33, 0x15}, id[:]...))
	return f
}

func TestGroups(t *testing.T) {
	var log []string
	groups := &fakeGroups{log: &log}
	r := newRig(t, &askApp{}, func(c *Config) { c.Groups = groups })
	c := r.client()
	if f := c.openWith("GC", nil); !f.rejected {
		t.Error("group before connect accepted")
	}
	c.control = nil
	c.connect("/live", 0)
	r.run()
	f := c.join(5)
	r.run()
	if fmt.Sprint(log) != "[join 5]" || groups.members[0].Conn() != c.conn {
		t.Fatal(log)
	}
	c.got = nil
	groups.members[0].SendMember(r.now, peerID(3))
	groups.members[0].SendMember(r.now, peerID(4))
	r.run()
	if len(c.got) != 2 || !c.got[0].group || c.got[0].payload[0] != groupMember || string(c.got[1].payload[1:]) != string(id4()) {
		t.Errorf("%v", c.got)
	}
	if c.got[0].flow.assoc.end != c.near || c.got[0].flow.assoc != f {
		t.Error("the return flow must answer the group's flow")
	}
	c.writeRaw(f, []byte{groupJoin, 33, 0x15}) // one group per flow: ignored
	f.Close(r.now)
	r.run()
	if fmt.Sprint(log) != "[join 5 leave 5]" || len(c.conn.groups) != 0 {
		t.Error(log)
	}
	groups.members[0].SendMember(r.now, peerID(3))

	bad := c.openWith("GC", c.peer)
	c.writeRaw(bad, []byte{groupJoin, 5, 0x15, 1, 2, 3, 4})
	r.run()
	if !bad.rejected || len(c.conn.groups) != 0 || !c.conn.Connected() {
		t.Error("bad join")
	}
}

func TestGroupLimit(t *testing.T) {
	var log []string
	r := newRig(t, &askApp{}, func(c *Config) { c.Groups, c.Limits.Groups = &fakeGroups{log: &log}, 2 })
	c := r.connected("/live", 0)
	first := c.join(1)
	if c.join(2).rejected || !c.openWith("GC", c.peer).rejected {
		t.Error("limit not kept")
	}
	if n := c.conn.counters.GroupsRefused.Load(); n != 1 {
		t.Errorf("%d groups refused", n)
	}
	first.Close(r.now)
	r.run()
	if c.join(3).rejected {
		t.Error("a group that was left still counts")
	}
}

func id4() []byte { id := peerID(4); return id[:] }
