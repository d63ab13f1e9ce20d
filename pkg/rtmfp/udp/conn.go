package udp

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// conn is a UDP socket that is read and written in batches. read, received, datagram, write and
// setDeadline belong to the shard; wake may be called by anybody.
type conn struct {
	addr     netip.AddrPort
	v6       bool
	deadline rtmfp.Time // when a waiting read ends by itself; 0 = never
	woken    bool       // but it may have been moved into the past
	locals   *locals    // nil: bound to one address, or the system does not tell
	batchIO
}

// readBuffer is the receive buffer in bytes if nothing else is wished: a crowd of clients answers at once
// what was sent to all of them, and each lost acknowledgement costs a retransmission or two.
const readBuffer = 4 << 20

// listen opens a socket on addr. One that joins shares the address with a socket that share was called
// for.
func listen(addr netip.AddrPort, join bool, buffer int) (*conn, error) {
	network := "udp4"
	if addr.Addr().Is6() && !addr.Addr().Is4In6() {
		network = "udp"
	}
	lc := net.ListenConfig{}
	if join {
		lc.Control = func(_, _ string, rc syscall.RawConn) error { return reusePort(rc) }
	}
	pc, err := lc.ListenPacket(context.Background(), network, addr.String())
	if err != nil {
		return nil, err
	}
	u := pc.(*net.UDPConn)
	if buffer == 0 {
		u.SetReadBuffer(readBuffer) // as much of it as the system allows
	} else {
		if err := u.SetReadBuffer(buffer); err != nil {
			u.Close()
			return nil, fmt.Errorf("udp: receive buffer of %d bytes: %w", buffer, err)
		}
		if err := u.SetWriteBuffer(buffer); err != nil {
			u.Close()
			return nil, fmt.Errorf("udp: send buffer of %d bytes: %w", buffer, err)
		}
	}
	c := &conn{addr: addrPort(u), v6: network == "udp"}
	if err := c.init(u); err != nil {
		u.Close()
		return nil, err
	}
	return c, nil
}

var longAgo = time.Unix(1, 0)

// wake ends a waiting read.
func (c *conn) wake() { c.setReadDeadline(longAgo) }

// setDeadline sets when a waiting read ends by itself; 0 means never.
func (c *conn) setDeadline(t *Transport, at rtmfp.Time) {
	if at == c.deadline && !c.woken {
		return
	}
	var d time.Time
	if at != 0 {
		d = t.start.Add(time.Duration(at - epoch))
	}
	c.setReadDeadline(d)
	c.deadline, c.woken = at, false
}
