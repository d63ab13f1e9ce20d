package rtmfp

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
)

// Bans are addresses whose datagrams are dropped unread. Safe for concurrent use; looking is one atomic
// load while nobody is banned.
type Bans struct {
	mu   sync.Mutex
	list atomic.Pointer[[]netip.Prefix]
}

// Ban adds addresses.
func (b *Bans) Ban(p netip.Prefix) {
	b.change(func(list []netip.Prefix) []netip.Prefix {
		if slices.Contains(list, p) {
			return list
		}
		return append(list, p)
	})
}

// Unban removes addresses that were banned in the same form.
func (b *Bans) Unban(p netip.Prefix) {
	b.change(func(list []netip.Prefix) []netip.Prefix {
		return slices.DeleteFunc(list, func(q netip.Prefix) bool { return q == p })
	})
}

func (b *Bans) change(f func([]netip.Prefix) []netip.Prefix) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []netip.Prefix
	if old := b.list.Load(); old != nil {
		list = slices.Clone(*old)
	}
	if list = f(list); len(list) == 0 {
		b.list.Store(nil)
		return
	}
	b.list.Store(&list)
}

// banned reports whether a is banned; nobody is by nil.
func (b *Bans) banned(a netip.Addr) bool {
	if b == nil {
		return false
	}
	list := b.list.Load()
	if list == nil {
		return false
	}
	a = a.Unmap()
	for _, p := range *list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
