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
	udp   *net.UDPConn
	raw   syscall.RawConn
	addr  netip.AddrPort
	v6    bool
	woken bool // the read deadline may have been moved into the past
	batchIO
}

// listen opens a socket on addr; shared sockets may bind the same address (SO_REUSEPORT).
func listen(addr netip.AddrPort, shared bool, buffer int) (*conn, error) {
	network := "udp4"
	if addr.Addr().Is6() && !addr.Addr().Is4In6() {
		network = "udp"
	}
	lc := net.ListenConfig{}
	if shared {
		lc.Control = reusePort
	}
	pc, err := lc.ListenPacket(context.Background(), network, addr.String())
	if err != nil {
		return nil, err
	}
	u := pc.(*net.UDPConn)
	if buffer > 0 {
		if err := u.SetReadBuffer(buffer); err != nil {
			u.Close()
			return nil, fmt.Errorf("udp: receive buffer of %d bytes: %w", buffer, err)
		}
		if err := u.SetWriteBuffer(buffer); err != nil {
			u.Close()
			return nil, fmt.Errorf("udp: send buffer of %d bytes: %w", buffer, err)
		}
	}
	raw, err := u.SyscallConn()
	if err != nil {
		u.Close()
		return nil, err
	}
	c := &conn{udp: u, raw: raw, addr: addrPort(u), v6: network == "udp"}
	c.init()
	return c, nil
}

var longAgo = time.Unix(1, 0)

// wake ends a waiting read.
func (c *conn) wake() { c.udp.SetReadDeadline(longAgo) }

// setDeadline sets when a waiting read ends by itself; 0 means never.
func (c *conn) setDeadline(t *Transport, at rtmfp.Time) {
	var d time.Time
	if at != 0 {
		d = t.start.Add(time.Duration(at - epoch))
	}
	c.udp.SetReadDeadline(d)
	c.woken = false
}
