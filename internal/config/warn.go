package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// warn looks at what was given for things that are allowed and still look like mistakes.
func (c *Config) warn() {
	var names []string
	for _, k := range Keys {
		names = append(names, k.Name)
	}
	for _, s := range c.settings {
		k, known := FindKey(s.name)
		section, _, _ := strings.Cut(s.name, ".")
		switch {
		case known && k.Type == boolean().name && !plainBool(s.value):
			c.warnf(s, "%s = %q is taken as true", k.Name, s.value)
		case known:
		case slices.ContainsFunc(foreign, func(f string) bool { return fold(f) == fold(section) }):
			c.warnf(s, "%s: this server does not speak %s; the key is only kept for scripts", s.name, section)
		default:
			if near, ok := suggestion(s.name, names); ok {
				c.warnf(s, "unknown key %s is kept for scripts: did you mean %s?", s.name, near)
			}
		}
	}
	if c.Servers.Port != 0 && !c.Servers.Host.IsLoopback() && len(c.Servers.Allow) == 0 && c.Servers.Secret == "" && c.Servers.TLS.CA == "" {
		s, _ := c.given("servers.port")
		c.warnf(s, "servers.port is open to everybody who reaches %s: set servers.allow, servers.secret or servers.tls.*, or close it with a firewall",
			netip.AddrPortFrom(c.Servers.Host, c.Servers.Port))
	}
}

func (c *Config) warnf(s setting, format string, values ...any) {
	c.warnings = append(c.warnings, s.origin.String()+": "+fmt.Sprintf(format, values...))
}

func parseWildcard(host string) netip.Addr {
	a, _ := netip.ParseAddr(host) // HostPort.wildcard has parsed it already
	return a.Unmap()
}
