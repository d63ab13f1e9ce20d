package server

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"

	"github.com/rs/zerolog"

	"github.com/monaserver/monaserver/internal/config"
)

// maxDump bounds a dump in bytes when the dumplimit option does not: a message between servers may have megabytes.
const maxDump = 64 << 10

// dumpLine is about how long the line of 16 bytes is, or the title.
const dumpLine = 80

// dumper logs packets of one protocol. It is called where they are sent and received, and waits for nothing: what the log has
// no room for is dropped and counted there.
type dumper struct {
	log      zerolog.Logger
	protocol string
	limit    int // bytes of a packet
}

// newDumper returns nil when the packets of the protocol are not asked for.
func newDumper(log zerolog.Logger, d config.Dump, protocol string) *dumper {
	if !d.On || d.Filter != "" && !strings.EqualFold(d.Filter, protocol) {
		return nil
	}
	x := &dumper{log: log, protocol: protocol, limit: maxDump}
	if d.Limit > 0 {
		x.limit = min(d.Limit, maxDump)
	}
	return x
}

// rtmfp is an rtmfp.DumpFunc.
func (d *dumper) rtmfp(sent bool, addr netip.AddrPort, session uint32, packet []byte) {
	d.write(sent, addr, fmt.Sprintf(", session %08x", session), packet, nil)
}

// frame shows a message between servers, which is in two parts.
func (d *dumper) frame(sent bool, addr netip.AddrPort, head, payload []byte) {
	d.write(sent, addr, "", head, payload)
}

// write logs one packet. All about it is in the message: in text, fields would come behind the bytes.
func (d *dumper) write(sent bool, addr netip.AddrPort, session string, head, rest []byte) {
	ev := d.log.Info()
	if ev == nil {
		return
	}
	direction := "received from"
	if sent {
		direction = "sent to"
	}
	size, cut := len(head)+len(rest), ""
	if size > d.limit {
		cut = fmt.Sprintf(", the first %d", d.limit)
	}
	head = head[:min(len(head), d.limit)]
	rest = rest[:min(len(rest), d.limit-len(head))]
	var b strings.Builder
	b.Grow(dumpLine * (2 + (len(head)+len(rest))/16))
	fmt.Fprintf(&b, "%s %s %v%s, %d bytes%s\n", d.protocol, direction, addr, session, size, cut)
	w := hex.Dumper(&b)
	for _, part := range [...][]byte{head, rest} {
		_, _ = w.Write(part) // a strings.Builder takes everything
	}
	_ = w.Close()
	ev.Str("dump", d.protocol).Msg(b.String())
}
