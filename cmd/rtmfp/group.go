package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

var groupCommand = &command{
	name:  "group",
	args:  "URL GROUP",
	short: "join a NetGroup and post lines to it",
	long: `Connects and joins GROUP, which is a group specification as Flash makes it (G:...) or just a name. It writes
"neighbour PEERID" for each member that the server introduces, and connects to it. Lines of standard input
are posted to all members of the group that use this program, from neighbour to neighbour; theirs are
written as "PEERID line".
`,
	prepare: func(c *call) func(context.Context, []string) error {
		return func(ctx context.Context, args []string) error {
			if err := c.expect(args, 2, 2); err != nil {
				return err
			}
			t, err := parseTarget(args[0])
			if err != nil {
				return err
			}
			id, err := groupID(args[1])
			if err != nil {
				return err
			}
			return c.joinGroup(ctx, t, id)
		}
	},
}

// Options of a group specification: each is its length, a type and a value.
const (
	specVersion = 0x7f
	specMarker  = 0x00
)

// groupID derives the id of a group from its specification, or from a name. What follows the marker in a
// specification (passwords and the like) does not count.
func groupID(spec string) (id [32]byte, err error) {
	body, isSpec := strings.CutPrefix(spec, "G:")
	if !isSpec {
		return sha256.Sum256([]byte(spec)), nil
	}
	b, err := hex.DecodeString(body)
	if err != nil {
		return id, usagef("group %q: what follows G: must be hexadecimal", spec)
	}
	version, end := 1, 0
	for end < len(b) && b[end] != specMarker {
		size := int(b[end])
		if end+1+size > len(b) {
			return id, usagef("group %q: cut short", spec)
		}
		if size == 2 && b[end+1] == specVersion {
			version = int(b[end+2])
		}
		end += 1 + size
	}
	id = sha256.Sum256([]byte(spec[:len("G:")+2*end]))
	if version >= 2 {
		id = sha256.Sum256(id[:])
	}
	return id, nil
}

// groupFlow is our membership: a flow that asks to join, and the server's that answers it.
type groupFlow struct {
	node *node
	id   [32]byte
	join *rtmfp.SendFlow
}

const (
	groupJoin    = 0x01
	groupMember  = 0x0b
	groupIDValue = 0x15
)

var groupMetadata = []byte("GC")

// joinGroup makes us a member: on a flow that answers the server's control flow, as servers expect.
func (n *node) joinGroup(now rtmfp.Time, id [32]byte) error {
	f, err := n.session.Open(now, groupMetadata, rtmfp.FlowOptions{Assoc: n.control, Priority: rtmfp.PriorityData})
	if err != nil {
		return err
	}
	n.group = &groupFlow{node: n, id: id, join: f}
	msg := append([]byte{groupJoin, byte(1 + len(id)), groupIDValue}, id[:]...)
	_, err = f.Write(now, rtmfp.Message{Body: rtmfp.CopyBuffer(msg)})
	return err
}

func (g *groupFlow) accepts(f *rtmfp.RecvFlow) bool { return g != nil && f.Assoc() == g.join }

// message takes over a reference to m.
func (g *groupFlow) message(now rtmfp.Time, m *rtmfp.Buffer) {
	defer m.Release()
	b := m.Bytes()
	var id rtmfp.PeerID
	if len(b) == 1+len(id) && b[0] == groupMember {
		copy(id[:], b[1:])
		g.node.on.member(now, id)
	}
}

// postHandler is what posts are sent to: the group, a number that nobody else has, who wrote it, the text.
const postHandler = "post"

// flood passes posts from neighbour to neighbour, each once. It belongs to the shard's goroutine.
type flood struct {
	group string
	seen  map[string]bool
	order []string // oldest first
}

// maxSeen is how many posts are remembered.
const maxSeen = 4096

// first reports whether a post is new.
func (f *flood) first(number string) bool {
	if f.seen[number] {
		return false
	}
	f.seen[number] = true
	if f.order = append(f.order, number); len(f.order) > maxSeen {
		delete(f.seen, f.order[0])
		f.order = f.order[1:]
	}
	return true
}

// pass sends a post to all neighbours but the one it came from.
func (f *flood) pass(now rtmfp.Time, n *node, from *peerLink, post []string) {
	for _, l := range n.links {
		if l.open && l != from {
			if err := l.tell(now, postHandler, post...); err != nil {
				n.logf("peer %s: %v", l.id, err)
			}
		}
	}
}

func (c *call) joinGroup(ctx context.Context, t target, id [32]byte) error {
	fl := &flood{group: hex.EncodeToString(id[:]), seen: make(map[string]bool)}
	var n *node
	on := nodeEvents{
		met: func(_ rtmfp.Time, l *peerLink) { c.note("peer %s connected from %s", l.id, l.session.Addr()) },
		parted: func(_ rtmfp.Time, l *peerLink, err error) {
			// Of two that dial each other one gives way.
			if !errors.Is(err, rtmfp.ErrDuplicate) {
				c.note("peer %s has gone: %v", l.id, err)
			}
		},
		data: func(now rtmfp.Time, l *peerLink, handler string, post []string) {
			if handler == postHandler && len(post) == 4 && post[0] == fl.group && fl.first(post[1]) {
				fmt.Fprintf(c.stdout, "%s %s\n", post[2], post[3])
				fl.pass(now, l.node, l, post)
			}
		},
		member: func(now rtmfp.Time, id rtmfp.PeerID) {
			fmt.Fprintf(c.stdout, "neighbour %s\n", id)
			if n.linked(id) != nil {
				return
			}
			if err := n.dialPeer(now, id, rtmfp.DialConfig{}); err != nil {
				c.note("peer %s: %v", id, err)
			}
		},
	}
	n, err := c.node(ctx, t, on)
	if err != nil {
		return err
	}
	defer c.close(ctx, n)
	fmt.Fprintf(c.stdout, "peer id: %s\n", n.Info().NearID)
	_, err = await(ctx, n.client, func(now rtmfp.Time, done func(struct{}, error)) { done(struct{}{}, n.joinGroup(now, id)) })
	if err != nil {
		return err
	}
	lines := readLines(ctx, c)
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				lines = nil
				continue
			}
			post := []string{fl.group, rand.Text(), n.Info().NearID, line}
			n.post(func(now rtmfp.Time) {
				fl.first(post[1])
				fl.pass(now, n, nil, post)
			})
		case <-n.Done():
			return lost(n.Err())
		case <-ctx.Done():
			return nil
		}
	}
}
