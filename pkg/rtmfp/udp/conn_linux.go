package udp

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// batchIO is recvmmsg and sendmmsg with everything they need kept, so that nothing is allocated per
// datagram. golang.org/x/net allocates two objects for each one read.
type batchIO struct {
	fd     int // the socket; the shard's goroutine alone uses it
	waiter *waiter
	closed bool

	in      [readBatch]message
	inAddr  [readBatch]unix.RawSockaddrInet6
	inVec   [readBatch]unix.Iovec
	inCtl   [readBatch]control
	inBuf   []byte
	n       int
	drops   uint32 // datagrams the kernel dropped so far, modulo 2^32
	out     [writeBatch]message
	outAddr [writeBatch]unix.RawSockaddrInet6
	outVec  [writeBatch]unix.Iovec
	outCtl  [writeBatch]control
	first   [writeBatch]int // index of the first datagram of each message
	toSend  int
	sent    int
	gso     bool // several datagrams to one address go out as one message
	err     error
	send    func() // sendAll; tests break it
}

// message is struct mmsghdr.
type message struct {
	hdr unix.Msghdr
	len uint32
}

// init takes over the socket of u.
func (c *conn) init(u *net.UDPConn) error {
	var err error
	if c.fd, err = duplicate(u); err != nil {
		return err
	}
	if c.waiter, err = newWaiter(c.fd); err != nil {
		unix.Close(c.fd)
		return err
	}
	u.Close()
	c.inBuf = make([]byte, readBatch*readSize)
	for i := range c.in {
		c.inVec[i].Base = &c.inBuf[i*readSize]
		c.inVec[i].SetLen(readSize)
		h := &c.in[i].hdr
		h.Name = (*byte)(unsafe.Pointer(&c.inAddr[i]))
		h.Iov = &c.inVec[i]
		h.SetIovlen(1)
		h.Control = (*byte)(unsafe.Pointer(&c.inCtl[i]))
	}
	for i := range c.out {
		c.out[i].hdr.Name = (*byte)(unsafe.Pointer(&c.outAddr[i]))
	}
	c.send = c.sendAll
	c.wantLocals()
	// Not vital: it counts what the receive buffer had no room for.
	unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1)
	return nil
}

// duplicate returns a file descriptor for the socket of u, which the runtime knows nothing of.
func duplicate(u *net.UDPConn) (fd int, err error) {
	rc, err := u.SyscallConn()
	if err != nil {
		return 0, err
	}
	if cerr := rc.Control(func(old uintptr) {
		fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
	}); cerr != nil {
		return 0, cerr
	}
	return fd, os.NewSyscallError("fcntl", err)
}

// close belongs to the shard's goroutine; before that runs, to who made the socket.
func (c *conn) close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	return errors.Join(c.waiter.set.Close(), os.NewSyscallError("close", unix.Close(c.fd)))
}

func (c *conn) setReadDeadline(t time.Time) { c.waiter.setDeadline(t) }

// read fills the batch. If wait is set and nothing has arrived, it waits for a datagram, the deadline or
// wake. The result is false when the socket is closed.
func (c *conn) read(wait bool) bool {
	c.n, c.err = 0, nil
	if c.closed {
		return false
	}
	if c.recv(); !wait || c.n > 0 || c.err != nil {
		return true
	}
	if err := c.waiter.sleep(); err != nil {
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return false
		}
		c.woken = true
	}
	c.recv()
	return true
}

// recv fills the batch with what has arrived. This call and the others of a shard do not block, and so are
// made behind the scheduler's back: it would wake its monitor thread, which then looks after us every 20 µs.
func (c *conn) recv() {
	room := numberSize
	if c.locals != nil {
		room = controlSize
	}
	for i := range c.in {
		h := &c.in[i].hdr
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(room)
	}
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(c.fd), uintptr(unsafe.Pointer(&c.in[0])), readBatch, unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			c.n = int(n)
			return
		case unix.EINTR:
		case unix.EAGAIN:
			return
		default:
			c.err = os.NewSyscallError("recvmmsg", errno)
			return
		}
	}
}

// received returns how many datagrams the last read got.
func (c *conn) received(counters *Counters) int {
	if c.err != nil {
		counters.ReadErrors.Add(1)
	}
	if c.n > 0 {
		c.countDrops(c.n-1, counters)
	}
	return c.n
}

