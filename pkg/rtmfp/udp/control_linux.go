package udp

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// control has room for two control messages: a number, and an address of this host.
type control struct {
	hdr  unix.Cmsghdr
	data [controlSize - unix.SizeofCmsghdr]byte
}

// controlSize fits on all machines; numberSize is what the number alone takes at most.
const (
	controlSize = 64
	numberSize  = 24
)

// find returns what the first control message of a kind holds, in the first n bytes; nil if there is none.
func (c *control) find(n int, level, typ int32) []byte {
	b := (*[controlSize]byte)(unsafe.Pointer(c))[:min(n, controlSize)]
	for len(b) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		size := int(h.Len)
		if size < unix.CmsgLen(0) || size > len(b) {
			return nil
		}
		if h.Level == level && h.Type == typ {
			return b[unix.CmsgLen(0):size]
		}
		b = b[min(unix.CmsgSpace(size-unix.CmsgLen(0)), len(b)):]
	}
	return nil
}

// add puts a control message of size bytes behind the first n, which are used, and returns where its content goes and
// how many bytes are used then.
func (c *control) add(n int, level, typ int32, size int) (content unsafe.Pointer, used int) {
	b := (*[controlSize]byte)(unsafe.Pointer(c))
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[n]))
	h.Level, h.Type = level, typ
	h.SetLen(unix.CmsgLen(size))
	return unsafe.Pointer(&b[n+unix.CmsgLen(0)]), n + unix.CmsgSpace(size)
}

// wantLocals makes a socket that is bound to all addresses of the host tell to which one each datagram came: an answer
// that leaves from another is not taken for one, neither by the far end nor by the translators between. Without that the
// system chooses, which is right where there is one address.
func (c *conn) wantLocals() {
	if !c.addr.Addr().IsUnspecified() {
		return
	}
	level, option := unix.IPPROTO_IP, unix.IP_PKTINFO
	if c.v6 {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO
	}
	if unix.SetsockoptInt(c.fd, level, option, 1) == nil {
		c.locals = newLocals()
	}
}

// local returns to which of our addresses datagram i came.
func (c *conn) local(i int) rtmfp.Local {
	if c.locals == nil {
		return 0
	}
	ctl, n := &c.inCtl[i], int(c.in[i].hdr.Controllen)
	if c.v6 {
		if b := ctl.find(n, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO); len(b) >= unix.SizeofInet6Pktinfo {
			return c.locals.number(netip.AddrFrom16((*unix.Inet6Pktinfo)(unsafe.Pointer(&b[0])).Addr).Unmap())
		}
		return 0
	}
	if b := ctl.find(n, unix.IPPROTO_IP, unix.IP_PKTINFO); len(b) >= unix.SizeofInet4Pktinfo {
		return c.locals.number(netip.AddrFrom4((*unix.Inet4Pktinfo)(unsafe.Pointer(&b[0])).Spec_dst))
	}
	return 0
}

// setControl tells the kernel to cut message i, of k datagrams, into pieces of size bytes, and where it leaves from.
func (c *conn) setControl(i, k, size int, local rtmfp.Local) {
	h := &c.out[i].hdr
	h.Control = nil
	ctl, used := &c.outCtl[i], 0
	var content unsafe.Pointer
	if k > 1 {
		content, used = ctl.add(used, unix.SOL_UDP, unix.UDP_SEGMENT, 2)
		*(*uint16)(content) = uint16(size)
	}
	switch {
	case local == 0 || c.locals == nil:
	case c.v6:
		content, used = ctl.add(used, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)
		*(*unix.Inet6Pktinfo)(content) = unix.Inet6Pktinfo{Addr: c.locals.addr(local).As16()}
	default:
		content, used = ctl.add(used, unix.IPPROTO_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)
		*(*unix.Inet4Pktinfo)(content) = unix.Inet4Pktinfo{Spec_dst: c.locals.addr(local).As4()}
	}
	if used > 0 {
		h.Control = (*byte)(unsafe.Pointer(ctl))
	}
	h.SetControllen(used)
}
