package rtmfp

import (
	"encoding/binary"
	"net/netip"
)

// Origin says where an address comes from (RFC 7016 §2.1.5).
type Origin uint8

// The address origins.
const (
	OriginUnknown  Origin = iota
	OriginReported        // reported by its owner: a local interface address
	OriginObserved        // seen as the source of a packet
	OriginRelay           // a relay, proxy or introducer
)

// Address is an internet socket address with its origin (RFC 7016 §2.1.5).
//
//	                                                       1
//	 0 1 2 3 4 5 6 7                  0 1 2 3 4 5 6 7|8 9 0 1 2 3 4 5
//	+-+-+-+-+-+-+-+-+-----/.../-----+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|I|         | O |    Internet   |                                 |
//	|P|0 0 0 0 0| R |    address    |               port              |
//	|6|   rsv   | I |32 or 128 bits |                                 |
//	+-+-+-+-+-+-+-+-+-----/.../-----+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
type Address struct {
	netip.AddrPort
	Origin Origin
}

// unicast reports whether a can be the address of one far end.
func (a Address) unicast() bool {
	return a.IsValid() && a.Port() != 0 && !a.Addr().IsUnspecified() && !a.Addr().IsMulticast()
}

const (
	addressFlagIPv6   = 0x80
	addressOriginMask = 0x03
)

// appendAddress appends a: 7 bytes for IPv4, 19 for IPv6. A mapped IPv4 address is written as IPv4.
func appendAddress(b []byte, a Address) []byte {
	flags := byte(a.Origin) & addressOriginMask
	if ip := a.Addr().Unmap(); ip.Is4() {
		v4 := ip.As4()
		b = append(append(b, flags), v4[:]...)
	} else {
		v6 := ip.As16()
		b = append(append(b, flags|addressFlagIPv6), v6[:]...)
	}
	return binary.BigEndian.AppendUint16(b, a.Port())
}

// consumeAddress reads the address at the start of b and returns its length in bytes, 0 if b is too short.
func consumeAddress(b []byte) (Address, int) {
	if len(b) == 0 {
		return Address{}, 0
	}
	var (
		ip netip.Addr
		n  int
	)
	switch v6 := b[0]&addressFlagIPv6 != 0; {
	case v6 && len(b) >= 19:
		ip, n = netip.AddrFrom16([16]byte(b[1:17])).Unmap(), 17
	case !v6 && len(b) >= 7:
		ip, n = netip.AddrFrom4([4]byte(b[1:5])), 5
	default:
		return Address{}, 0
	}
	port := binary.BigEndian.Uint16(b[n:])
	return Address{netip.AddrPortFrom(ip, port), Origin(b[0] & addressOriginMask)}, n + 2
}
