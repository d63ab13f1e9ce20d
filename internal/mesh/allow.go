package mesh

import "net/netip"

// allowList is the addresses from which servers may connect (servers.allow); empty lets everybody in.
type allowList []netip.Prefix

// newAllowList takes blocks of IPv4, IPv6, and IPv4 written as IPv6 (::ffff:10.0.0.0/104).
func newAllowList(prefixes []netip.Prefix) allowList {
	var l allowList
	for _, p := range prefixes {
		if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
		}
		l = append(l, p.Masked())
	}
	return l
}

// permits tells whether a server may connect from an address. A socket for IPv6 and IPv4 gives addresses
// of IPv4 in the form ::ffff:10.0.0.1, which counts as IPv4.
func (l allowList) permits(a netip.Addr) bool {
	if len(l) == 0 {
		return true
	}
	a = a.Unmap().WithZone("")
	for _, p := range l {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
