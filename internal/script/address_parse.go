package script

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// How scripts name addresses. An IP address is a text, an IP object, a socket address or a server; a socket
// address is one of the latter two, a port on the wildcard, "ip:port", or an IP address followed by a port.

var (
	errNoIP      = errors.New("no valid IP address")
	errNoAddress = errors.New("no valid socket address")
	errNoPort    = errors.New("missing port number")
)

// ipOf reads an IP address. wait is how long a host name may take to resolve; with noNames it is refused.
func (e *Engine) ipOf(v lua.LValue, wait time.Duration) (netip.Addr, error) {
	switch v := v.(type) {
	case lua.LString:
		return e.hostOf(string(v), wait)
	case *lua.LUserData:
		o := objectOf(v)
		if o == nil || o.gone {
			return netip.Addr{}, errNoIP
		}
		switch t := o.v.(type) {
		case netip.Addr:
			return t, nil
		case netip.AddrPort:
			return t.Addr(), nil
		case *server:
			return t.addr.Addr(), nil
		}
	}
	return netip.Addr{}, errNoIP
}

// noNames makes ipOf and addressOf take IP addresses only; with noWait they take host names that were
// resolved before.
const (
	noNames time.Duration = -1
	noWait  time.Duration = 0
)

// hostOf reads the text of an IP address or of a host name.
func (e *Engine) hostOf(text string, wait time.Duration) (netip.Addr, error) {
	host := strings.TrimSpace(text)
	if strings.EqualFold(host, "localhost") {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil
	}
	if inner, ok := strings.CutPrefix(host, "["); ok && strings.HasSuffix(inner, "]") {
		host = strings.TrimSuffix(inner, "]")
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip, nil
	}
	if wait < 0 || !isHostName(host) {
		return netip.Addr{}, fmt.Errorf("invalid ip %s", text)
	}
	return e.objects.dns.get(host, wait, e.watch.Done())
}

// isHostName keeps what cannot be a host name away from the resolver.
func isHostName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	letter := false
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_' || r > 127:
			letter = true
		case r >= '0' && r <= '9' || r == '-' || r == '.':
		default:
			return false
		}
	}
	return letter
}

// addressOf reads a socket address at the start of args; used is how many of them it took.
func (e *Engine) addressOf(args []lua.LValue, wait time.Duration) (a netip.AddrPort, used int, err error) {
	if len(args) == 0 {
		return a, 0, errNoAddress
	}
	if port, ok := portOf(args[0]); ok {
		return netip.AddrPortFrom(netip.IPv4Unspecified(), port), 1, nil
	}
	switch v := args[0].(type) {
	case lua.LNumber:
		return a, 1, fmt.Errorf("invalid port %s", v)
	case lua.LString:
		host, port, hasPort := splitPort(string(v))
		if !hasPort {
			break
		}
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return a, 1, fmt.Errorf("invalid port in %s", string(v))
		}
		ip, err := e.hostOf(host, wait)
		return netip.AddrPortFrom(ip, uint16(n)), 1, err
	case *lua.LUserData:
		if o := objectOf(v); o != nil && !o.gone {
			switch t := o.v.(type) {
			case netip.AddrPort:
				return t, 1, nil
			case *server:
				return t.addr, 1, nil
			case netip.Addr: // and a port
			default:
				return a, 1, errNoAddress
			}
			break
		}
		return a, 1, errNoAddress
	default:
		return a, 1, errNoAddress
	}
	if len(args) < 2 {
		return a, 1, errNoPort
	}
	port, ok := portOf(args[1])
	if !ok {
		return a, 1, errNoPort
	}
	ip, err := e.ipOf(args[0], wait)
	return netip.AddrPortFrom(ip, port), 2, err
}

// portOf reads a number, or a text of digits, as a port.
func portOf(v lua.LValue) (uint16, bool) {
	switch v := v.(type) {
	case lua.LNumber:
		if v >= 0 && v <= 65535 && v == lua.LNumber(uint16(v)) {
			return uint16(v), true
		}
	case lua.LString:
		if n, err := strconv.ParseUint(string(v), 10, 16); err == nil {
			return uint16(n), true
		}
	}
	return 0, false
}

// splitPort cuts the port off a text. IPv6 addresses have one only behind brackets.
func splitPort(s string) (host, port string, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return s, "", false
	}
	host, port = s[:i], s[i+1:]
	if strings.Contains(host, ":") && !strings.HasSuffix(host, "]") {
		return s, "", false
	}
	return host, port, true
}

// arguments returns the arguments of a Lua function from n on.
func arguments(L *lua.LState, n int) []lua.LValue {
	list := make([]lua.LValue, 0, max(L.GetTop()-n+1, 0))
	for i := n; i <= L.GetTop(); i++ {
		list = append(list, L.Get(i))
	}
	return list
}
