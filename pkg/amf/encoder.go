package amf

import "slices"

// Mode is the form an Encoder writes.
type Mode uint8

const (
	// AMF0 is plain AMF0; a value that it has no type for is an error.
	AMF0 Mode = iota
	// AMF0Lossy is plain AMF0 for readers that know nothing else (FLV): byte arrays become strings,
	// vectors arrays, dictionaries associative arrays with their keys as text.
	AMF0Lossy
	// AMF0Plus is AMF0 in which byte arrays, dictionaries, vectors and arrays with both elements and
	// members are AMF3 behind marker 0x11, their numbers as doubles: what a client with objectEncoding
	// 0 gets.
	AMF0Plus
	// AMF3InAMF0 writes null, undefined, booleans and numbers other than the integers 0 to 2^28-1 as
	// AMF0 and everything else as AMF3 behind marker 0x11, with dynamic traits only and no negative
	// integers: what the mesh and clients with objectEncoding 3 get, and all that the C++ reader gets
	// right.
	AMF3InAMF0
	// AMF3 is bare AMF3.
	AMF3
)

// Refs says what an Encoder writes only once. Its tables last until Reset, so with references the values
// of one Encoder belong into one message.
type Refs uint8

const (
	// NoRefs writes everything in full. Readers disagree whether the tables of AMF3 last for a message
	// or for one value behind 0x11; this form is right for both.
	NoRefs Refs = iota
	// StringRefs repeats strings by reference (AMF3 only).
	StringRefs
	// AllRefs repeats strings, traits and values by reference, and so can write cycles.
	AllRefs
)

// Encoder appends values to a byte slice. The zero Encoder writes plain AMF0 without references.
// It is not safe for use by several goroutines.
type Encoder struct {
	Mode Mode
	Refs Refs
	// MaxDepth is how deep values may be nested, MaxBytes how long one Append may get; 0 means
	// DefaultDepth and DefaultBytes. Shared values are written in full without AllRefs: a small graph
	// can unfold to any size.
	MaxDepth, MaxBytes int

	end      int      // length of the output not to be exceeded
	depth    int      // how many values are being written, and which, outermost first:
	shallow  [8]Value // an array, so that an Encoder for usual values can live on the stack,
	deep     []Value  // and the rest
	strings  stringTable
	traits   []traits
	objects0 map[Value]int
	objects3 map[Value]int
}

// Reset forgets the reference tables: the next value starts another message.
func (e *Encoder) Reset() {
	*e = Encoder{Mode: e.Mode, Refs: e.Refs, MaxDepth: e.MaxDepth, MaxBytes: e.MaxBytes}
}

// Append appends v to b. On an error it returns b as it was, and the Encoder can only be Reset if it
// writes references.
func (e *Encoder) Append(b []byte, v Value) ([]byte, error) {
	maxBytes := e.MaxBytes
	if maxBytes == 0 {
		maxBytes = DefaultBytes
	}
	start := len(b)
	e.end = start + maxBytes
	e.depth = 0
	var err error
	var out []byte
	switch e.Mode {
	case AMF3:
		out, err = e.append3(b, v)
	case AMF3InAMF0:
		out, err = e.appendSwitched(b, v)
	default:
		out, err = e.append0(b, v)
	}
	clear(e.shallow[:])
	clear(e.deep)
	e.deep = e.deep[:0]
	if err != nil {
		return b, err
	}
	if len(out) > e.end {
		return b, encodeError(ErrLimit, KindOf(v).String())
	}
	return out, nil
}

// AppendAMF0 appends v in plain AMF0, without references.
func AppendAMF0(b []byte, v Value) ([]byte, error) {
	var e Encoder
	return e.Append(b, v)
}

// AppendAMF3 appends v in AMF3 as a value on its own: repeated strings are references.
func AppendAMF3(b []byte, v Value) ([]byte, error) {
	e := Encoder{Mode: AMF3, Refs: StringRefs}
	return e.Append(b, v)
}

// enter starts writing the content of v, where no reference can stand for v inside itself.
func (e *Encoder) enter(v Value) error {
	if slices.Contains(e.shallow[:min(e.depth, len(e.shallow))], v) || slices.Contains(e.deep, v) {
		return encodeError(ErrCycle, KindOf(v).String())
	}
	return e.nest(v)
}

// nest starts writing the content of v.
func (e *Encoder) nest(v Value) error {
	maxDepth := e.MaxDepth
	if maxDepth == 0 {
		maxDepth = DefaultDepth
	}
	if e.depth >= maxDepth {
		return encodeError(ErrLimit, KindOf(v).String())
	}
	if e.depth < len(e.shallow) {
		e.shallow[e.depth] = v
	} else {
		e.deep = append(e.deep, v)
	}
	e.depth++
	return nil
}

func (e *Encoder) leave() {
	e.depth--
	if e.depth >= len(e.shallow) {
		e.deep = e.deep[:e.depth-len(e.shallow)]
	}
}

// seen looks v up in an object table, entering it when it is new.
func seen(table *map[Value]int, v Value) (int, bool) {
	if i, ok := (*table)[v]; ok {
		return i, true
	}
	if *table == nil {
		*table = make(map[Value]int)
	}
	(*table)[v] = len(*table)
	return 0, false
}

// stringTable finds strings written before. Most values have few, which are found faster in a list.
type stringTable struct {
	list  []string
	index map[string]int
}

func (t *stringTable) find(s string) (int, bool) {
	if t.index != nil {
		i, ok := t.index[s]
		return i, ok
	}
	i := slices.Index(t.list, s)
	return i, i >= 0
}

func (t *stringTable) add(s string) {
	if t.index != nil {
		t.index[s] = len(t.index)
		return
	}
	if t.list = append(t.list, s); len(t.list) < 16 {
		return
	}
	t.index = make(map[string]int, 2*len(t.list))
	for i, s := range t.list {
		t.index[s] = i
	}
	t.list = nil
}
