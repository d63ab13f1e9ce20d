package rtmfp

import "net/netip"

// Local is the address of ours that a datagram came to, as a number that the owner of the sockets chose. Answers leave
// from there: far ends and the translators between take them from no other address. 0 leaves it to the system.
type Local uint16

// HandleDatagramTo is HandleDatagram for a datagram that came to one of several addresses of ours.
func (e *Endpoint) HandleDatagramTo(now Time, b []byte, from netip.AddrPort, local Local) {
	e.heardFrom(from, local)
	e.handleDatagram(now, b, from)
}

// heardFrom notes where the datagram came from and to that is being handled.
func (e *Endpoint) heardFrom(from netip.AddrPort, local Local) { e.from, e.local = from, local }

// localFor returns the address that an answer to a far end leaves from. Only that of the datagram being handled is
// known here; sessions know their own.
func (e *Endpoint) localFor(to netip.AddrPort) Local {
	if to == e.from {
		return e.local
	}
	return 0
}
