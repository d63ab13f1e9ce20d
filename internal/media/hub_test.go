package media

import (
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

func TestOnePublisherPerName(t *testing.T) {
	r := newRig(t, 1, Limits{})
	p := r.publish("cam")
	if _, err := r.hub.Publish("/other", "cam", nil); !errors.Is(err, ErrInUse) {
		t.Errorf("second publisher of another application: %v, want ErrInUse: names are global", err)
	}
	if got := r.hub.Lookup("cam"); got != p || !p.Running() {
		t.Errorf("Lookup gave %v", got)
	}
	p.Close()
	p.Close()
	if r.hub.Lookup("cam") != nil || p.Running() {
		t.Error("still running after Close")
	}
	r.publish("cam").Close()
	r.checkEmpty()
}

func TestPublicationLimit(t *testing.T) {
	r := newRig(t, 1, Limits{Publications: 2})
	a := r.publish("a")
	r.publish("b")
	if _, err := r.hub.Publish("/live", "c", nil); !errors.Is(err, ErrTooMany) {
		t.Errorf("third of two: %v, want ErrTooMany", err)
	}
	if _, err := r.hub.Publish("/live", "a", nil); err == nil {
		t.Error("published a running name beyond the limit")
	}
	a.Close()
	r.publish("c")
	if list := r.hub.Publications(); len(list) != 2 || list[0].Name() != "b" || list[1].Name() != "c" {
		t.Errorf("%d publications run, want b and c", len(list))
	}
	if _, err := r.hub.Publish("/live", "", nil); !errors.Is(err, ErrNoName) {
		t.Errorf("empty name: %v, want ErrNoName", err)
	}
}

func TestRefusedPublisherLeavesNoTrace(t *testing.T) {
	r := newRig(t, 1, Limits{Publications: 5})
	p := r.publish("cam")
	for range 10 {
		if _, err := r.hub.Publish("/live", "cam", nil); !errors.Is(err, ErrInUse) {
			t.Fatalf("got %v, want ErrInUse", err)
		}
	}
	p.Close()
	r.checkEmpty()
}

func TestPublicationKnowsItsListeners(t *testing.T) {
	r := newRig(t, 2, Limits{})
	early, _ := r.play(1, "cam", Options{Owner: "early"})
	p := r.publish("cam")
	r.play(0, "cam", Options{Owner: "late"})
	r.play(0, "elsewhere", Options{})
	var owners []any
	for _, l := range p.Listeners() {
		owners = append(owners, l.Owner())
		if l.Publication() != p || l.Name() != "cam" {
			t.Errorf("listener %v is of %q", l.Owner(), l.Name())
		}
	}
	if fmt.Sprint(owners) != "[early late]" {
		t.Errorf("listeners %v, want them by subscription", owners)
	}
	early.Close(r.now)
	if n := len(p.Listeners()); n != 1 {
		t.Errorf("%d listeners after one left, want 1", n)
	}
	if n := r.shards[0].Listeners(); n != 2 {
		t.Errorf("shard has %d listeners, want 2", n)
	}
}

// Whatever publishers, listeners and targets do, a name is known exactly while somebody uses it, and in
// the end nothing is held.
func TestNothingLeaks(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := newRig(t, 2, Limits{})
		names := []string{"a", "b"}
		pubs := map[string]*Publication{}
		var listeners []*Listener
		var attached []*Attachment
		using := func() int {
			used := map[string]bool{}
			for n := range pubs {
				used[n] = true
			}
			for _, l := range listeners {
				used[l.Name()] = true
			}
			for _, a := range attached {
				used[a.topic.name] = true
			}
			return len(used)
		}
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			name := rapid.SampledFrom(names).Draw(rt, "name")
			switch rapid.IntRange(0, 9).Draw(rt, "step") {
			case 0:
				if pubs[name] == nil {
					pubs[name] = r.publish(name)
				}
			case 1:
				if p := pubs[name]; p != nil {
					p.Close()
					delete(pubs, name)
				}
			case 2:
				l, _ := r.play(rapid.IntRange(0, 1).Draw(rt, "shard"), name, Options{})
				listeners = append(listeners, l)
			case 3:
				if n := len(listeners); n > 0 {
					i := rapid.IntRange(0, n-1).Draw(rt, "listener")
					listeners[i].Close(r.now)
					listeners = append(listeners[:i], listeners[i+1:]...)
				}
			case 4:
				a, snap, err := r.hub.Attach(name, dropTarget{}, AllKinds)
				if err != nil {
					rt.Fatal(err)
				}
				snap.Release()
				attached = append(attached, a)
			case 5:
				if n := len(attached); n > 0 {
					attached[n-1].Detach()
					attached = attached[:n-1]
				}
			case 6:
				r.run()
			default:
				if r.pub = pubs[name]; r.pub != nil {
					kind := rapid.SampledFrom([]Kind{Audio, Video, Data}).Draw(rt, "kind")
					body := rapid.SampledFrom([]string{aacHeader("h"), avcHeader("h"), key("k"), inter("i"), ""}).Draw(rt, "body")
					r.pushAt(r.now, kind, 0, body)
					if rapid.Bool().Draw(rt, "metadata") {
						r.metadata("onMetaData", body)
					}
				}
			}
			if got := r.hub.Stats().Names; got != using() {
				rt.Fatalf("%d names known, %d used", got, using())
			}
		}
		for _, p := range pubs {
			p.Close()
		}
		for _, l := range listeners {
			l.Close(r.now)
		}
		for _, a := range attached {
			a.Detach()
		}
		r.run()
		r.checkEmpty()
		for _, s := range r.shards {
			if len(s.groups) != 0 {
				rt.Fatalf("shard %d holds %d groups", s.index, len(s.groups))
			}
		}
	})
}

// dropTarget releases what it gets at once.
type dropTarget struct{}

func (dropTarget) Post(a *Attachment, f *Frame) {
	a.Accept(f)
	f.Release()
}
