package mesh

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// Two servers that have each other among their targets make two links. Of these one is chosen before the
// applications see any, by the server with the lower node.id alone, so that both agree whatever the order of
// events:
//
//	higher → lower   offer       after the hellos, on every link: number = how many it has made; have = it has
//	                             another link to us; dialling = one of its targets may be us, and is dialled now
//	lower → higher   confirm     this link stays
//	lower → higher   duplicate   this one does not
//
// The link that the lower one dialled stays, if there is one soon enough; the properties of the targets of
// both are put together on it. A link that is confirmed stays, unless the higher one has lost it (a later
// offer has no other link) or the lower one has (it confirms another): then it is a half-open connection, and
// the new one takes its place.
//
// Servers without node.id are admitted as they come.

// settling is what a link's admission needs to know. It belongs to Node.mu.
type settling struct {
	shown atomic.Bool // the applications see it; may be read without the lock
	gone  bool        // they do no more

	offer   offer // of the other side
	verdict error // why we gave the link up
}

// offer is what the higher server says about a link.
type offer struct {
	number         uint32 // from 1, 0 = not made yet
	have, dialling bool
}

func appendOffer(b []byte, o offer) []byte {
	var flags byte
	if o.have {
		flags |= 1
	}
	if o.dialling {
		flags |= 2
	}
	return appendVL(append(b, kindOffer, flags), int(o.number))
}

// parseOffer reads what follows the kind.
func parseOffer(b []byte) (offer, error) {
	if len(b) == 0 {
		return offer{}, errShort
	}
	number, _, err := cutVL(b[1:])
	return offer{number: number, have: b[0]&1 != 0, dialling: b[0]&2 != 0}, err
}

// settleWait is how long a link waits for a better one.
const settleWait = 2 * time.Second

// neighbour is a server with node.id. It belongs to Node.mu.
type neighbour struct {
	id        string
	link      *Link         // the one that stays
	over      chan struct{} // closed when there is no link any more, of either kind
	waiting   []*Link       // others, admitted
	elsewhere map[string]string
	hold      *time.Timer // while a link waits for a better one
	waited    bool
}

// admit takes a link after its hello.
func (n *Node) admit(l *Link) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.leaveLobby(l)
	switch {
	case n.stopping:
		return errStopping
	case l.peer == n.id:
		return errSelf
	case l.dial == nil && len(n.links) >= maxIncoming:
		return errManyLinks
	}
	if n.tls == nil {
		if err := l.tenant.admit(time.Now()); err != nil {
			return err
		}
	}
	if l.dial != nil {
		l.dial.peer, l.dial.link, l.dial.covered = l.peer, l, false
	}
	if l.peer == "" {
		n.warnDouble(l)
		l.merge(nil, n.propertiesOf(l))
		n.show(l)
		return nil
	}
	b := n.neighbours[l.peer]
	if b == nil {
		b = &neighbour{id: l.peer, over: make(chan struct{})}
		n.neighbours[l.peer] = b
	}
	b.waiting = append(b.waiting, l)
	if !n.decides(b) {
		n.offers++
		o := offer{number: n.offers, have: b.link != nil || len(b.waiting) > 1, dialling: n.mayDial(l)}
		l.control(appendOffer(nil, o))
	}
	return nil
}

// decides reports whether we choose the link.
func (n *Node) decides(b *neighbour) bool { return n.id < b.id }

func (n *Node) propertiesOf(l *Link) []Property {
	if l.dial == nil {
		return nil
	}
	return l.dial.target.Properties
}

// mayDial finds out whether one of our targets may be the server that dialled l, and does not know it yet;
// then it is dialled now.
func (n *Node) mayDial(l *Link) bool {
	if l.dial != nil || l.serves == 0 {
		return false
	}
	if n.unresolved.Load() > 0 {
		return true // one of them may have its address
	}
	for addr, d := range n.dialers {
		if d.link == nil && !d.covered && addr.Addr() == l.addr.Addr() && addr.Port() == l.serves {
			d.nudge()
			return true
		}
	}
	return false
}

