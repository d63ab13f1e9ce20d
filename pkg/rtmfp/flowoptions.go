package rtmfp

// Options of User Data chunks (RFC 7016 §2.3.11.1).
const (
	optionMetadata    = 0x00
	optionAssociation = 0x0a
	// optionIgnorable is the first type that a receiver ignores when it does not know it. A flow with
	// a lower unknown type must be rejected.
	optionIgnorable = 8192
)

// flowOptions is what the options of a flow's first User Data chunk say.
type flowOptions struct {
	metadata      []byte // aliases the chunk
	hasMetadata   bool
	assoc         uint64 // the flow of ours that this one answers
	hasAssoc      bool
	unknown       bool // an option that must be understood is not
	multipleAssoc bool // more than one return association, which is forbidden (RFC 7016 §2.3.11.1.2)
}

// parseFlowOptions reads an option list without its marker. The first metadata and the first association
// count. ok is false if an option is malformed.
func parseFlowOptions(opts []byte) (o flowOptions, ok bool) {
	for len(opts) > 0 {
		typ, value, marker, n := consumeOption(opts)
		if n == 0 || marker {
			return flowOptions{}, false
		}
		opts = opts[n:]
		switch {
		case typ == optionMetadata:
			if !o.hasMetadata {
				o.metadata, o.hasMetadata = value, true
			}
		case typ == optionAssociation:
			id, m := consumeVLU(value)
			if m == 0 || m != len(value) {
				return flowOptions{}, false
			}
			if o.hasAssoc {
				o.multipleAssoc = true
			} else {
				o.assoc, o.hasAssoc = id, true
			}
		case typ < optionIgnorable:
			o.unknown = true
		}
	}
	return o, true
}
