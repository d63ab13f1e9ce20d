package value

import (
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// Params is a table of texts by flat key, sorted by key: properties, parameters, configuration. A dotted
// key is reachable in two ways: "RTMFP.port" is also "port" of the part "RTMFP".
type Params struct {
	t      *paramTable
	prefix string // "" or ending in a dot; folded when the table is
}

type paramTable struct {
	fold  bool
	items []param // sorted by match
}

type param struct {
	match string // the key, lower case when folded
	key   string // as it was set
	text  string
}

// NewParams makes an empty table.
func NewParams() *Params { return &Params{t: &paramTable{}} }

// NewFoldedParams makes an empty table whose keys are found in any spelling of their letters.
func NewFoldedParams() *Params { return &Params{t: &paramTable{fold: true}} }

// ParamsOf makes a table of a map.
func ParamsOf(m map[string]string) *Params {
	p := NewParams()
	for k, v := range m {
		p.t.items = append(p.t.items, param{k, k, v})
	}
	slices.SortFunc(p.t.items, func(a, b param) int { return strings.Compare(a.match, b.match) })
	return p
}

// lower folds the letters of ASCII: keys are names of the configuration.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

func (p *Params) match(key string) string {
	if p.t.fold {
		key = lower(key)
	}
	return p.prefix + key
}

func (t *paramTable) find(match string) (int, bool) {
	return slices.BinarySearchFunc(t.items, match, func(e param, m string) int { return strings.Compare(e.match, m) })
}

// part is the range of items whose keys begin with prefix.
func (t *paramTable) part(prefix string) []param {
	if prefix == "" {
		return t.items
	}
	from, _ := t.find(prefix)
	n := from
	for n < len(t.items) && strings.HasPrefix(t.items[n].match, prefix) {
		n++
	}
	return t.items[from:n]
}

// Set gives a key a text. In a folded table a new spelling of a key takes the place of the old one.
func (p *Params) Set(key, text string) {
	m := p.match(key)
	e := param{m, p.fullKey(key), text}
	i, found := p.t.find(m)
	if found {
		p.t.items[i] = e
		return
	}
	p.t.items = slices.Insert(p.t.items, i, e)
}

func (p *Params) fullKey(key string) string { return p.prefix + key }

// Delete removes a key.
func (p *Params) Delete(key string) {
	if i, ok := p.t.find(p.match(key)); ok {
		p.t.items = slices.Delete(p.t.items, i, i+1)
	}
}

// Len is the number of keys.
func (p *Params) Len() int { return len(p.t.part(p.prefix)) }

// Text is the text of a key.
func (p *Params) Text(key string) (string, bool) {
	i, ok := p.t.find(p.match(key))
	if !ok {
		return "", false
	}
	return p.t.items[i].text, true
}

// Get is what scripts see at a key: the typed text, or the part of the table that a dotted key begins with
// (and nil), or nothing (nil, nil). A text wins over a part, unless it stands for nil.
func (p *Params) Get(key string) (lua.LValue, *Params) {
	if text, ok := p.Text(key); ok {
		if v := Typed(text); v != lua.LNil {
			return v, nil
		}
	}
	return lua.LNil, p.Part(key)
}

// Part is a view of the keys that begin with name and a dot, without that beginning; nil when there are
// none. It changes with p.
func (p *Params) Part(name string) *Params {
	part := &Params{t: p.t, prefix: p.match(name) + "."}
	if part.Len() == 0 {
		return nil
	}
	return part
}

// Keys returns all keys in order, dotted ones in full.
func (p *Params) Keys() []string {
	part := p.t.part(p.prefix)
	keys := make([]string, len(part))
	for i, e := range part {
		keys[i] = e.key[len(p.prefix):]
	}
	return keys
}

// Each calls f with every key and its text, in order, until it returns false. f must not change p.
func (p *Params) Each(f func(key, text string) bool) {
	for _, e := range p.t.part(p.prefix) {
		if !f(e.key[len(p.prefix):], e.text) {
			return
		}
	}
}

// Clone returns a table of its own.
func (p *Params) Clone() *Params {
	c := &Params{t: &paramTable{fold: p.t.fold, items: make([]param, 0, p.Len())}}
	for _, e := range p.t.part(p.prefix) {
		c.t.items = append(c.t.items, param{e.match[len(p.prefix):], e.key[len(p.prefix):], e.text})
	}
	return c
}