// warnDouble tells of two links with a server that does not know how to choose.
func (n *Node) warnDouble(l *Link) {
	for addr, d := range n.dialers {
		if l.dial == nil && l.serves != 0 && addr.Addr() == l.addr.Addr() && addr.Port() == l.serves {
			l.log.Warn().Stringer("target", d).Msg("this server is a target and connects here as well: applications see it twice. Remove one of the two entries of servers.targets")
			return
		}
	}
}

// negotiate handles a control message about which link stays.
func (n *Node) negotiate(l *Link, b []byte) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	nb := n.neighbours[l.peer]
	if nb == nil || l.gone {
		return nil
	}
	switch kind := b[0]; {
	case kind == kindOffer && n.decides(nb) && l.offer.number == 0:
		var err error
		if l.offer, err = parseOffer(b[1:]); err != nil {
			return fmt.Errorf("offer of a link: %w", err)
		}
		n.settle(nb)
	case kind == kindConfirm && !n.decides(nb) && !l.shown.Load():
		if !n.mayReplace(nb, l) {
			return errDuplicate
		}
		n.replace(nb)
		n.confirm(nb, l)
	case kind == kindDuplicate && !n.decides(nb):
		n.giveUp(nb, l)
		return errDuplicate
	}
	return nil
}

// mayReplace reports whether l is believed to come from the server that has the other link: the identity in a
// hello alone proves nothing. When it is not, a link that is half-open ends for want of a sign of life.
func (n *Node) mayReplace(b *neighbour, l *Link) bool {
	return n.key != nil || n.tls != nil || b.link == nil || b.link.addr.Addr() == l.addr.Addr() || b.impostor(l)
}

// impostor reports whether the link that is there may be somebody else's: the server at the address of a target is
// rather believed what it is than who connects from elsewhere.
func (b *neighbour) impostor(l *Link) bool {
	return b.link != nil && b.link.dial == nil && l.dial != nil && b.link.addr.Addr() != l.addr.Addr()
}

// replace ends a link in whose place another comes.
func (n *Node) replace(b *neighbour) {
	if old := b.link; old != nil {
		n.unlink(b, errReplaced)
		go old.end(errReplaced)
	}
}

func (n *Node) unlink(b *neighbour, err error) {
	n.hide(b.link, err)
	b.link, b.elsewhere = nil, nil
}

// forget drops a neighbour to which no link is left: its dialers try again.
func (n *Node) forget(b *neighbour) {
	b.stopHold()
	close(b.over)
	delete(n.neighbours, b.id)
	for _, d := range n.dialers {
		if d.peer == b.id {
			d.covered = false
		}
	}
}

// settle chooses the link of a neighbour.
func (n *Node) settle(b *neighbour) {
	var ours, theirs *Link
	for _, l := range slices.Clone(b.waiting) {
		o := l.offer
		if b.link != nil && !o.have && o.number != 0 && (o.number > b.link.offer.number || b.impostor(l)) && n.mayReplace(b, l) {
			n.replace(b)
		}
		switch {
		case o.number == 0:
		case l.dial != nil:
			ours = l
		default:
			theirs = l
		}
	}
	best := ours
	if best == nil {
		best = theirs
	}
	switch {
	case best == nil || b.link == nil && n.expects(b, ours, theirs):
		return
	case b.link == nil:
		n.confirm(b, best)
	}
	for _, l := range slices.Clone(b.waiting) {
		if l.offer.number != 0 {
			n.giveUp(b, l)
			l.lastWord([]byte{kindDuplicate})
		}
	}
}

// expects reports whether a better link may come soon, or another with properties of its own; ours and theirs
// are those that are there. It does not for long.
func (n *Node) expects(b *neighbour, ours, theirs *Link) bool {
	more := false
	switch {
	case b.waited || ours != nil && theirs != nil:
	case ours != nil:
		more = ours.offer.dialling || ours.offer.have
	default:
		more = n.mayDial(theirs) || slices.ContainsFunc(b.waiting, func(l *Link) bool { return l.dial != nil })
	}
	if more && b.hold == nil {
		b.hold = time.AfterFunc(settleWait, func() { n.settleNow(b) })
	}
	return more
}

