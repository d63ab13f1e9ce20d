package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// HostPort is a host name or IP with an optional port (0 = none).
type HostPort struct {
	Host string // without brackets
	Port uint16
}

// String writes host, host:port or [ipv6]:port.
func (h HostPort) String() string {
	if h.Port == 0 {
		return h.Host
	}
	return net.JoinHostPort(h.Host, strconv.Itoa(int(h.Port)))
}

// wildcard reports that the host is an IP that stands for "every address of this machine".
func (h HostPort) wildcard() bool {
	ip, err := netip.ParseAddr(h.Host)
	return err == nil && ip.IsUnspecified()
}

// parseIP reads an IP, an IPv6 one with or without brackets.
func parseIP(s string) (netip.Addr, error) {
	if inner, ok := strings.CutPrefix(s, "["); ok && strings.HasSuffix(inner, "]") {
		s = inner[:len(inner)-1]
	}
	return netip.ParseAddr(s)
}

var (
	errHost = errors.New("this is not a host name or IP")
	errPort = errors.New("the port must be a number from 1 to 65535")
	errURL  = errors.New("only the host is wanted, without http:// and path")
)

func parseHostPort(s string) (HostPort, error) {
	if ip, err := parseIP(s); err == nil {
		return HostPort{Host: ip.String()}, nil
	}
	if strings.Contains(s, "/") {
		return HostPort{}, errURL
	}
	host, portText, hasPort := s, "", false
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		host, portText, hasPort = s[:i], s[i+1:], true
	}
	var h HostPort
	if hasPort {
		n, err := strconv.ParseUint(portText, 10, 16)
		if err != nil || n == 0 {
			return h, errPort
		}
		h.Port = uint16(n)
	}
	if ip, err := parseIP(host); err == nil {
		h.Host = ip.String()
		return h, nil
	}
	if !validName(host) {
		return h, errHost
	}
	h.Host = host
	return h, nil
}

// validName accepts what a resolver could be asked for: dot-separated labels of letters, digits, "-" and "_".
// A name of digits only would be an IP with a mistake in it.
func validName(s string) bool {
	if s == "" || len(s) > 253 || strings.Trim(s, "0123456789.") == "" {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(s, "."), ".") {
		if label == "" || len(label) > 63 || label[0] == '-' {
			return false
		}
		for _, r := range label {
			if r < 0x80 && !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_') {
				return false
			}
		}
	}
	return true
}

func hostPort() kind[HostPort] {
	return kind[HostPort]{
		name: "host[:port]", want: "a host name or IP, with :port if wanted",
		parse: parseHostPort,
		show:  HostPort.String,
	}
}

func host() kind[string] {
	k := text()
	k.name, k.want = "host", "a host name or IP, without port"
	k.parse = func(s string) (string, error) {
		h, err := parseHostPort(s)
		if err != nil || h.Port != 0 {
			return "", errWant
		}
		return h.Host, nil
	}
	return k
}

func ip() kind[netip.Addr] {
	return kind[netip.Addr]{
		name: "IP", want: "an IP such as 0.0.0.0, 192.0.2.1 or ::",
		parse: func(s string) (netip.Addr, error) {
			a, err := parseIP(s)
			if err != nil {
				return a, errWant
			}
			return a.Unmap(), nil
		},
		show: func(a netip.Addr) string {
			if !a.IsValid() {
				return ""
			}
			return a.String()
		},
	}
}

// prefixes is a list of IPs and CIDR blocks.
func prefixes() kind[[]netip.Prefix] {
	return kind[[]netip.Prefix]{
		name: "list", want: `IPs or blocks such as 10.0.0.0/8, separated by ";"`,
		parse: func(s string) ([]netip.Prefix, error) {
			var l []netip.Prefix
			for _, e := range splitList(s) {
				p, err := netip.ParsePrefix(e)
				if err != nil {
					a, err := parseIP(e)
					if err != nil || a.Zone() != "" {
						return nil, fmt.Errorf("entry %q", e)
					}
					a = a.Unmap()
					p = netip.PrefixFrom(a, a.BitLen())
				}
				l = append(l, p.Masked())
			}
			return l, nil
		},
		show: func(l []netip.Prefix) string {
			var b []string
			for _, p := range l {
				b = append(b, p.String())
			}
			return strings.Join(b, "; ")
		},
	}
}

// targets is a list of host:port[?name=value&…] separated by ";".
func targets() kind[[]Target] {
	return kind[[]Target]{
		name: "list", want: `host:port[?name=value&…] entries separated by ";"`,
		parse: parseTargets,
		show: func(l []Target) string {
			var b []string
			for _, t := range l {
				b = append(b, t.String())
			}
			return strings.Join(b, "; ")
		},
	}
}

func parseTargets(s string) ([]Target, error) {
	var l []Target
	for e := range strings.SplitSeq(s, ";") {
		if e = strings.TrimSpace(e); e == "" {
			continue
		}
		address, query, _ := strings.Cut(e, "?")
		hp, err := parseHostPort(strings.TrimSpace(address))
		if err == nil && hp.Port == 0 {
			err = errors.New("the port is missing")
		}
		if err == nil && hp.wildcard() {
			err = errors.New("a wildcard address cannot be connected to")
		}
		if err != nil {
			return nil, fmt.Errorf("entry %q: %w", e, err)
		}
		t := Target{HostPort: hp}
		for p := range strings.SplitSeq(query, "&") {
			name, value, _ := strings.Cut(p, "=")
			if name = unescape(strings.TrimSpace(name)); name != "" {
				t.Properties = append(t.Properties, Property{name, unescape(strings.TrimSpace(value))})
			}
		}
		l = append(l, t)
	}
	return l, nil
}

// unescape decodes %XX; a text that is not valid that way stays as it is.
func unescape(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}

// String writes the target as it stands in the file.
func (t Target) String() string {
	var b strings.Builder
	b.WriteString(t.HostPort.String())
	for i, p := range t.Properties {
		b.WriteByte("?&"[min(i, 1)])
		b.WriteString(escape(p.Name))
		if p.Value != "" {
			b.WriteString("=" + escape(p.Value))
		}
	}
	return b.String()
}

// escape encodes what would end a property, so that Target.String reads back.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
