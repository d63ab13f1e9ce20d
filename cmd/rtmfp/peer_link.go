package main

import (
	"encoding/binary"
	"errors"

	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// Streams between peers have numbers that no server gives. Clients use the second one for what they play.
const (
	dataStream  = 2_000_000
	mediaStream = 2_000_001
)

// Types of RTMP messages.
const (
	msgControl     = 4
	msgAudio       = 8
	msgVideo       = 9
	msgCommandAMF3 = 17
	msgData        = 18
	msgCommand     = 20
)

// messageHeader is the length of type and timestamp in front of every message.
const messageHeader = 5

// textLimits bound what a peer can make us decode.
var textLimits = amf.Limits{Bytes: 64 << 10, Depth: 8}

// peerLink is a session with another client.
type peerLink struct {
	node    *node
	session *rtmfp.Session
	id      rtmfp.PeerID
	open    bool

	texts   *rtmfp.SendFlow // to the peer
	sending map[*rtmfp.SendFlow]func(error)
	playing *peerPlay
	showing *peerPlayer // what it plays of us
}

// handle handles an event of the session.
func (l *peerLink) handle(now rtmfp.Time, ev *rtmfp.Event) {
	switch ev.Kind {
	case rtmfp.EventSessionOpen:
		l.opened(now)
	case rtmfp.EventSessionClosed:
		l.over(now, ev.Err)
	case rtmfp.EventFlow:
		l.flow(now, ev.Recv)
	case rtmfp.EventFlowEnd:
		if p, ok := ev.Recv.User.(*peerPlay); ok {
			p.flowEnded(ev.Err)
		}
	case rtmfp.EventMessage:
		l.message(now, ev.Recv, ev.Message)
	case rtmfp.EventSendEnd, rtmfp.EventSendRejected:
		l.sendEnded(ev)
	case rtmfp.EventSendReady:
		if f := l.node.on.ready; f != nil {
			f(now)
		}
	}
}

func (l *peerLink) opened(now rtmfp.Time) {
	l.open = true
	l.sending = make(map[*rtmfp.SendFlow]func(error))
	// Opened at once, though nothing is sent before the first text: a session without flows ends.
	l.texts, _ = l.send(now, dataStream, nil, rtmfp.PriorityData)
	if f := l.node.on.met; f != nil {
		f(now, l)
	}
}

func (l *peerLink) over(now rtmfp.Time, err error) {
	delete(l.node.links, l.session)
	if p := l.playing; p != nil {
		p.end(err)
	}
	for _, done := range l.sending {
		if done != nil {
			done(err)
		}
	}
	l.sending = nil
	if p := l.showing; p != nil {
		p.gone = true
		if f := l.node.on.ready; f != nil {
			f(now)
		}
	}
	if f := l.node.on.parted; f != nil {
		f(now, l, err)
	}
}

// flow takes flows of RTMP messages. The ones that answer our request are what we play.
func (l *peerLink) flow(now rtmfp.Time, f *rtmfp.RecvFlow) {
	if !isTC(f.Metadata()) {
		f.Reject(now, 0)
		return
	}
	if p := l.playing; p != nil && f.Assoc() == p.request {
		p.flows++
		f.User = p
	}
}

// isTC reports whether a flow carries RTMP messages of a stream (RFC 7425 §5.1.1).
func isTC(metadata []byte) bool {
	return len(metadata) >= 4 && metadata[0] == 'T' && metadata[1] == 'C' && metadata[2]&4 != 0
}

// send opens a flow for the messages of a stream.
func (l *peerLink) send(now rtmfp.Time, stream uint32, assoc *rtmfp.RecvFlow, p rtmfp.Priority) (*rtmfp.SendFlow, error) {
	md := []byte{'T', 'C', 4, byte(stream>>14) | 0x80, byte(stream>>7) | 0x80, byte(stream & 0x7f)}
	f, err := l.session.Open(now, md, rtmfp.FlowOptions{Assoc: assoc, Priority: p, TimeCritical: p != rtmfp.PriorityData})
	if err == nil {
		l.sending[f] = nil
	}
	return f, err
}

func (l *peerLink) sendEnded(ev *rtmfp.Event) {
	if ev.Kind == rtmfp.EventSendRejected {
		if p := l.playing; p != nil && p.request == ev.Send {
			p.end(&refusedError{"NetStream.Play.StreamNotFound", "the peer does not publish that"})
		}
		return // its end follows
	}
	if done := l.sending[ev.Send]; done != nil {
		done(ev.Err)
	}
	delete(l.sending, ev.Send)
}

// message takes over a reference to m.
func (l *peerLink) message(now rtmfp.Time, f *rtmfp.RecvFlow, m *rtmfp.Buffer) {
	defer m.Release()
	b := m.Bytes()
	if len(b) < messageHeader {
		return
	}
	typ, ts := b[0], binary.BigEndian.Uint32(b[1:])
	if typ == msgCommand || typ == msgCommandAMF3 {
		l.command(now, f, typ, b[messageHeader:])
		return
	}
	if p, ok := f.User.(*peerPlay); ok {
		p.frame(now, typ, ts, m)
		return
	}
	if typ == msgData {
		l.data(now, b[messageHeader:])
	}
}

func (l *peerLink) data(now rtmfp.Time, b []byte) {
	r := amf.NewReader(b, textLimits)
	var texts []string
	for r.More() {
		s, err := r.ReadString()
		if err != nil {
			return
		}
		texts = append(texts, s)
	}
	if f := l.node.on.data; f != nil && len(texts) > 0 {
		f(now, l, texts[0], texts[1:])
	}
}

// command handles play and onStatus: name, transaction, null, values.
func (l *peerLink) command(now rtmfp.Time, f *rtmfp.RecvFlow, typ byte, b []byte) {
	if typ == msgCommandAMF3 && len(b) > 0 {
		b = b[1:]
	}
	r := amf.NewReader(b, textLimits)
	name, err := r.ReadString()
	if err != nil {
		return
	}
	var args []amf.Value
	for r.More() {
		v, err := r.Next()
		if err != nil {
			return
		}
		args = append(args, v)
	}
	last := amf.Value(amf.Null{})
	if len(args) > 0 {
		last = args[min(2, len(args)-1)]
	}
	switch name {
	case "play":
		what, _ := last.(amf.String)
		if play := l.node.on.play; play == nil || !play(now, l, string(what), f) {
			f.Reject(now, 0)
		}
	case "onStatus":
		if p, ok := f.User.(*peerPlay); ok {
			p.status(last)
		}
	}
}

var errTooFast = errors.New("too much waits to be sent")

// tell calls a handler of the peer with texts.
func (l *peerLink) tell(now rtmfp.Time, handler string, texts ...string) error {
	if l.texts == nil {
		return rtmfp.ErrClosed
	}
	if l.texts.Queued() > maxQueued {
		return errTooFast
	}
	b := amf.AppendString([]byte{msgData, 0, 0, 0, 0}, handler)
	for _, s := range texts {
		b = amf.AppendString(b, s)
	}
	_, err := l.texts.Write(now, rtmfp.Message{Body: rtmfp.CopyBuffer(b)})
	return err
}
