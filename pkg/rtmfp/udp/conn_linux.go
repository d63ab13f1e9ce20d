package udp

import (
	"net/netip"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// batchIO is recvmmsg and sendmmsg with everything they need kept, so that nothing is allocated per
// datagram. golang.org/x/net allocates two objects for each one read.
type batchIO struct {
	in      [readBatch]message
	inAddr  [readBatch]unix.RawSockaddrInet6
	inVec   [readBatch]unix.Iovec
	inBuf   []byte
	n       int
	out     [writeBatch]message
	outAddr [writeBatch]unix.RawSockaddrInet6
	outVec  [writeBatch]unix.Iovec
	toSend  int
	sent    int
	err     error
	readFn  func(fd uintptr) bool
	tryFn   func(fd uintptr) bool
	writeFn func(fd uintptr) bool
}

// message is struct mmsghdr.
type message struct {
	hdr unix.Msghdr
	len uint32
	_   [4]byte
}

func (c *conn) init() {
	c.inBuf = make([]byte, readBatch*readSize)
	for i := range c.in {
		c.inVec[i].Base = &c.inBuf[i*readSize]
		c.inVec[i].SetLen(readSize)
		h := &c.in[i].hdr
		h.Name = (*byte)(unsafe.Pointer(&c.inAddr[i]))
		h.Iov = &c.inVec[i]
		h.SetIovlen(1)
	}
	for i := range c.out {
		h := &c.out[i].hdr
		h.Name = (*byte)(unsafe.Pointer(&c.outAddr[i]))
		h.Iov = &c.outVec[i]
		h.SetIovlen(1)
	}
	c.readFn = func(fd uintptr) bool { return c.recv(fd) }
	c.tryFn = func(fd uintptr) bool { c.recv(fd); return true }
	c.writeFn = func(fd uintptr) bool { return c.sendAll(fd) }
}

// read fills the batch. It waits for a datagram, the deadline or wake if wait is set.
func (c *conn) read(wait bool) error {
	c.n, c.err = 0, nil
	f := c.tryFn
	if wait {
		f = c.readFn
	}
	if err := c.raw.Read(f); err != nil {
		c.woken = true
		return err
	}
	return c.err
}

func (c *conn) recv(fd uintptr) (done bool) {
	for i := range c.in {
		c.in[i].hdr.Namelen = unix.SizeofSockaddrInet6
	}
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&c.in[0])), readBatch, unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			c.n = int(n)
			return true
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		default:
			c.err = os.NewSyscallError("recvmmsg", errno)
			return true
		}
	}
}

// received returns how many datagrams the last read got.
func (c *conn) received() int { return c.n }

func (c *conn) datagram(i int) ([]byte, netip.AddrPort) {
	b := c.inBuf[i*readSize:][:c.in[i].len]
	a := &c.inAddr[i]
	if a.Family == unix.AF_INET {
		a4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(a))
		return b, netip.AddrPortFrom(netip.AddrFrom4(a4.Addr), swap16(a4.Port))
	}
	return b, netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), swap16(a.Port))
}

// swap16 turns a port in network order, read as native, into a number.
func swap16(p uint16) uint16 {
	b := (*[2]byte)(unsafe.Pointer(&p))
	return uint16(b[0])<<8 | uint16(b[1])
}

func (c *conn) write(list []rtmfp.Datagram, counters *Counters) {
	n := 0
	for i := range list {
		d := &list[i]
		if c.encodeAddr(n, d.To) {
			c.outVec[n].Base = &d.Data[0]
			c.outVec[n].SetLen(len(d.Data))
			n++
		} else {
			counters.SendErrors.Add(1)
		}
	}
	c.toSend, c.sent = n, 0
	for c.sent < c.toSend {
		c.err = nil
		if err := c.raw.Write(c.writeFn); err != nil {
			return // closed
		}
		counters.Writes.Add(1)
		if c.err != nil { // this one cannot be sent: go on with the next
			counters.SendErrors.Add(1)
			c.sent++
		}
	}
}

func (c *conn) encodeAddr(i int, to netip.AddrPort) bool {
	a := to.Addr()
	h := &c.out[i].hdr
	if c.v6 {
		sa := &c.outAddr[i]
		*sa = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: swap16(to.Port()), Addr: a.As16()}
		h.Namelen = unix.SizeofSockaddrInet6
		return true
	}
	if a = a.Unmap(); !a.Is4() {
		return false
	}
	sa := (*unix.RawSockaddrInet4)(unsafe.Pointer(&c.outAddr[i]))
	*sa = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: swap16(to.Port()), Addr: a.As4()}
	h.Namelen = unix.SizeofSockaddrInet4
	return true
}

func (c *conn) sendAll(fd uintptr) (done bool) {
	for c.sent < c.toSend {
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&c.out[c.sent])), uintptr(c.toSend-c.sent), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			c.sent += int(n)
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		default:
			c.err = os.NewSyscallError("sendmmsg", errno)
			return true
		}
	}
	return true
}

func reusePort(_, _ string, rc syscall.RawConn) error {
	var err error
	if cerr := rc.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	}); cerr != nil {
		return cerr
	}
	return err
}