// countDrops reads the kernel's count of dropped datagrams that came with the last one; it is there only
// if some were.
func (c *conn) countDrops(i int, counters *Counters) {
	b := c.inCtl[i].find(int(c.in[i].hdr.Controllen), unix.SOL_SOCKET, unix.SO_RXQ_OVFL)
	if len(b) < 4 {
		return
	}
	drops := binary.NativeEndian.Uint32(b)
	counters.KernelDrops.Add(uint64(drops - c.drops))
	c.drops = drops
}

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
	c.toSend, c.sent = c.prepare(list, counters), 0
	for c.sent < c.toSend {
		c.err = nil
		c.send()
		counters.Writes.Add(1)
		switch {
		case c.err == nil:
		case c.err == errStuck: // as a network that is overloaded does
			counters.SendErrors.Add(uint64(len(list) - c.first[c.sent]))
			return
		case c.out[c.sent].hdr.Iovlen > 1:
			list = c.sendSingly(list[c.first[c.sent]:], int(c.out[c.sent].hdr.Iovlen), counters)
			c.toSend, c.sent = c.prepare(list, counters), 0
		default: // this one cannot be sent: go on with the next
			counters.SendErrors.Add(1)
			c.sent++
		}
	}
}

// sendSingly sends the first n datagrams, which were refused together, one by one, and returns the rest.
// If the device cannot do it after all it is not tried again.
func (c *conn) sendSingly(list []rtmfp.Datagram, n int, counters *Counters) (rest []rtmfp.Datagram) {
	broken := errors.Is(c.err, unix.EIO)
	if broken {
		counters.GSOFailed.Add(1)
	}
	c.gso = false
	c.write(list[:n], counters)
	c.gso = !broken
	return list[n:]
}

// prepare fills the messages to send and returns their number.
func (c *conn) prepare(list []rtmfp.Datagram, counters *Counters) int {
	n, vec := 0, 0
	for i := 0; i < len(list); {
		if !c.encodeAddr(n, list[i].To) {
			counters.SendErrors.Add(1)
			i++
			continue
		}
		k := 1
		if c.gso {
			k = segments(list[i:])
		}
		h := &c.out[n].hdr
		h.Iov = &c.outVec[vec]
		h.SetIovlen(k)
		c.setControl(n, k, len(list[i].Data), list[i].Local)
		c.first[n] = i
		for _, d := range list[i : i+k] {
			c.outVec[vec].Base = &d.Data[0]
			c.outVec[vec].SetLen(len(d.Data))
			vec++
		}
		if k > 1 {
			counters.GSOBatches.Add(1)
		}
		n++
		i += k
	}
	return n
}

// enableGSO turns on UDP_SEGMENT if the kernel knows it.
func (c *conn) enableGSO() {
	_, err := unix.GetsockoptInt(c.fd, unix.SOL_UDP, unix.UDP_SEGMENT)
	c.gso = err == nil
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

// errStuck says that nothing leaves the socket. A shard must not wait for that: it has packets to read, clients on
// other devices, and an end.
var errStuck = errors.New("udp: the device does not send")

// sendAll sends the prepared messages up to the first that is refused, which c.err tells.
func (c *conn) sendAll() {
	for c.sent < c.toSend {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(c.fd), uintptr(unsafe.Pointer(&c.out[c.sent])), uintptr(c.toSend-c.sent), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			c.sent += int(n)
		case unix.EINTR:
		case unix.EAGAIN:
			if c.waiter.writable() {
				continue
			}
			c.err = errStuck
			return
		default:
			c.err = os.NewSyscallError("sendmmsg", errno)
			return
		}
	}
}

// share lets other sockets of this user bind the same address from now on. The first one is bound alone,
// so that a port in use is found out, be it shared by those who have it or not.
func (c *conn) share() error { return reuse(c.fd) }

func reuse(fd int) error {
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
}

func reusePort(rc syscall.RawConn) error {
	var err error
	if cerr := rc.Control(func(fd uintptr) {
		err = reuse(int(fd))
	}); cerr != nil {
		return cerr
	}
	return err
}
