package media

import "slices"

// state is what a late listener needs of a stream before its first frame: metadata and headers. It
// holds a reference to each frame in it.
type state struct {
	meta    []*Frame    // one per handler, in the order the handlers came
	headers [2][]*Frame // of audioIndex and videoIndex, one per slot
}

// apply changes the state as f says, if f says so.
func (s *state) apply(f *Frame) {
	switch f.Role {
	case Header:
		s.setHeader(&s.headers[f.Kind.index()], f)
	case Metadata:
		s.setMetadata(f)
	case Cleared:
		s.meta = slices.DeleteFunc(s.meta, func(m *Frame) bool {
			if f.Handler != "" && m.Handler != f.Handler {
				return false
			}
			m.Release()
			return true
		})
	}
}

func (s *state) setHeader(list *[]*Frame, f *Frame) {
	for i, h := range *list {
		if h.slot == f.slot {
			h.Release()
			(*list)[i] = f.Retain()
			return
		}
	}
	if len(*list) >= maxHeaders {
		(*list)[0].Release()
		*list = slices.Delete(*list, 0, 1)
	}
	*list = append(*list, f.Retain())
}

func (s *state) setMetadata(f *Frame) {
	i := slices.IndexFunc(s.meta, func(m *Frame) bool { return m.Handler == f.Handler })
	keep := f.size <= maxKeptBytes
	switch {
	case i >= 0 && keep:
		s.meta[i].Release()
		s.meta[i] = f.Retain()
	case i >= 0:
		s.meta[i].Release()
		s.meta = slices.Delete(s.meta, i, i+1)
	case keep && len(s.meta) < maxMetadata:
		s.meta = append(s.meta, f.Retain())
	}
}

// clear forgets everything.
func (s *state) clear() {
	releaseAll(s.meta)
	s.meta = nil
	for i := range s.headers {
		releaseAll(s.headers[i])
		s.headers[i] = nil
	}
}

// retain returns a copy with references of its own, of the given kinds.
func (s *state) retain(kinds Kinds) state {
	var c state
	if kinds&DataKind != 0 {
		c.meta = retainAll(s.meta)
	}
	if kinds&AudioKind != 0 {
		c.headers[audioIndex] = retainAll(s.headers[audioIndex])
	}
	if kinds&VideoKind != 0 {
		c.headers[videoIndex] = retainAll(s.headers[videoIndex])
	}
	return c
}

func retainAll(list []*Frame) []*Frame {
	for _, f := range list {
		f.Retain()
	}
	return slices.Clone(list)
}

func releaseAll(list []*Frame) {
	for _, f := range list {
		f.Release()
	}
}
