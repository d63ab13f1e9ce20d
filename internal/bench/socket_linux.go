package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

const (
	ioBatch    = 64   // datagrams of one system call
	readSize   = 2048 // bytes of a received datagram
	bufferSize = 4 << 20
	// spread is how many loopback addresses share a socket.
	spread = 256
	// controlSize has room for the control messages that come with a datagram: its address, its time.
	controlSize = 128
	// patience is how long a full send buffer is waited for.
	patience = 10 // ms
)

// socket is a UDP socket. Towards a server on this machine it is used from many addresses of
// 127.0.0.0/8 at once, which IP_PKTINFO tells apart: so thousands of clients cost one system call for
// each batch, not for each client. Towards other servers it has one client.
type socket struct {
	fd      int
	port    uint16
	v6      bool
	many    bool
	clients map[netip.Addr]*Client
	next    uint32 // last loopback address given away, without 127
}

// message is struct mmsghdr.
type message struct {
	hdr unix.Msghdr
	len uint32
}

// control has room for a control message with struct in_pktinfo.
type control struct {
	hdr  unix.Cmsghdr
	info unix.Inet4Pktinfo
	_    [4]byte
}

// network is what the sockets of a worker are read and written with.
type network struct {
	epoll, event int // file descriptors
	ready        [64]unix.EpollEvent

	msg    [ioBatch]message
	addr   [ioBatch]unix.RawSockaddrInet6
	vec    [ioBatch]unix.Iovec
	ctl    [ioBatch][controlSize]byte
	in     []byte
	outMsg [ioBatch]message
	outSA  [ioBatch]unix.RawSockaddrInet6
	outVec [ioBatch]unix.Iovec
	outCtl [ioBatch]control
}

func newNetwork() (*network, error) {
	n := &network{epoll: -1, event: -1, in: make([]byte, ioBatch*readSize)}
	var err error
	if n.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if n.event, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		n.close()
		return nil, os.NewSyscallError("eventfd", err)
	}
	if err := n.watch(n.event); err != nil {
		n.close()
		return nil, err
	}
	for i := range n.msg {
		n.vec[i].Base = &n.in[i*readSize]
		n.vec[i].SetLen(readSize)
		h := &n.msg[i].hdr
		h.Name = (*byte)(unsafe.Pointer(&n.addr[i]))
		h.Iov = &n.vec[i]
		h.SetIovlen(1)
		h.Control = (*byte)(unsafe.Pointer(&n.ctl[i]))
		h = &n.outMsg[i].hdr
		h.Name = (*byte)(unsafe.Pointer(&n.outSA[i]))
		h.Iov = &n.outVec[i]
		h.SetIovlen(1)
	}
	return n, nil
}

func (n *network) close() {
	unix.Close(n.epoll)
	unix.Close(n.event)
}

func (n *network) watch(fd int) error {
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(n.epoll, unix.EPOLL_CTL_ADD, fd,
		&unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}))
}

// open opens a socket for talking to a server at an address.
func (n *network) open(server netip.Addr) (*socket, error) {
	return n.openSocket(server.Is6(), server.IsLoopback() && server.Is4())
}

// openPlain opens a socket with one address.
func (n *network) openPlain() (*socket, error) { return n.openSocket(false, false) }

