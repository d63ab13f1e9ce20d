package amf

// ecmaArray reads an associative array (AMF0 §2.10). Its count is only a hint, often wrong: what ends it
// is the end marker. Members named 0 to n-1 become elements, in whatever order they came.
func (r *Reader) ecmaArray() (Value, error) {
	if _, err := r.count0(); err != nil {
		return nil, err
	}
	a := &Array{}
	r.objects0 = append(r.objects0, a)
	base := len(r.members)
	ahead := false // an index came before the one that precedes it
	for {
		name, end, err := r.name0()
		if err != nil {
			return nil, err
		}
		if end {
			a.Named = r.takeMembers(base)
			if ahead {
				a.settle()
			}
			return a, nil
		}
		v, err := r.value0()
		if err != nil {
			return nil, err
		}
		i, ok := index(r.b[name.off : name.off+name.n])
		switch {
		case ok && i < len(a.Dense):
			a.Dense[i] = v // named twice: the later one counts
			continue
		case ok && i == len(a.Dense):
			a.Dense = append(a.Dense, v)
			continue
		case ok:
			ahead = true
		}
		r.members = append(r.members, Member{Name: r.name(name), Value: v})
	}
}

// settle moves members whose names continue the elements to them.
func (a *Array) settle() {
	byIndex := make(map[int]Value)
	for _, m := range a.Named {
		if i, ok := index([]byte(m.Name)); ok {
			byIndex[i] = m.Value
		}
	}
	for {
		v, ok := byIndex[len(a.Dense)]
		if !ok {
			break
		}
		a.Dense = append(a.Dense, v)
	}
	kept := a.Named[:0]
	for _, m := range a.Named {
		if i, ok := index([]byte(m.Name)); !ok || i >= len(a.Dense) {
			kept = append(kept, m)
		}
	}
	clear(a.Named[len(kept):])
	a.Named = kept
	if len(kept) == 0 {
		a.Named = nil
	}
}

// index is the value of a name that is a decimal number as a program writes it.
func index(name []byte) (int, bool) {
	if len(name) == 0 || len(name) > 9 || (name[0] == '0' && len(name) > 1) {
		return 0, false
	}
	n := 0
	for _, c := range name {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}
