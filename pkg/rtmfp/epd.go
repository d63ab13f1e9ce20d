package rtmfp

import (
	"bytes"
	"errors"
)

// Options of endpoint discriminators (RFC 7425 §4.4).
const (
	epdOptionHostname    = 0x00
	epdOptionAncillary   = 0x0a
	epdOptionFingerprint = 0x0f
)

var errEPD = errors.New("rtmfp: malformed endpoint discriminator")

// EPD is a parsed endpoint discriminator: what an initiator wants to reach. Its slices alias the input.
type EPD struct {
	HasHostname  bool
	Hostname     []byte // must be that of the certificate
	HasAncillary bool
	Ancillary    []byte // URI, or only its path, possibly empty: so deployed clients send it
	HasPeer      bool
	Peer         PeerID // fingerprint
}

// EPDForURI returns the discriminator of a server: the URI as ancillary data.
func EPDForURI(uri string) []byte { return appendOption(nil, epdOptionAncillary, []byte(uri)) }

// EPDForPeer returns the discriminator of one endpoint, which is also its canonical one (34 bytes).
func EPDForPeer(id PeerID) []byte { return appendOption(nil, epdOptionFingerprint, id[:]) }

// ParseEPD reads an endpoint discriminator. Of several options of one type the last counts, unknown ones
// are ignored, and so is what follows a marker. It does not allocate.
func ParseEPD(b []byte) (EPD, error) {
	var e EPD
	for len(b) > 0 {
		typ, value, marker, n := consumeOption(b)
		if n == 0 {
			return EPD{}, errEPD
		}
		if marker {
			break
		}
		b = b[n:]
		switch typ {
		case epdOptionHostname:
			e.HasHostname, e.Hostname = true, value
		case epdOptionAncillary:
			e.HasAncillary, e.Ancillary = true, value
		case epdOptionFingerprint:
			if len(value) != len(e.Peer) {
				return EPD{}, errEPD
			}
			e.HasPeer, e.Peer = true, PeerID(value)
		}
	}
	return e, nil
}

// selects tells whether the owner of cert is who the discriminator asks for (RFC 7425 §4.4.3). Both
// ends apply it: the responder to its own certificate, the initiator to the one it received.
func (e *EPD) selects(cert *certificate) bool {
	switch {
	case e.HasPeer:
		return e.Peer == cert.fingerprint
	case !e.HasHostname && !e.HasAncillary:
		return false
	case e.HasHostname && !(cert.hasHostname && bytes.Equal(e.Hostname, cert.hostname)):
		return false
	case e.HasAncillary && !cert.acceptsAncillary:
		return false
	}
	return true
}
