package script

import (
	"fmt"
	"net/netip"
	"strconv"
)

// host is the public host of a server for clients: what it configured, as it wrote it, or else where it is.
func (s *server) host() string {
	if h, ok := s.params.Text("publicHost"); ok && h != "" {
		return h
	}
	if h, ok := s.params.Text("host"); ok && h != "" && !isWildcardText(h) {
		return h
	}
	if text, ok := s.params.Text("RTMFP.publicAddress"); ok {
		host, _, _ := splitPort(text)
		if a, err := netip.ParseAddrPort(text); err == nil {
			if ip := a.Addr(); !ip.IsLoopback() && !ip.IsUnspecified() {
				return ip.String()
			}
		} else if host != "" {
			return host
		}
	}
	return s.addr.Addr().String()
}

// isWildcardText reports whether the host of a text is the wildcard: in MonaServer 1.x host is where a
// server listens.
func isWildcardText(text string) bool {
	host, _, _ := splitPort(text)
	if n := len(host); n > 1 && host[0] == '[' && host[n-1] == ']' {
		host = host[1 : n-1]
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsUnspecified()
}

// publicAddress is where clients of a protocol reach a server. Servers older than MonaServer 1.1 only tell
// the parts of it, with host names that may not be resolved yet.
func (e *Engine) publicAddress(s *server, protocol string) (netip.AddrPort, error) {
	disabled := fmt.Errorf("server %s has %s disabled", s.addr, protocol)
	if text, ok := s.params.Text(protocol + ".publicAddress"); ok && text != "" {
		host, port, _ := splitPort(text)
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return netip.AddrPort{}, disabled
		}
		return e.publicHost(s, host, uint16(n))
	}
	text, _ := s.params.Text(protocol + ".port")
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 {
		return netip.AddrPort{}, disabled
	}
	for _, key := range []string{protocol + ".publicHost", "publicHost", "host"} {
		text, ok := s.params.Text(key)
		if !ok || text == "" || isWildcardText(text) {
			continue
		}
		host, other, hasPort := splitPort(text)
		if n, err := strconv.ParseUint(other, 10, 16); hasPort && err == nil && n != 0 {
			port = n
		}
		return e.publicHost(s, host, uint16(port))
	}
	return netip.AddrPortFrom(s.addr.Addr(), uint16(port)), nil
}

// publicHost resolves the host of a server. One that calls itself loopback did not configure its public
// address; on a network without address translation it is where its link comes from.
func (e *Engine) publicHost(s *server, host string, port uint16) (netip.AddrPort, error) {
	ip, err := e.hostOf(host, noWait)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("server %s: %w", s.addr, err)
	}
	if ip.IsLoopback() || ip.IsUnspecified() {
		ip = s.addr.Addr()
	}
	return netip.AddrPortFrom(ip, port), nil
}
