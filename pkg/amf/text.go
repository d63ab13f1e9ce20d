package amf

// sharedText is the length up to which a message is copied once and its strings are cut from that copy:
// commands and metadata cost one allocation for all their names. A string kept for long from such a
// message keeps up to this many bytes alive; strings.Clone it.
const sharedText = 2048

// span is a string inside the message.
type span struct{ off, n int }

// take consumes n bytes as a string.
func (r *Reader) take(n int) (span, error) {
	if n > len(r.b)-r.pos {
		return span{}, truncated(r.pos, "rest of a string")
	}
	s := span{r.pos, n}
	r.pos += n
	return s, nil
}

func (r *Reader) cut(s span) string {
	if s.n == 0 {
		return ""
	}
	if len(r.b) > sharedText {
		return string(r.b[s.off : s.off+s.n])
	}
	if r.text == "" {
		r.text = string(r.b)
	}
	return r.text[s.off : s.off+s.n]
}

// name is cut for member names: in a long message they usually repeat.
func (r *Reader) name(s span) string {
	if len(r.b) <= sharedText || s.n == 0 || s.n > 32 {
		return r.cut(s)
	}
	b := r.b[s.off : s.off+s.n]
	slot := &r.names[(s.n+int(b[0])*5+int(b[s.n-1])*3)%len(r.names)]
	if *slot != string(b) {
		*slot = string(b)
	}
	return *slot
}

// takeMembers moves the members pushed since base into a slice of their own.
func (r *Reader) takeMembers(base int) []Member {
	top := r.members[base:]
	if len(top) == 0 {
		return nil
	}
	ms := make([]Member, len(top))
	copy(ms, top)
	clear(top)
	r.members = r.members[:base]
	return ms
}

// string3 reads a string without marker, inline or by reference (AMF3 §1.3.2).
func (r *Reader) string3() (span, error) {
	i, err := r.textIndex()
	if err != nil || i < 0 {
		return span{off: r.pos}, err
	}
	return r.tables.strings[i].span, nil
}

// text3 is string3 as a Go string.
func (r *Reader) text3() (string, error) {
	i, err := r.textIndex()
	if err != nil || i < 0 {
		return "", err
	}
	t := &r.tables.strings[i]
	if t.s == "" {
		t.s = r.cut(t.span)
	}
	return t.s, nil
}

// textIndex is the string's place in the table, -1 for the empty string, which never enters it.
func (r *Reader) textIndex() (int, error) {
	at := r.pos
	h, err := r.u29("length of a string")
	if err != nil {
		return 0, err
	}
	i := int(h >> 1)
	if h&1 == 0 {
		if i >= len(r.tables.strings) {
			return 0, errAt(at, ErrReference, "a reference to an earlier string")
		}
		return i, nil
	}
	if i == 0 {
		return -1, nil
	}
	s, err := r.take(i)
	if err != nil {
		return 0, err
	}
	r.tables.strings = append(r.tables.strings, text{span: s})
	return len(r.tables.strings) - 1, nil
}
