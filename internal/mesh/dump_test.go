package mesh

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
)

// dump keeps the frames of one server in both directions; each direction has its own goroutine and order.
type dump struct {
	mu             sync.Mutex
	sent, received []string
	addr           netip.AddrPort // of the last one
}

func (d *dump) show(sent bool, addr netip.AddrPort, head, payload []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.addr = addr
	frame := string(head) + string(payload)
	if sent {
		d.sent = append(d.sent, frame)
	} else {
		d.received = append(d.received, frame)
	}
}

func (d *dump) config(c *Config) { c.Dump = d.show }

// Both ends of a link see the same frames, from the proofs of the secret to calls of every length. What they see is
// never the secret.
func TestDump(t *testing.T) {
	const password = "correct horse battery staple"
	var da, db dump
	b := start(t, func(c *Config) {
		c.Secret = password
		c.Params["servers.secret"] = password
		db.config(c)
	})
	a := start(t, func(c *Config) {
		c.Secret = password
		c.Params["servers.secret"] = password
		c.Targets = []Target{b.target()}
		da.config(c)
	})
	a.wait("open /live")
	b.wait("open /live")
	link := a.linked()[0]
	text := func(n int) []byte {
		return append([]byte{0x0c, 0, byte(n >> 16), byte(n >> 8), byte(n)}, bytes.Repeat([]byte("x"), n)...)
	}
	for _, n := range []int{30, copied + 1, readBuffer + 1} {
		if err := link.Send("note", text(n), Media{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := link.Send("last", nil, Media{}); err != nil {
		t.Fatal(err)
	}
	b.wait("last()")
	addr := link.Addr()
	b.stop()
	a.wait("-")
	a.stop()

	if da.addr != addr {
		t.Errorf("frames of %v, not %v", da.addr, addr)
	}
	if !slices.Equal(da.sent, db.received) {
		t.Errorf("sent %q, received %q", da.sent, db.received)
	}
	if !slices.Equal(db.sent, da.received) {
		t.Errorf("sent %q, received %q", db.sent, da.received)
	}
	hello := "\x00\x00" + string(rune(kindHello))
	for _, want := range []string{hello + "\x07node.id", keyProof, "\x04note", "\x00\x02" + string(text(copied+1)), "\x04last"} {
		if !slices.ContainsFunc(da.sent, func(f string) bool { return strings.Contains(f, want) }) {
			t.Errorf("no frame with %.60q was sent", want)
		}
	}
	for _, f := range slices.Concat(da.sent, db.sent) {
		if strings.Contains(f, password) {
			t.Errorf("the secret is in %q", f)
		}
	}
}

// A frame that breaks the protocol is shown before the link ends.
func TestDumpMalformed(t *testing.T) {
	var d dump
	s := start(t, d.config)
	w := s.connect(t)
	w.send("00000002 05 61") // a name of five bytes, of which one is there
	for w.receive() != "" {
	}
	s.stop()
	if want := []string{"\x05a"}; !slices.Equal(d.received, want) {
		t.Errorf("received %q, want %q", d.received, want)
	}
}
