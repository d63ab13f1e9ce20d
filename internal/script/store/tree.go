package store

import "fmt"

// size is what a tree takes of the limits.
type size struct{ entries, bytes int }

func (z *size) add(o size) { z.entries += o.entries; z.bytes += o.bytes }
func (z *size) sub(o size) { z.entries -= o.entries; z.bytes -= o.bytes }

// size counts what is below n.
func (n *Node) size() (z size) {
	for key, sl := range n.slots {
		z.add(size{entries: 1, bytes: len(key) + len(sl.Text)})
		if sl.Kind == KindTable {
			z.add(sl.Node.size())
		}
	}
	return z
}

func (n *Node) depth() int {
	d := 0
	for ; n.parent != nil; n = n.parent {
		d++
	}
	return d
}

// path appends the path of n in the file.
func (n *Node) path(b []byte) []byte {
	if n.parent == nil {
		return b
	}
	return appendKey(n.parent.path(b), n.name)
}

// linked says whether n hangs in the tree of its store, putting tables of applications back that were
// deleted.
func (n *Node) linked() bool {
	if n.parent == nil {
		return n.s != nil
	}
	sl, ok := n.parent.slots[n.name]
	if ok {
		return sl.Node == n && n.parent.linked()
	}
	if !n.app || n.s == nil || !n.parent.linked() {
		return false
	}
	n.parent.put(n.name, slot{Entry: Table(n)})
	n.s.size.add(size{entries: 1, bytes: len(n.name)})
	return true
}

// place is the path in the file of an entry of n, which must be possible there.
func (n *Node) place(key string) (string, error) {
	if n.s.closed {
		return "", ErrClosed
	}
	if !n.linked() {
		return "", fmt.Errorf("%s %w", n.Path(), ErrDetached)
	}
	if err := n.checkKey(key); err != nil {
		return "", err
	}
	if d := n.depth() + 1; d > MaxDepth {
		return "", fmt.Errorf("%s: %w", n.pathOf(key), tooDeep(d))
	}
	path := appendKey(n.path(nil), key)
	if len(path) > MaxPath {
		return "", fmt.Errorf("%s: %w", n.pathOf(key), tooLong(len(path)))
	}
	return string(path), nil
}

func tooDeep(n int) error { return fmt.Errorf("%w: %d keys deep, at most %d", ErrLimit, n, MaxDepth) }

func tooLong(n int) error {
	return fmt.Errorf("%w: keys of %d bytes together, at most %d", ErrLimit, n, MaxPath)
}

func (n *Node) checkKey(key string) error {
	if len(key) > MaxKey {
		return fmt.Errorf("%s: %w: key of %d bytes, at most %d", n.pathOf(key), ErrLimit, len(key), MaxKey)
	}
	return nil
}

// grow reserves what the tree grows by with an entry at key.
func (n *Node) grow(key string, by size) error {
	z := n.s.size
	z.add(by)
	if by.entries > 0 && z.entries > n.s.max.entries {
		return fmt.Errorf("%s: %w: %d entries in all, at most %d", n.pathOf(key), ErrLimit, z.entries, n.s.max.entries)
	}
	if by.bytes > 0 && z.bytes > n.s.max.bytes {
		return fmt.Errorf("%s: %w: %d bytes in all, at most %d", n.pathOf(key), ErrLimit, z.bytes, n.s.max.bytes)
	}
	n.s.size = z
	return nil
}

// checkPaths checks that everything below n has a place in the file, when n has one of length bytes and
// depth keys.
func (n *Node) checkPaths(length, depth int) error {
	if len(n.slots) > 0 && depth+1 > MaxDepth {
		return tooDeep(depth + 1)
	}
	for key, sl := range n.slots {
		l := length + len(appendKey(nil, key))
		if l > MaxPath {
			return tooLong(l)
		}
		if sl.Kind == KindTable {
			if err := sl.Node.checkPaths(l, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// join makes n and what is below part of s, at path. The lock is held.
func (n *Node) join(s *Store, path []byte) {
	n.s = s
	for key, sl := range n.slots {
		p := appendKey(path, key)
		if sl.Kind == KindTable {
			sl.Node.join(s, p)
			continue
		}
		sl.batch = s.firstBatch(string(p))
		s.pending[string(p)] = change{text: sl.Text}
		n.slots[key] = sl
	}
}

// leave removes what is below n, at path, from the file. A script may still read a table that it holds;
// that of an application begins anew. The lock is held.
func (n *Node) leave(path []byte) {
	for key, sl := range n.slots {
		p := appendKey(path, key)
		if sl.Kind == KindTable {
			sl.Node.leave(p)
		} else {
			n.s.remove(string(p), sl.batch)
		}
	}
	if n.app {
		n.slots, n.scalars, n.order = make(map[string]slot), 0, nil
	}
}

// clone copies n into a table of its own.
func (n *Node) clone() *Node {
	c := NewNode()
	for key, sl := range n.slots {
		if sl.Kind == KindTable {
			c.adopt(key, sl.Node.clone())
		} else {
			c.put(key, slot{Entry: sl.Entry})
		}
	}
	return c
}
