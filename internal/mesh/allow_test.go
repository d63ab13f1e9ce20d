package mesh

import (
	"net/netip"
	"testing"
)

func TestAllowList(t *testing.T) {
	var prefixes []netip.Prefix
	for _, s := range []string{"10.1.2.3/8", "192.0.2.7/32", "::ffff:198.51.100.0/120", "2001:db8::/32", "fe80::/10"} {
		prefixes = append(prefixes, netip.MustParsePrefix(s))
	}
	l := newAllowList(prefixes)
	for s, want := range map[string]bool{
		"10.200.0.1":           true,
		"::ffff:10.200.0.1":    true,
		"11.0.0.1":             false,
		"::ffff:11.0.0.1":      false,
		"192.0.2.7":            true,
		"192.0.2.8":            false,
		"198.51.100.9":         true,
		"::ffff:198.51.100.9":  true,
		"198.51.101.9":         false,
		"2001:db8::1":          true,
		"2001:db9::1":          false,
		"fe80::1%eth0":         true,
		"::1":                  false,
		"::ffff:192.0.2.7%eth": true,
	} {
		if got := l.permits(netip.MustParseAddr(s)); got != want {
			t.Errorf("%s: allowed %v", s, got)
		}
	}
	if !newAllowList(nil).permits(netip.MustParseAddr("203.0.113.1")) {
		t.Error("without a list somebody is refused")
	}
	if l.permits(netip.Addr{}) {
		t.Error("an unknown address is allowed")
	}
}
