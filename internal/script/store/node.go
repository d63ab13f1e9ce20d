package store

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Node is a table of the tree. All its methods are for the script goroutine.
type Node struct {
	s       *Store // nil while it is not part of a tree
	parent  *Node
	name    string
	app     bool // made by Child: it comes back when it is written to after its deletion
	slots   map[string]slot
	scalars int
	order   []string // the keys, sorted; nil = to be made
}

// slot is an entry, and the batch in which its path first went to the file (0 = an earlier one).
type slot struct {
	Entry
	batch uint64
}

// NewNode makes a table to be filled and then set somewhere.
func NewNode() *Node { return &Node{slots: make(map[string]slot)} }

// Get returns what a key holds.
func (n *Node) Get(key string) (Entry, bool) {
	sl, ok := n.slots[key]
	return sl.Entry, ok
}

// Child is the table of an application: it is made on first use and stored with its first value. Where a
// value stands in its place, it refuses to be written to.
func (n *Node) Child(name string) *Node {
	sl, taken := n.slots[name]
	if sl.Kind == KindTable && taken {
		sl.Node.app = true
		return sl.Node
	}
	child := &Node{s: n.s, parent: n, name: name, app: true, slots: make(map[string]slot)}
	if !taken && n.s != nil && n.linked() {
		n.put(name, slot{Entry: Table(child)})
		n.s.size.add(size{entries: 1, bytes: len(name)})
	}
	return child
}

// Count is the number of values, tables not counted.
func (n *Node) Count() int { return n.scalars }

// Len is the number of values and tables.
func (n *Node) Len() int { return len(n.slots) }

// Keys returns the keys in order: integers by value, then texts.
func (n *Node) Keys() []string { return slices.Clone(n.sorted()) }

func (n *Node) sorted() []string {
	if n.order == nil {
		n.order = slices.SortedFunc(maps.Keys(n.slots), compareKeys)
	}
	return n.order
}

// Each calls f with every entry in order until it returns false. f may change the table: entries that are
// gone are left out, new ones are not visited.
func (n *Node) Each(f func(key string, e Entry) bool) {
	for _, key := range n.sorted() {
		if e, ok := n.Get(key); ok && !f(key, e) {
			return
		}
	}
}

// Path names the table for messages: data.a.b.
func (n *Node) Path() string {
	if n.parent == nil {
		return "data"
	}
	return n.parent.pathOf(n.name)
}

func (n *Node) pathOf(key string) string {
	if len(key) > 64 {
		key = key[:64] + "…"
	}
	return n.Path() + "." + strings.ToValidUTF8(key, "?")
}

// Set gives a key a value. A table is not overwritten.
func (n *Node) Set(key string, e Entry) error {
	if e.Kind != KindTable {
		if e.Kind == KindNumber {
			e = Text(e.Text)
		}
		return n.setScalar(key, e)
	}
	node := e.Node
	if node.s != nil || node.parent != nil || node == n.top() {
		node = node.clone()
	}
	return n.setTable(key, node)
}

func (n *Node) top() *Node {
	for n.parent != nil {
		n = n.parent
	}
	return n
}

func (n *Node) setScalar(key string, e Entry) error {
	old, exists := n.slots[key]
	if exists && old.Kind == KindTable {
		return fmt.Errorf("%s %w", n.pathOf(key), ErrTable)
	}
	if len(e.Text) > MaxValue {
		return fmt.Errorf("%s: %w: text of %d bytes, at most %d", n.pathOf(key), ErrLimit, len(e.Text), MaxValue)
	}
	if n.s == nil {
		if err := n.checkKey(key); err != nil {
			return err
		}
		n.put(key, slot{Entry: e})
		return nil
	}
	path, err := n.place(key)
	if err != nil {
		return err
	}
	if exists && old.Text == e.Text {
		n.put(key, slot{Entry: e, batch: old.batch}) // the kind may change, the file does not
		return nil
	}
	grown := size{entries: 1, bytes: len(key) + len(e.Text)}
	if exists {
		grown = size{bytes: len(e.Text) - len(old.Text)}
	}
	if err := n.grow(key, grown); err != nil {
		return err
	}
	n.s.lock()
	sl := slot{Entry: e, batch: old.batch}
	if !exists {
		sl.batch = n.s.firstBatch(path)
	}
	n.s.pending[path] = change{text: e.Text}
	n.s.unlock()
	n.put(key, sl)
	return nil
}

// setTable makes node, which nobody else has, the table at a key.
func (n *Node) setTable(key string, node *Node) error {
	old, exists := n.slots[key]
	if exists && old.Kind == KindTable {
		return fmt.Errorf("%s %w", n.pathOf(key), ErrTable)
	}
	if n.s == nil {
		if err := n.checkKey(key); err != nil {
			return err
		}
		n.adopt(key, node)
		return nil
	}
	path, err := n.place(key)
	if err != nil {
		return err
	}
	if err := node.checkPaths(len(path), n.depth()+1); err != nil {
		return fmt.Errorf("%s: %w", n.pathOf(key), err)
	}
	grown := node.size()
	grown.add(size{entries: 1, bytes: len(key)})
	if exists {
		grown.sub(size{entries: 1, bytes: len(key) + len(old.Text)})
	}
	if err := n.grow(key, grown); err != nil {
		return err
	}
	n.s.lock()
	if exists {
		n.s.remove(path, old.batch)
	}
	node.join(n.s, []byte(path))
	n.s.unlock()
	n.adopt(key, node)
	return nil
}

func (n *Node) adopt(key string, node *Node) {
	node.parent, node.name = n, key
	n.put(key, slot{Entry: Table(node)})
}

// put is the only place where entries come in.
func (n *Node) put(key string, sl slot) {
	old, exists := n.slots[key]
	if exists && old.Kind != KindTable {
		n.scalars--
	}
	if sl.Kind != KindTable {
		n.scalars++
	}
	n.slots[key] = sl
	if !exists {
		n.order = nil
	}
}

// Delete removes what a key holds: a table with everything in it.
func (n *Node) Delete(key string) error {
	old, ok := n.slots[key]
	if !ok {
		return nil
	}
	if n.s != nil {
		path, err := n.place(key)
		if err != nil {
			return err
		}
		gone := size{entries: 1, bytes: len(key) + len(old.Text)}
		n.s.lock()
		if old.Kind == KindTable {
			gone.add(old.Node.size())
			old.Node.leave([]byte(path))
		} else {
			n.s.remove(path, old.batch)
		}
		n.s.unlock()
		n.s.size.sub(gone)
	}
	delete(n.slots, key)
	n.order = nil
	if old.Kind != KindTable {
		n.scalars--
	}
	return nil
}