func (n *network) openSocket(v6, many bool) (*socket, error) {
	s := &socket{v6: v6, many: many, clients: make(map[netip.Addr]*Client)}
	family := unix.AF_INET
	var sa unix.Sockaddr = &unix.SockaddrInet4{}
	if s.v6 {
		family, sa = unix.AF_INET6, &unix.SockaddrInet6{}
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		if errors.Is(err, unix.EMFILE) {
			return nil, errors.New("too many open files: every client of a server that is not at 127.0.0.1 needs a socket; see ulimit -n")
		}
		return nil, os.NewSyscallError("socket", err)
	}
	s.fd = fd
	size := bufferSize
	if !s.many {
		size = bufferSize / spread
	}
	for _, o := range []int{unix.SO_RCVBUF, unix.SO_SNDBUF} {
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, o, size) // as much as the system allows
	}
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size) // more, for root
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)    // without it the time of reading has to do
	if s.many {
		err = os.NewSyscallError("setsockopt IP_PKTINFO", unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1))
	}
	if err == nil {
		err = os.NewSyscallError("bind", unix.Bind(fd, sa))
	}
	if err == nil {
		err = n.watch(fd)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	if bound, err := unix.Getsockname(fd); err == nil {
		switch a := bound.(type) {
		case *unix.SockaddrInet4:
			s.port = uint16(a.Port)
		case *unix.SockaddrInet6:
			s.port = uint16(a.Port)
		}
	}
	return s, nil
}

func (s *socket) close() { unix.Close(s.fd) }

// full reports whether the socket has all the clients it should have.
func (s *socket) full() bool { return !s.many && len(s.clients) > 0 || len(s.clients) >= spread }

// adopt gives c an address of the socket. One that was used before comes again as late as possible: a
// server may still remember its last session.
func (s *socket) adopt(c *Client) {
	if s.many {
		for {
			s.next = s.next%(1<<23-2) + 1
			a := netip.AddrFrom4([4]byte{127, 1 + byte(s.next>>16), byte(s.next >> 8), byte(s.next)})
			if s.clients[a] == nil {
				c.ip = a
				break
			}
		}
	}
	c.socket = s
	s.clients[c.ip] = c
}

// wake ends a wait, from any goroutine.
func (n *network) wake() {
	one := [8]byte{1}
	unix.Write(n.event, one[:]) // fails only when it is awake anyway
}

// wait waits for datagrams or wake, at most for d (negative = for ever), and returns the descriptors
// to read.
func (n *network) wait(d time.Duration) ([]unix.EpollEvent, error) {
	var ts *unix.Timespec
	if d >= 0 {
		t := unix.NsecToTimespec(int64(d))
		ts = &t
	}
	k, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(n.epoll), uintptr(unsafe.Pointer(&n.ready[0])), uintptr(len(n.ready)),
		uintptr(unsafe.Pointer(ts)), 0, 0)
	if errno == unix.ENOSYS { // before Linux 5.11
		ms := -1
		if d >= 0 {
			ms = int((d + time.Millisecond - 1) / time.Millisecond)
		}
		i, err := unix.EpollWait(n.epoll, n.ready[:], ms)
		if err != nil && err != unix.EINTR {
			return nil, os.NewSyscallError("epoll_wait", err)
		}
		return n.ready[:max(i, 0)], nil
	}
	if errno != 0 && errno != unix.EINTR {
		return nil, os.NewSyscallError("epoll_pwait2", errno)
	}
	if errno != 0 {
		return nil, nil
	}
	return n.ready[:k], nil
}

// awake clears what wake set if fd is what it sets.
func (n *network) awake(fd int32) bool {
	if int(fd) != n.event {
		return false
	}
	var b [8]byte
	unix.Read(n.event, b[:])
	return true
}

// read reads a batch and returns its length.
func (n *network) read(s *socket) int {
	for i := range n.msg {
		h := &n.msg[i].hdr
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(controlSize)
	}
	for {
		k, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&n.msg[0])), ioBatch, unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return int(k)
		case unix.EINTR:
		default:
			return 0
		}
	}
}

// datagram is one that was received.
type datagram struct {
	data []byte
	from netip.AddrPort
	to   *Client // nil = nobody
	// at is when the kernel had it, in ns of Unix time; 0 = unknown.
	at int64
}

