package rtmfp

import "net/netip"

// DumpFunc is shown a plain packet: header and chunks (RFC 7016 §2.2.4), as decrypted or about to be encrypted. One that
// was received has its padding behind them. addr is the far end and session this end's id, 0 for a startup packet.
// The packet is valid during the call and must not be changed.
type DumpFunc func(sent bool, addr netip.AddrPort, session uint32, packet []byte)

func (e *Endpoint) dumpSent(to netip.AddrPort, session uint32, packet []byte) {
	if e.cfg.Dump != nil {
		e.cfg.Dump(true, to, session, packet)
	}
}

func (e *Endpoint) dumpReceived(from netip.AddrPort, session uint32, packet []byte) {
	if e.cfg.Dump != nil {
		e.cfg.Dump(false, from, session, packet)
	}
}
