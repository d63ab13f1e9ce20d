package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// Group has clients join NetGroups and leave them.
type Group struct {
	Clients  int
	Groups   int
	Churners int // clients that leave and join again all the time; the others stay
}

// Name implements Scenario.
func (s *Group) Name() string { return "group" }

func (s *Group) closedLoop() bool { return true }

// Check implements Scenario.
func (s *Group) Check() error {
	if err := errors.Join(checkCount(s.Groups, "groups"), checkCount(s.Clients, "clients")); err != nil {
		return err
	}
	switch {
	case s.Clients < 2*s.Groups:
		return fmt.Errorf("%d clients: at least two for each of %d groups are needed", s.Clients, s.Groups)
	case s.Churners < 1 || s.Churners > s.Clients-s.Groups:
		return fmt.Errorf("%d clients that leave: must be 1 to %d, so that one stays in each group", s.Churners, s.Clients-s.Groups)
	}
	return nil
}

// What clients and servers say about groups: a client joins with the id of the group, the server answers
// with a message for each member it introduces. A client leaves by closing its flow.
const (
	groupJoin    = 0x01
	groupMember  = 0x0b
	groupIDValue = 0x15
)

var groupMetadata = []byte("GC")

type groupID [32]byte

// joiner is a client that is in a group. It belongs to the goroutine of its worker.
type joiner struct {
	*member
	r        *run
	c        *callCounts
	hist     *histogram
	id       groupID
	flow     *rtmfp.SendFlow // our membership
	begun    rtmfp.Time
	count    bool
	waiting  bool
	churn    bool
	rejected bool
	told     uint64 // members we were told of
}

func (j *joiner) join(now rtmfp.Time) {
	if j.socket == nil || j.leaving {
		return
	}
	f, err := j.session.Open(now, groupMetadata, rtmfp.FlowOptions{Assoc: j.control, // servers expect the answer to their first flow
		Priority: rtmfp.PriorityData})
	if err == nil {
		f.User = j
		msg := append([]byte{groupJoin, byte(1 + len(j.id)), groupIDValue}, j.id[:]...)
		_, err = f.Write(now, rtmfp.Message{Body: rtmfp.CopyBuffer(msg)})
	}
	if err != nil {
		j.r.fail(err)
		return
	}
	j.flow, j.begun, j.waiting, j.count = f, now, true, j.c.on.Load()
	if j.count {
		j.c.made.Add(1)
	}
	j.touch()
}

// spy sees the events of the session first: those of the group's flows are not for the NetConnection.
func (j *joiner) spy(now rtmfp.Time, ev *rtmfp.Event) bool {
	switch ev.Kind {
	case rtmfp.EventFlow:
		if j.flow != nil && ev.Recv.Assoc() == j.flow {
			ev.Recv.User = j
			return true
		}
	case rtmfp.EventMessage, rtmfp.EventFlowEnd:
		if ev.Recv.User == any(j) {
			if ev.Message != nil {
				j.message(now, ev.Message.Bytes())
				ev.Message.Release()
			}
			return true
		}
	case rtmfp.EventSendEnd, rtmfp.EventSendRejected:
		if ev.Send.User != any(j) {
			return false
		}
		if ev.Kind == rtmfp.EventSendRejected && !j.rejected && !j.leaving {
			j.rejected = true
			j.r.fail(errors.New("the server refused a join"))
		}
		if ev.Kind == rtmfp.EventSendEnd && ev.Send == j.flow {
			if j.flow = nil; j.churn && !j.rejected {
				j.join(now)
			}
		}
		return true
	}
	return false
}

func (j *joiner) message(now rtmfp.Time, b []byte) {
	if len(b) != 1+len(rtmfp.PeerID{}) || b[0] != groupMember {
		return
	}
	j.told++
	if !j.waiting {
		return
	}
	j.waiting = false
	if j.count {
		j.c.answered.Add(1)
		j.r.done.Add(1)
		j.hist.record(now.Sub(j.begun))
	}
	if j.churn {
		j.flow.Close(now)
		j.touch()
	}
}

func (s *Group) run(ctx context.Context, r *run) error {
	r.result.Unit = "joins"
	r.result.Options["clients"], r.result.Options["groups"], r.result.Options["churners"] = s.Clients, s.Groups, s.Churners
	r.histograms()
	ids := make([]groupID, s.Groups)
	for i := range ids {
		if _, err := rand.Read(ids[i][:]); err != nil {
			return err
		}
	}
	counts := new(callCounts)
	all := make([]*joiner, s.Clients)
	n, err := r.crowd(ctx, setup{
		n: s.Clients, stage: "joining", target: r.Target,
		joined: func(m *member, now rtmfp.Time) {
			j := &joiner{member: m, r: r, c: counts, hist: r.hist[m.i%len(r.hist)], id: ids[m.i%s.Groups]}
			all[m.i] = j
			m.spy = j.spy
			j.join(now)
			m.ready(now, nil)
		},
		lost: func(_ *member, _ rtmfp.Time, err error) { r.fail(fmt.Errorf("lost a client: %w", err)) },
	})
	if err == nil {
		err = r.need(n, s.Clients, "clients")
	}
	if err != nil {
		return err
	}
	if err := sleep(ctx, settleGroups); err != nil {
		return err
	}
	r.result.Clients = int(r.connected.Load())
	r.checkSecured()
	r.farm.each(func(w *worker, now rtmfp.Time) {
		for _, j := range all[s.Clients-s.Churners:] {
			if j != nil && j.w == w && j.flow != nil {
				j.churn, j.waiting = true, false
				j.flow.Close(now)
				j.touch()
			}
		}
	})
	err = r.loop(ctx, counts, r.Patience)
	var told uint64
	r.farm.each(func(w *worker, _ rtmfp.Time) {
		for _, j := range all {
			if j != nil && j.w == w {
				told += j.told
			}
		}
	})
	r.note("the server told of a member %d times", told)
	return err
}

// settleGroups is how long the server may introduce the first members to each other.
const settleGroups = 500 * time.Millisecond
