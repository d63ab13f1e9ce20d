package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

var peerCommand = &command{
	name:  "peer",
	args:  "URL [PEERID [FILE]]",
	short: "talk to another client directly",
	long: `Connects, writes the own peer id and waits for peers; with PEERID it opens a session with that client, which
the server introduces. Lines of standard input go to all peers, and theirs are written to standard output. A
caller ends when its input does, the others when interrupted (see -once).

  rtmfp peer -publish FILE -name NAME URL   publishes to the peers that play NAME, from the first one on
  rtmfp peer -play NAME URL PEERID FILE     plays NAME of that peer to FILE as FLV, - is standard output
`,
	prepare: preparePeer,
}

type peerOptions struct {
	publish, name, play string
	realTime, once      bool
}

func preparePeer(c *call) func(context.Context, []string) error {
	var o peerOptions
	c.fs.StringVar(&o.publish, "publish", "", "publish this `FILE` to peers, - is standard input")
	c.fs.StringVar(&o.name, "name", "", "`NAME` under which -publish publishes")
	c.fs.StringVar(&o.play, "play", "", "play this `NAME` of the peer")
	c.fs.BoolVar(&o.realTime, "re", false, "publish in real time, by the timestamps of the file")
	c.fs.BoolVar(&o.once, "once", false, "end when the first peer has gone")
	c.fs.BoolVar(&c.quiet, "q", false, "no progress line")
	return func(ctx context.Context, args []string) error {
		most := 2
		switch {
		case o.play != "" && o.publish != "":
			return usagef("-play and -publish exclude each other")
		case o.play != "":
			most = 3
		case o.publish != "":
			most = 1
		}
		if (o.publish != "") != (o.name != "") {
			return usagef("-publish and -name belong together")
		}
		least := 1
		if o.play != "" {
			least = 3
		}
		if err := c.expect(args, least, most); err != nil {
			return err
		}
		t, err := parseTarget(args[0])
		if err != nil {
			return err
		}
		var id rtmfp.PeerID
		if len(args) > 1 {
			if id, err = rtmfp.ParsePeerID(args[1]); err != nil {
				return usagef("peer id %q: must have 64 hexadecimal digits", args[1])
			}
		}
		switch {
		case o.play != "":
			return c.playPeer(ctx, t, id, args[2], o)
		case o.publish != "":
			return c.publishPeer(ctx, t, o)
		}
		return c.talk(ctx, t, id, len(args) > 1, o)
	}
}

// node connects as a client that peers can reach.
func (c *call) node(ctx context.Context, t target, on nodeEvents) (*node, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	n, err := newNode(ctx, t, c.dialing, on)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", t.Host, err)
	}
	return n, nil
}

// meeting follows the session with one peer.
type meeting struct {
	any  bool // whoever comes first
	id   rtmfp.PeerID
	link *peerLink
	met  chan *peerLink // has one element when the peer is there
	gone chan error     // has one element when it is gone, or did not come
}

func newMeeting(id rtmfp.PeerID, anybody bool) *meeting {
	return &meeting{any: anybody, id: id, met: make(chan *peerLink, 1), gone: make(chan error, 1)}
}

func (m *meeting) opened(l *peerLink) {
	if m.link == nil && (m.any || l.id == m.id) {
		m.link = l
		m.met <- l
	}
}

func (m *meeting) ended(l *peerLink, err error) {
	switch {
	case m.link == nil && !m.any && l.id == m.id && !errors.Is(err, rtmfp.ErrDuplicate):
		// Not if both dialled each other: one of them gives way, and the other's session counts.
	case m.link == l:
	default:
		return
	}
	if l.open && errors.Is(err, rtmfp.ErrPeerClosed) {
		err = nil
	}
	select {
	case m.gone <- peerError(l.id, err):
	default:
	}
}

// dialPeer dials the peer of m and waits for it.
func (c *call) dialPeer(ctx context.Context, n *node, m *meeting) (*peerLink, error) {
	_, err := await(ctx, n.client, func(now rtmfp.Time, done func(struct{}, error)) {
		done(struct{}{}, n.dialPeer(now, m.id, rtmfp.DialConfig{Timeout: c.timeout}))
	})
	if err != nil {
		return nil, err
	}
	select {
	case l := <-m.met:
		return l, nil
	case err := <-m.gone:
		return nil, err
	case <-n.Done():
		return nil, lost(n.Err())
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func lost(err error) error {
	if err == nil {
		return errors.New("connection ended by the server")
	}
	return fmt.Errorf("connection ended: %w", err)
}

// lineHandler is what a line is sent to.
const lineHandler = "line"

// talk exchanges lines.
func (c *call) talk(ctx context.Context, t target, id rtmfp.PeerID, dial bool, o peerOptions) error {
	m := newMeeting(id, !dial)
	n, err := c.node(ctx, t, nodeEvents{
		met: func(_ rtmfp.Time, l *peerLink) {
			c.note("peer %s connected from %s", l.id, l.session.Addr())
			m.opened(l)
		},
		parted: func(_ rtmfp.Time, l *peerLink, err error) {
			if l.open {
				c.note("peer %s has gone: %v", l.id, err)
			}
			m.ended(l, err)
		},
		data: func(_ rtmfp.Time, _ *peerLink, handler string, texts []string) {
			if handler == lineHandler && len(texts) == 1 {
				fmt.Fprintln(c.stdout, texts[0])
			}
		},
	})
	if err != nil {
		return err
	}
	defer c.close(ctx, n)
	var lines <-chan string // not read before somebody is there
	if dial {
		if _, err := c.dialPeer(ctx, n, m); err != nil {
			return err
		}
		lines = readLines(ctx, c)
	} else {
		fmt.Fprintf(c.stdout, "peer id: %s\n", n.Info().NearID)
	}
	for {
		select {
		case <-m.met:
			lines = readLines(ctx, c)
		case err := <-m.gone:
			if dial || o.once {
				return err
			}
			n.post(func(rtmfp.Time) { m.link = nil })
		case line, ok := <-lines:
			if ok {
				n.say(lineHandler, line)
				continue
			}
			if lines = nil; dial {
				_, err := within(ctx, c.timeout, func(ctx context.Context) (struct{}, error) { return struct{}{}, n.flush(ctx) })
				return peerError(id, err)
			}
		case <-n.Done():
			return lost(n.Err())
		case <-ctx.Done():
			return nil
		}
	}
}

// say calls a handler of all peers.
func (n *node) say(handler string, texts ...string) {
	n.post(func(now rtmfp.Time) {
		for _, l := range n.links {
			if !l.open {
				continue
			}
			if err := l.tell(now, handler, texts...); err != nil {
				n.logf("peer %s: %v", l.id, err)
			}
		}
	})
}

// note tells what happens, on standard error.
func (c *call) note(format string, arg ...any) {
	if c.verbose {
		c.logf(format, arg...)
	}
}

// maxLine bounds a line of input, in bytes.
const maxLine = 32 << 10

// readLines reads standard input. The goroutine that does lasts as long as a read.
func readLines(ctx context.Context, c *call) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		in := bufio.NewScanner(c.stdin)
		in.Buffer(nil, maxLine)
		for in.Scan() {
			select {
			case lines <- in.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return lines
}
