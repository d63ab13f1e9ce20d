package rtmfp_test

import (
	"net/netip"

	"github.com/monaserver/monaserver/internal/simnet"
)

func addrs(list ...string) []netip.AddrPort {
	var out []netip.AddrPort
	for _, a := range list {
		out = append(out, simnet.Addr(a))
	}
	return out
}
