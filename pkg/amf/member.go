package amf

// NewObject makes an anonymous dynamic object, to be filled with Add:
//
//	amf.NewObject().Add("level", amf.String("status")).Add("code", code)
func NewObject(members ...Member) *Object { return &Object{Members: members} }

// Add appends a member without looking for an older one of that name. It returns o.
func (o *Object) Add(name string, v Value) *Object {
	o.Members = append(o.Members, Member{Name: name, Value: v})
	return o
}

// Set gives the member name the value v, adding it when there is none.
func (o *Object) Set(name string, v Value) {
	if i := find(o.Members, name); i >= 0 {
		o.Members[i].Value = v
		return
	}
	o.Add(name, v)
}

// Get is the member's value; ok is false when there is none.
func (o *Object) Get(name string) (v Value, ok bool) { return get(o.Members, name) }

// String is the member's text when it is a String.
func (o *Object) String(name string) (s string, ok bool) {
	v, _ := o.Get(name)
	t, ok := v.(String)
	return string(t), ok
}

// Number is the member's value when it is a Number.
func (o *Object) Number(name string) (f float64, ok bool) {
	v, _ := o.Get(name)
	n, ok := v.(Number)
	return float64(n), ok
}

// Get is the value of the named member; elements have no name.
func (a *Array) Get(name string) (v Value, ok bool) { return get(a.Named, name) }

// find looks from the end: when a name occurs twice the later one counts, as if it had been assigned.
func find(ms []Member, name string) int {
	for i := len(ms) - 1; i >= 0; i-- {
		if ms[i].Name == name {
			return i
		}
	}
	return -1
}

func get(ms []Member, name string) (Value, bool) {
	if i := find(ms, name); i >= 0 {
		return ms[i].Value, true
	}
	return nil, false
}
