package script

import (
	"net"
	"net/netip"

	lua "github.com/yuin/gopher-lua"
)

// newAddress makes a socket address of a script; an invalid one is the wildcard.
func (e *Engine) newAddress(a netip.AddrPort) lua.LValue {
	ip := a.Addr().Unmap()
	if !ip.IsValid() {
		ip = netip.IPv4Unspecified()
	}
	a = netip.AddrPortFrom(ip, a.Port())
	return e.objects.addresses.get(a, func() *object { return e.newObject(e.classes.address, a) })
}

// newIP makes an IP address of a script; an invalid one is the wildcard.
func (e *Engine) newIP(a netip.Addr) lua.LValue {
	if !a.IsValid() {
		a = netip.IPv4Unspecified()
	}
	return e.objects.ips.get(a, func() *object { return e.newObject(e.classes.ip, a) })
}

// addressClass is a socket address: it prints and concatenates as its text.
func (e *Engine) addressClass() *class {
	get := func(f func(a netip.AddrPort) lua.LValue) member {
		return prop(func(o *object) lua.LValue { return f(o.v.(netip.AddrPort)) })
	}
	return &class{
		name: "address",
		text: func(o *object) string { return o.v.(netip.AddrPort).String() },
		members: map[string]member{
			"host":   get(func(a netip.AddrPort) lua.LValue { return e.newIP(a.Addr()) }),
			"port":   get(func(a netip.AddrPort) lua.LValue { return lua.LNumber(a.Port()) }),
			"value":  get(func(a netip.AddrPort) lua.LValue { return lua.LString(a.String()) }),
			"isIPv6": get(func(a netip.AddrPort) lua.LValue { return lua.LBool(a.Addr().Is6()) }),
		},
		call: sameObject,
		ops: e.compared(func(a, b any) int {
			return a.(netip.AddrPort).Compare(b.(netip.AddrPort))
		}),
	}
}

// sameObject is the call of values that do not change: a copy is the value itself.
func sameObject(o *object, L *lua.LState) int {
	L.Push(o.ud)
	return 1
}

// compared returns the metamethods of objects whose things have an order and a text.
func (e *Engine) compared(compare func(a, b any) int) map[string]lua.LGFunction {
	with := func(f func(order int) bool) lua.LGFunction {
		return func(L *lua.LState) int {
			a, b := objectOf(L.Get(1)), objectOf(L.Get(2)) // Lua only asks for two of the same class
			L.Push(lua.LBool(f(compare(a.v, b.v))))
			return 1
		}
	}
	return map[string]lua.LGFunction{
		"__eq": with(func(order int) bool { return order == 0 }),
		"__lt": with(func(order int) bool { return order < 0 }),
		"__le": with(func(order int) bool { return order <= 0 }),
		"__concat": func(L *lua.LState) int {
			L.Push(lua.LString(e.text(L.Get(1)) + e.text(L.Get(2))))
			return 1
		},
	}
}

// ipClass is an IP address.
func (e *Engine) ipClass() *class {
	c := &class{
		name: "ip",
		text: func(o *object) string { return o.v.(netip.Addr).String() },
		members: map[string]member{
			"value": prop(func(o *object) lua.LValue { return lua.LString(o.v.(netip.Addr).String()) }),
		},
		call: sameObject,
		ops: e.compared(func(a, b any) int {
			return a.(netip.Addr).Compare(b.(netip.Addr))
		}),
	}
	for name, is := range ipKinds {
		c.members[name] = prop(func(o *object) lua.LValue { return lua.LBool(is(o.v.(netip.Addr))) })
	}
	return c
}

// ipKinds are what scripts can ask about an IP address. The multicast scopes of IPv6 are the last four bits
// of its second byte (RFC 4291 §2.7); those of IPv4 are ranges (RFC 2365 §6).
var ipKinds = map[string]func(a netip.Addr) bool{
	"isIPv6":           netip.Addr.Is6,
	"isWildcard":       netip.Addr.IsUnspecified,
	"isLoopback":       netip.Addr.IsLoopback,
	"isMulticast":      netip.Addr.IsMulticast,
	"isLinkLocal":      netip.Addr.IsLinkLocalUnicast,
	"isBroadcast":      func(a netip.Addr) bool { return a == ipBroadcast },
	"isAnyBroadcast":   isAnyBroadcast,
	"isUnicast":        func(a netip.Addr) bool { return !a.IsUnspecified() && !isAnyBroadcast(a) && !a.IsMulticast() },
	"isSiteLocal":      func(a netip.Addr) bool { return a.IsPrivate() || ipSiteLocal.Contains(a) },
	"isIPv4Compatible": func(a netip.Addr) bool { return a.Is4() || ipV4Compatible.Contains(a) },
	"isIPv4Mapped":     func(a netip.Addr) bool { return a.Is4() || a.Is4In6() },
	"isWellKnownMC": func(a netip.Addr) bool {
		return ipLocalBlock.Contains(a) || a.Is6() && a.IsMulticast() && a.As16()[1]>>4 == 0
	},
	"isNodeLocalMC": func(a netip.Addr) bool { return isScope(a, 1) },
	"isLinkLocalMC": func(a netip.Addr) bool { return ipLocalBlock.Contains(a) || isScope(a, 2) },
	"isSiteLocalMC": func(a netip.Addr) bool { return ipSiteLocalMC.Contains(a) || isScope(a, 5) },
	"isOrgLocalMC":  func(a netip.Addr) bool { return ipOrgLocalMC.Contains(a) || isScope(a, 8) },
	"isGlobalMC":    isGlobalMC,
	"isLocal":       isLocal,
}

var (
	ipBroadcast    = netip.AddrFrom4([4]byte{255, 255, 255, 255})
	ipSiteLocal    = netip.MustParsePrefix("fec0::/10")
	ipV4Compatible = netip.MustParsePrefix("::/96")
	ipLocalBlock   = netip.MustParsePrefix("224.0.0.0/24")
	ipSiteLocalMC  = netip.MustParsePrefix("239.255.0.0/16")
	ipOrgLocalMC   = netip.MustParsePrefix("239.192.0.0/14")
)

// isAnyBroadcast includes what is the broadcast address of most networks: nobody knows their masks.
func isAnyBroadcast(a netip.Addr) bool { return a.Is4() && a.As4()[3] == 255 }

func isScope(a netip.Addr, scope byte) bool {
	return a.Is6() && a.IsMulticast() && a.As16()[1]&15 == scope
}

func isGlobalMC(a netip.Addr) bool {
	if a.Is4() {
		b := a.As4()
		return a.IsMulticast() && b[0] < 239 && !ipLocalBlock.Contains(a)
	}
	return isScope(a, 14)
}

// isLocal reports whether an address is one of this machine.
func isLocal(a netip.Addr) bool {
	if a.IsLoopback() {
		return true
	}
	list, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, i := range list {
		if p, err := netip.ParsePrefix(i.String()); err == nil && p.Addr().Unmap() == a.WithZone("").Unmap() {
			return true
		}
	}
	return false
}