// datagram returns a datagram of the batch.
func (n *network) datagram(s *socket, i int) datagram {
	d := datagram{data: n.in[i*readSize:][:n.msg[i].len]}
	to := netip.Addr{} // what clients that do not share a socket have
	for rest := n.ctl[i][:n.msg[i].hdr.Controllen]; len(rest) >= unix.SizeofCmsghdr; {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&rest[0]))
		size := int(h.Len)
		if size < unix.SizeofCmsghdr || size > len(rest) {
			break
		}
		data := rest[unix.SizeofCmsghdr:size]
		switch {
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			to = netip.AddrFrom4((*unix.Inet4Pktinfo)(unsafe.Pointer(&data[0])).Addr)
		case h.Level == unix.SOL_SOCKET && h.Type == unix.SO_TIMESTAMPNS && len(data) >= int(unsafe.Sizeof(unix.Timespec{})):
			d.at = (*unix.Timespec)(unsafe.Pointer(&data[0])).Nano()
		}
		rest = rest[min((size+7)&^7, len(rest)):]
	}
	a := &n.addr[i]
	if s.v6 {
		d.from = netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), swap16(a.Port))
	} else {
		a4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(a))
		d.from = netip.AddrPortFrom(netip.AddrFrom4(a4.Addr), swap16(a4.Port))
	}
	d.to = s.clients[to]
	return d
}

// swap16 turns a port in network order, read as native, into a number.
func swap16(p uint16) uint16 {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], p)
	return binary.BigEndian.Uint16(b[:])
}

// write sends datagrams, each from the address in from. It returns how many the system refused.
func (n *network) write(s *socket, list []rtmfp.Datagram, from []netip.Addr) (refused int) {
	k := 0
	for i, d := range list {
		if !n.encode(s, k, d, from[i]) {
			refused++
			continue
		}
		if k++; k == ioBatch {
			refused += n.send(s, k)
			k = 0
		}
	}
	return refused + n.send(s, k)
}

func (n *network) encode(s *socket, i int, d rtmfp.Datagram, from netip.Addr) bool {
	h := &n.outMsg[i].hdr
	n.outVec[i].Base = &d.Data[0]
	n.outVec[i].SetLen(len(d.Data))
	to := d.To.Addr().Unmap()
	if s.v6 {
		n.outSA[i] = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: swap16(d.To.Port()), Addr: to.As16()}
		h.Namelen = unix.SizeofSockaddrInet6
		return true
	}
	if !to.Is4() {
		return false
	}
	*(*unix.RawSockaddrInet4)(unsafe.Pointer(&n.outSA[i])) = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: swap16(d.To.Port()), Addr: to.As4()}
	h.Namelen = unix.SizeofSockaddrInet4
	if s.many {
		c := &n.outCtl[i]
		c.hdr.Level, c.hdr.Type = unix.IPPROTO_IP, unix.IP_PKTINFO
		c.hdr.SetLen(unix.CmsgLen(unix.SizeofInet4Pktinfo))
		c.info = unix.Inet4Pktinfo{Spec_dst: from.As4()}
		h.Control = (*byte)(unsafe.Pointer(c))
		h.SetControllen(unix.CmsgSpace(unix.SizeofInet4Pktinfo))
	} else {
		h.Control = nil
		h.SetControllen(0)
	}
	return true
}

// send sends the first k messages prepared.
func (n *network) send(s *socket, k int) (refused int) {
	for i := 0; i < k; {
		sent, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&n.outMsg[i])), uintptr(k-i), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			i += int(sent)
		case unix.EINTR:
		case unix.EAGAIN:
			if m, err := unix.Poll([]unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLOUT}}, patience); m == 0 && err == nil {
				return refused + k - i
			}
		default:
			refused++
			i++
		}
	}
	return refused
}

func checkPlatform() error { return nil }

// cpuTime returns the processor time that this process used.
func cpuTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(fmt.Sprint("getrusage: ", err)) // cannot fail
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// threadTime returns the processor time that this thread used.
func threadTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		panic(fmt.Sprint("clock_gettime: ", err)) // cannot fail
	}
	return time.Duration(t.Nano())
}
