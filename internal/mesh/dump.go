package mesh

// dumpFunc is shown a frame of one direction of a link, without its size.
type dumpFunc func(head, payload []byte)

// dump is Config.Dump for one direction of the link, nil when nobody wants to see it.
func (l *Link) dump(sent bool) dumpFunc {
	show := l.node.cfg.Dump
	if show == nil {
		return nil
	}
	return func(head, payload []byte) { show(sent, l.addr, head, payload) }
}
