package netconn

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/monaserver/monaserver/pkg/amf"
)

type goldenMessage struct {
	Session  string
	From     string
	Flow     int
	Metadata string
	Answers  int
	Hex      string
}

func loadJSON(t testing.TB, name string, v any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func unhexString(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func loadDialogue(t testing.TB) []goldenMessage {
	var file struct{ Messages []goldenMessage }
	loadJSON(t, "librtmfp.json", &file)
	if len(file.Messages) == 0 {
		t.Fatal("no messages")
	}
	return file.Messages
}

// The checker must accept what a server sent that this client is known to work with.
func TestStrictClientAcceptsRealServer(t *testing.T) {
	s := &strictClient{t: t}
	for _, m := range loadDialogue(t) {
		if m.From == "server" {
			md := unhexString(t, m.Metadata)
			s.flow(md)
			s.message(parseFlowMetadata(md).stream, unhexString(t, m.Hex))
		}
	}
}

// replay feeds the messages that a real client sent in a session to a raw client's flows.
func replay(t *testing.T, c *rawClient, session string) {
	flows := map[int]*pipeSend{}
	for _, m := range loadDialogue(t) {
		if m.Session != session || m.From != "client" {
			continue
		}
		f := flows[m.Flow]
		if f == nil {
			f = c.open(parseFlowMetadata(unhexString(t, m.Metadata)).stream)
			flows[m.Flow] = f
		}
		c.writeRaw(f, unhexString(t, m.Hex))
		c.rig.run()
	}
}

func TestStrictClientDialogue(t *testing.T) {
	r := newRig(t, &askApp{})
	player, publisher := r.client(), r.client()
	replay(t, player, "player")
	if player.conn.Path() != "/app" {
		t.Errorf("path %q: the URL decides, not the constant app", player.conn.Path())
	}
	player.expect(0,
		"_result 0 "+success, "control 41 15000 10000", "_result 0 1", "begin 1")
	player.expect(1,
		"onStatus 0 [status NetStream.Play.Reset: Playing and resetting s]",
		"onStatus 0 [status NetStream.Play.Start: Started playing s]",
		`data18 "|RtmpSampleAccess" true true`)
	if a := player.conn.PeerAddresses(); len(a) != 2 || a[0].String() != "192.0.2.2:43835" || a[1].String() != "[fd00::2]:52243" {
		t.Errorf("addresses %v", a)
	}

	replay(t, publisher, "publisher")
	publisher.expect(0, "_result 0 "+success, "control 41 15000 10000", "_result 0 1")
	publisher.expect(1, "onStatus 0 [status NetStream.Publish.Start: s is now published]")

	// What the publisher sent must arrive whole, except that metadata has lost its AMF3 and its
	// "@setDataFrame".
	var want, got []string
	for _, m := range loadDialogue(t) {
		b := unhexString(t, m.Hex)
		if m.Session == "publisher" && m.From == "client" && (b[0] == typeAudio || b[0] == typeVideo) {
			want = append(want, hex.EncodeToString(b[headerSize:]))
		}
	}
	metadata := 0
	for _, g := range player.got {
		switch g.typ {
		case typeAudio, typeVideo:
			got = append(got, hex.EncodeToString(g.payload))
		case typeData:
			metadata++
			if !strings.HasPrefix(g.String(), `data18 "onMetaData" [duration:`) {
				t.Errorf("metadata %s", g)
			}
			if mixed, err := amf.ContainsAMF3(g.payload, amf.Limits{}); mixed || err != nil {
				t.Errorf("metadata with AMF3 (%v): %x", err, g.payload)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("frames (-sent +played):\n%s", diff)
	}
	if metadata != 1 {
		t.Errorf("%d metadata messages", metadata)
	}
}

// Messages of independent encoders: every client message must be understood, and what we send must be
// byte for byte what they would.
func TestMessageVectors(t *testing.T) {
	var file struct {
		TC []struct{ What, Hex string }
	}
	loadJSON(t, "messages.json", &file)
	vec := map[string][]byte{}
	for _, v := range file.TC {
		vec[v.What] = unhexString(t, v.Hex)
	}
	for _, v := range []struct {
		what    string
		stream  uint32
		arrival bool
	}{
		{"metadata stream 0 sequence order", 0, false},
		{"metadata stream 1 sequence order", 1, false},
		{"metadata stream 1 network order", 1, true},
		{"metadata stream 300 sequence order", 300, false},
		{"metadata stream 2000001 sequence order", 2000001, false},
	} {
		md := parseFlowMetadata(vec[v.what])
		if md != (flowMetadata{flowTC, v.stream, v.arrival}) {
			t.Errorf("%s: %+v", v.what, md)
		}
		if b := appendFlowMetadata(nil, v.stream); !v.arrival && !bytes.Equal(b, vec[v.what]) {
			t.Errorf("%s: %x", v.what, b)
		}
	}
	for what, u := range map[string]userControl{
		"flow sync message id 0 count 3":                {eventFlowSync, 0, 3, 2},
		"flow sync message id 0x01020304 count 2":       {eventFlowSync, 0x01020304, 2, 2},
		"set keepalive: server 15000 ms, peer 10000 ms": {eventSetKeepalive, 15000, 10000, 2},
		"stream begin, stream 1":                        {eventStreamBegin, 1, 0, 1},
		"stream EOF, stream 1":                          {eventStreamEOF, 1, 0, 1},
		"set buffer length stream 1 3000 ms (client)":   {eventBufferLength, 1, 3000, 2},
	} {
		if b := appendUserControl(nil, u); !bytes.Equal(b, vec[what]) {
			t.Errorf("%s: %x, want %x", what, b, vec[what])
		}
		if got, ok := parseUserControl(vec[what][headerSize:]); !ok || got != u {
			t.Errorf("%s: %+v", what, got)
		}
	}

	r := newRig(t, &askApp{})
	c := r.client()
	f := c.open(0)
	for _, what := range []string{
		"command connect (type 20)", "setPeerInfo (type 17)", "command createStream tid 2",
	} {
		if vec[what] == nil {
			what = strings.TrimPrefix(what, "command ")
		}
		c.writeRaw(f, vec[what])
		r.run()
	}
	c.expect(0, "_result 1 "+success, "control 41 15000 10000", "_result 2 1")
	if a := c.conn.PeerAddresses(); len(a) != 2 || a[0].String() != "192.168.1.5:50000" || a[1].String() != "[2001:db8::5]:50000" {
		t.Errorf("addresses %v", a)
	}
	if c.conn.Path() != "/live" {
		t.Errorf("path %q", c.conn.Path())
	}
	s := c.open(1)
	c.writeRaw(s, vec["publish cam live"])
	c.expect(1, "onStatus 0 [status NetStream.Publish.Start: cam is now published]")

	p := r.connected("/live", 0)
	id, fp := p.stream()
	p.writeRaw(fp, vec["play cam"])
	r.run()
	var sampleAccess []byte
	for _, g := range p.got {
		if g.typ == typeData {
			sampleAccess = append(appendHeader(nil, g.typ, g.ts), g.payload...)
		}
	}
	if !bytes.Equal(sampleAccess, vec["|RtmpSampleAccess true true (type 18)"]) {
		t.Errorf("sample access %x", sampleAccess)
	}
	p.got = nil
	c.writeRaw(s, vec["@setDataFrame onMetaData {width:640} (type 18)"])
	c.writeRaw(s, vec["audio, timestamp 0x01020304, AAC config"])
	c.writeRaw(s, vec["video, timestamp 40, AVC keyframe header"])
	// The timestamps of the two are days apart: the listener's go on.
	p.expect(id, `data18 "onMetaData" [width:640]`, "audio 0 af001210", "video 1 1701000000")

	var cd codec
	if b := cd.command("_result", 2, 0, amf.Number(1)); !bytes.Equal(b.Bytes(), vec["_result createStream tid 2 -> 1"]) {
		t.Errorf("createStream result %x", b.Bytes())
	}
}

func TestGroupVectors(t *testing.T) {
	type join struct {
		GroupID string `json:"group_id"`
		Text    string `json:"join_message_text_form_option_0x10"`
		ID      string `json:"join_message_id_form_option_0x15"`
	}
	var file struct {
		Group struct {
			V1, V2 join
			Notice string `json:"member_notification_message"`
			Peer   string `json:"member_notification_peer_id"`
		}
	}
	loadJSON(t, "messages.json", &file)
	for _, j := range []join{file.Group.V1, file.Group.V2} {
		for _, m := range []string{j.Text, j.ID} {
			if m == "" {
				continue
			}
			id, ok := parseJoin(unhexString(t, m))
			if !ok || hex.EncodeToString(id[:]) != j.GroupID {
				t.Errorf("%s: %x %v", m, id, ok)
			}
			b := unhexString(t, m)
			for i := range b {
				if _, ok := parseJoin(b[:i]); ok {
					t.Errorf("cut at %d accepted", i)
				}
			}
		}
	}
}
