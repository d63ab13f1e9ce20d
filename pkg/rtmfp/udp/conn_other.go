//go:build !linux

package udp

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// batchIO reads and writes one datagram at a time where the system has no calls for more.
type batchIO struct {
	udp  *net.UDPConn
	buf  [readSize]byte
	from netip.AddrPort
	n    int
	len  int
}

func (c *conn) init(u *net.UDPConn) error {
	c.udp = u
	return nil
}

func (c *conn) close() error { return c.udp.Close() }

func (c *conn) setReadDeadline(t time.Time) { c.udp.SetReadDeadline(t) }

func (c *conn) read(wait bool) bool {
	c.n = 0
	if !wait {
		// A read whose deadline is over already does not even look.
		c.setReadDeadline(time.Now().Add(100 * time.Microsecond))
		c.woken = true
	}
	n, from, err := c.udp.ReadFromUDPAddrPort(c.buf[:])
	if err != nil {
		c.woken = c.woken || errors.Is(err, os.ErrDeadlineExceeded)
		return !errors.Is(err, net.ErrClosed)
	}
	c.n, c.len = 1, n
	c.from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	return true
}

func (c *conn) received(*Counters) int { return c.n }

func (c *conn) datagram(int) ([]byte, netip.AddrPort) { return c.buf[:c.len], c.from }

func (c *conn) local(int) rtmfp.Local { return 0 }

func (c *conn) write(list []rtmfp.Datagram, counters *Counters) {
	for _, d := range list {
		if _, err := c.udp.WriteToUDPAddrPort(d.Data, d.To); err != nil {
			counters.SendErrors.Add(1)
		}
		counters.Writes.Add(1)
	}
}

func (c *conn) enableGSO() {}

var errShards = errors.New("udp: more than one shard needs SO_REUSEPORT of Linux")

func (c *conn) share() error { return errShards }

func reusePort(syscall.RawConn) error { return errShards }