func (n *Node) settleNow(b *neighbour) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.neighbours[b.id] == b {
		b.waited = true
		n.settle(b)
	}
}

// confirm makes l the link of its server.
func (n *Node) confirm(b *neighbour, l *Link) {
	b.remove(l)
	b.stopHold()
	b.link = l
	n.mergeAll(b)
	if n.decides(b) {
		l.control([]byte{kindConfirm}) // before anything the applications send
	}
	n.show(l)
}

func (b *neighbour) stopHold() {
	if b.hold != nil {
		b.hold.Stop()
	}
	b.hold, b.waited = nil, false
}

func (b *neighbour) remove(l *Link) {
	b.waiting = slices.DeleteFunc(b.waiting, func(w *Link) bool { return w == l })
}

// giveUp notes that l does not stay, and keeps what came over it.
func (n *Node) giveUp(b *neighbour, l *Link) {
	b.remove(l)
	l.verdict = errDuplicate
	if l.dial != nil {
		l.dial.covered = true
	}
	n.counters.Duplicates.Add(1)
	if n.mayReplace(b, l) {
		b.elsewhere = l.received
	}
	who := "this server"
	if l.dial == nil {
		who = "the other server"
	}
	l.log.Info().Str("dialled", who).Msg("second link to the same server: the other link stays, with the properties of both targets")
	if b.link != nil {
		n.mergeAll(b)
		n.handler.ServerChanged(b.link)
	}
}

// mergeAll puts the parameters of a neighbour together.
func (n *Node) mergeAll(b *neighbour) {
	var properties [][]Property
	for _, d := range n.dialers {
		if d.peer == b.id && d != b.link.dial {
			properties = append(properties, d.target.Properties)
		}
	}
	b.link.merge(b.elsewhere, append(properties, n.propertiesOf(b.link))...)
}

// update takes the parameters of a second hello.
func (n *Node) update(l *Link, params map[string]string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l.learn(params)
	if !l.shown.Load() || l.gone {
		return
	}
	if b := n.neighbours[l.peer]; b != nil && b.link == l {
		n.mergeAll(b)
	} else {
		l.merge(nil, n.propertiesOf(l))
	}
	n.handler.ServerChanged(l)
}

// show lets the applications see a server.
func (n *Node) show(l *Link) {
	n.links[l] = struct{}{}
	n.counters.Links.Add(1)
	n.counters.Connections.Add(1)
	l.in.limit(0)
	l.shown.Store(true)
	n.note(l.log).Bool("target", l.dial != nil).Msg("Connection established with " + l.addr.String() + " server")
	n.handler.ServerConnected(l)
}

// confirmed reports whether the applications see a link, when it may be about to be confirmed.
func (n *Node) confirmed(l *Link) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return l.shown.Load()
}

// hide takes a server from the applications.
func (n *Node) hide(l *Link, err error) {
	if !l.shown.Load() || l.gone {
		return
	}
	l.gone = true
	delete(n.links, l)
	n.counters.Links.Add(-1)
	n.sayEnd(l, err)
	if _, rejected := err.(*rejection); rejected {
		err = nil // no error of the connection
	}
	n.handler.ServerDisconnected(l, err)
}

// leave is the end of a link. It returns why it ended.
func (n *Node) leave(l *Link, err error) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.leaveLobby(l)
	l.tenant.close()
	if errors.As(err, new(limitError)) {
		n.counters.TooMuch.Add(1)
	}
	delete(n.all, l)
	if l.verdict != nil {
		err = l.verdict
	}
	if d := l.dial; d != nil && d.link == l {
		d.link = nil
	}
	b := n.neighbours[l.peer]
	switch {
	case b == nil:
		n.hide(l, err)
		return err
	case b.link == l:
		n.unlink(b, err)
	default:
		b.remove(l)
	}
	if b.link == nil && len(b.waiting) == 0 {
		n.forget(b)
	} else if n.decides(b) {
		n.settle(b)
	}
	return err
}
