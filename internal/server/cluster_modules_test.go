package server

import (
	"fmt"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/netconn"
)

// goesOn publishes the clip again and again until stop is called.
func (p *peer) goesOn() (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for later := uint32(0); ; later += 120 {
			p.send(later)
			select {
			case <-end:
				return
			case <-tick.C:
			}
		}
	}()
	return func() {
		close(end)
		<-ended
	}
}

// All modules on three servers, with an application that has every event itself: a stream goes to those who were there
// before it and to those who come later, beginning with the configuration and a key frame; peers find each other; a
// server that stops takes its streams along, and only those.
func TestClusterModules(t *testing.T) {
	list := startChain(t, 3, moduleScripts(t, "publications", "rendezvous", "groups", "balance"), true, "")
	var players []*peer
	for _, m := range list {
		p := visit(t, m.addr)
		p.play("cam")
		players = append(players, p)
	}
	publisher, other := dialPeer(t, list[0].addr), visit(t, list[1].addr)
	publisher.publish("cam")
	other.publish("other")
	stop := publisher.goesOn()
	for i, p := range players {
		p.receives(fmt.Sprint("server ", i+1))
	}
	late, third := visit(t, list[2].addr), visit(t, list[2].addr)
	late.play("cam")
	late.receives("server 3, late")
	third.play("other")
	stop()
	stop = other.goesOn()
	third.receives("server 3, the other stream")
	stop()
	players[1].meets(late, list[1].addr)

	publisher.close()
	players[0].close()
	list[0].stop()
	for _, p := range append(players[1:], late) {
		p.expect(netconn.CodePlayUnpublishNotify)
	}
	stop = other.goesOn()
	defer stop()
	again := visit(t, list[2].addr)
	again.play("other")
	again.receives("server 3, without the first one")
}

// In a ring each server gets a stream once, whatever way round, and the ring may break.
func TestClusterModulesRing(t *testing.T) {
	scripts := moduleScripts(t, "publications")
	c := startMember(t, scripts, "", "")
	b := startMember(t, scripts, c.links.String(), "")
	a := startMember(t, scripts, b.links.String()+";"+c.links.String(), "")
	publisher, player := dialPeer(t, a.addr), visit(t, c.addr)
	player.play("cam")
	publisher.publish("cam")
	player.expect(netconn.CodePlayPublishNotify)
	stop := publisher.goesOn()
	player.receives("C")
	b.stop() // the direct way remains
	before := len(player.received())
	until(t, "more of the stream", func() bool { return len(player.received()) > before+20 })
	stop()
	times := map[string]bool{}
	for _, f := range player.received() {
		key := fmt.Sprint(f.kind, f.ts, f.body)
		if times[key] {
			t.Fatalf("%v at %d came twice", f.kind, f.ts)
		}
		times[key] = true
	}
	publisher.close()
}

// The corrected form of the page's application: a chain of three servers.
func TestClusterChain(t *testing.T) {
	list := startChain(t, 3, moduleScripts(t, "chain"), false, "")
	publisher := dialPeer(t, list[0].addr)
	publisher.publish("cam")
	stop := publisher.goesOn()
	for i, m := range list {
		p := visit(t, m.addr)
		p.play("cam")
		p.receives(fmt.Sprint("server ", i+1))
	}
	stop()
	publisher.close()
}

// Clients go where the fewest are.
func TestClusterModulesBalance(t *testing.T) {
	list := startChain(t, 2, moduleScripts(t, "publications", "balance"), true, "")
	publisher := visit(t, list[0].addr)
	publisher.publish("cam")
	for range 3 {
		p := visit(t, list[0].addr)
		p.play("cam")
	}
	var redirected *peer
	until(t, "a client on the second server", func() bool {
		redirected = visit(t, list[0].addr)
		return list[1].clients() > 0
	})
	redirected.play("cam")
	stop := publisher.goesOn()
	defer stop()
	redirected.receives("the second server")
	if n := list[0].clients(); n > 12 {
		t.Errorf("%d clients on the first server", n)
	}
}
