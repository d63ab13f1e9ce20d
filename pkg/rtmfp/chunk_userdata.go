package rtmfp

// Fragment control values (RFC 7016 §2.3.11).
const (
	fragWhole uint8 = iota
	fragBegin
	fragEnd
	fragMiddle
)

const (
	userDataFlagOptions   = 0x80
	userDataFragmentShift = 4
	userDataFragmentMask  = 0x03
	userDataFlagAbandon   = 0x02
	userDataFlagFinal     = 0x01
)

// userData is a User Data chunk (RFC 7016 §2.3.11).
//
//	+-+-+-+-+-+-+-+-+
//	|O|r| F | r |A|F|
//	|P|s| R | s |B|I|
//	|T|v| A | v |N|N|
//	+-+-+-+-+-+-+-+-+
//	+-------------/-+-------------/-+-------------/-+
//	|    flowID    \ |     seq#     \ | fsnOffset \ |
//	+-------------/-+-------------/-+-------------/-+
//	+~~~/~~~/~~~~~~~+                 +~~~/~~~/~~~~~~~+-------------/-+
//	| L \ T \    V   |... options ...| L \ T \    V   |       0     \ |
//	\~~~/~~~/~~~~~~~+    [if(OPT)]    +~~~/~~~/~~~~~~~+-------------/-/
//	+~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~+
//	|                              userData                           |
//	+~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~/
type userData struct {
	optionsPresent bool
	fragment       uint8 // fragWhole …
	abandon        bool  // data, if any, must be ignored
	final          bool  // last sequence number of the flow
	flowID         uint64
	seq            uint64
	fsn            uint64 // forward sequence number: seq - fsnOffset on the wire
	options        []byte // the option list without its marker
	data           []byte
}

func (c *userData) appendFlags(b []byte) []byte {
	flags := (c.fragment & userDataFragmentMask) << userDataFragmentShift
	if c.optionsPresent {
		flags |= userDataFlagOptions
	}
	if c.abandon {
		flags |= userDataFlagAbandon
	}
	if c.final {
		flags |= userDataFlagFinal
	}
	return append(b, flags)
}

func (c *userData) appendOptions(b []byte) []byte {
	if !c.optionsPresent {
		return b
	}
	return appendMarker(append(b, c.options...))
}

func (c *userData) setFlags(flags byte) {
	c.optionsPresent = flags&userDataFlagOptions != 0
	c.fragment = flags >> userDataFragmentShift & userDataFragmentMask
	c.abandon = flags&userDataFlagAbandon != 0
	c.final = flags&userDataFlagFinal != 0
}

// setBody splits p, what follows the numbers, into options and data.
func (c *userData) setBody(p []byte) bool {
	c.options, c.data = nil, p
	if !c.optionsPresent {
		return true
	}
	for end := 0; ; {
		_, _, marker, n := consumeOption(p[end:])
		if n == 0 {
			return false
		}
		if marker {
			c.options, c.data = p[:end:end], p[end+n:]
			return true
		}
		end += n
	}
}

// appendUserDataHeader appends the payload of c up to its data, which the caller appends.
func appendUserDataHeader(b []byte, c *userData) []byte {
	b = c.appendFlags(b)
	b = appendVLU(b, c.flowID)
	b = appendVLU(b, c.seq)
	b = appendVLU(b, c.seq-c.fsn)
	return c.appendOptions(b)
}

// consumeUserData reads a payload into c, which is undefined if the result is false. It refuses what
// RFC 7016 §2.3.11 forbids: sequence number 0, an fsnOffset beyond the sequence number, and an fsnOffset
// of 0 unless the fragment is abandoned.
func consumeUserData(p []byte, c *userData) bool {
	if len(p) == 0 {
		return false
	}
	c.setFlags(p[0])
	at := 1
	flowID, n := consumeVLU(p[at:])
	if n == 0 {
		return false
	}
	at += n
	seq, n := consumeVLU(p[at:])
	if n == 0 || seq == 0 {
		return false
	}
	at += n
	offset, n := consumeVLU(p[at:])
	if n == 0 || offset > seq || (offset == 0 && !c.abandon) {
		return false
	}
	at += n
	c.flowID, c.seq, c.fsn = flowID, seq, seq-offset
	return c.setBody(p[at:])
}
