//go:build !linux

package udp

import (
	"net/netip"
	"syscall"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// batchIO reads and writes one datagram at a time where the system has no calls for more.
type batchIO struct {
	buf  [readSize]byte
	from netip.AddrPort
	n    int
	len  int
}

func (c *conn) init() {}

func (c *conn) read(wait bool) error {
	c.n = 0
	if !wait {
		c.udp.SetReadDeadline(time.Now())
		c.woken = true
	}
	n, from, err := c.udp.ReadFromUDPAddrPort(c.buf[:])
	if err != nil {
		c.woken = true
		return err
	}
	c.n, c.len = 1, n
	c.from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	return nil
}

func (c *conn) received() int { return c.n }

func (c *conn) datagram(int) ([]byte, netip.AddrPort) { return c.buf[:c.len], c.from }

func (c *conn) write(list []rtmfp.Datagram, counters *Counters) {
	for _, d := range list {
		if _, err := c.udp.WriteToUDPAddrPort(d.Data, d.To); err != nil {
			counters.SendErrors.Add(1)
		}
		counters.Writes.Add(1)
	}
}

func reusePort(string, string, syscall.RawConn) error { return nil }
