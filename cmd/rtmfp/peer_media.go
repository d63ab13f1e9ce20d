package main

import (
	"context"
	"encoding/binary"
	"io"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/flv"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// peerPlay is a stream of a peer that we play.
type peerPlay struct {
	*clientStream
	request *rtmfp.SendFlow
	flows   int // of the answer, open
	ended   bool
}

// play asks a peer for a stream.
func (l *peerLink) play(now rtmfp.Time, name string) (*peerPlay, error) {
	f, err := l.send(now, mediaStream, nil, rtmfp.PriorityCommand)
	if err != nil {
		return nil, err
	}
	p := &peerPlay{clientStream: newClientStream(l.node.client), request: f}
	l.playing = p
	_, err = f.Write(now, rtmfp.Message{Body: rtmfp.CopyBuffer(commandMessage("play", amf.String(name)))})
	return p, err
}

// commandMessage returns a command message without transaction.
func commandMessage(name string, args ...amf.Value) []byte {
	b := amf.AppendString([]byte{msgCommand, 0, 0, 0, 0}, name)
	b = amf.AppendNull(amf.AppendNumber(b, 0))
	for _, v := range args {
		b, _ = amf.AppendAMF0(b, v) // what we send ourselves has an encoding
	}
	return b
}

func (p *peerPlay) status(v amf.Value) {
	o, ok := v.(*amf.Object)
	if !ok {
		return
	}
	code, _ := o.String("code")
	level, _ := o.String("level")
	p.c.logf("stream status: %s", code)
	if level == "error" {
		p.end(&refusedError{Code: code})
	}
}

func (p *peerPlay) frame(now rtmfp.Time, typ uint8, ts uint32, m *rtmfp.Buffer) {
	switch typ {
	case msgAudio, msgVideo, msgData:
		m.TrimFront(messageHeader)
		p.clientStream.frame(now, media.Kind(typ), ts, m)
	}
}

// flowEnded counts the flows of the stream, each of which ends after its last frame.
func (p *peerPlay) flowEnded(err error) {
	if p.flows--; p.flows <= 0 {
		p.end(err)
	}
}

// end ends the stream. A peer that has no more to send closes the session, in whatever way.
func (p *peerPlay) end(err error) {
	if p.ended {
		return
	}
	p.ended = true
	if err == rtmfp.ErrPeerClosed {
		err = nil
	}
	p.fail(err)
}

// peerPublication is a stream that peers play from us. It is a stream for sendTags.
type peerPublication struct {
	node    *node
	name    string
	began   chan struct{} // closed when the first player is there
	players []*peerPlayer
	// What a player needs that comes later.
	metadata, audioHeader, videoHeader []byte
	waiting                            func() // a Write or Finish, until there is room
}

// peerPlayer is a peer that plays from us, with the flows to it.
type peerPlayer struct {
	link              *peerLink
	other, sound, pic *rtmfp.SendFlow
	keyed             bool // had a key frame, or no video yet
	gone              bool
}

func newPeerPublication(name string) *peerPublication {
	return &peerPublication{name: name, began: make(chan struct{})}
}

// play admits a player: its request is answered on flows associated with it.
func (p *peerPublication) play(now rtmfp.Time, l *peerLink, name string, request *rtmfp.RecvFlow) bool {
	if name != p.name || l.showing != nil {
		return false
	}
	v := &peerPlayer{link: l}
	var err [3]error
	v.other, err[0] = l.send(now, mediaStream, request, rtmfp.PriorityCommand)
	v.sound, err[1] = l.send(now, mediaStream, request, rtmfp.PriorityAudio)
	v.pic, err[2] = l.send(now, mediaStream, request, rtmfp.PriorityVideo)
	if err != [3]error{} {
		return false
	}
	l.showing = v
	begin := binary.BigEndian.AppendUint32([]byte{msgControl, 0, 0, 0, 0, 0, 0}, mediaStream)
	v.write(now, v.other, begin)
	v.write(now, v.other, commandMessage("onStatus", status(netconn.CodePlayReset, "Playing and resetting "+name)))
	v.write(now, v.other, commandMessage("onStatus", status(netconn.CodePlayStart, "Started playing "+name)))
	access := amf.AppendString([]byte{msgData, 0, 0, 0, 0}, "|RtmpSampleAccess")
	v.write(now, v.other, amf.AppendBool(amf.AppendBool(access, true), true))
	if p.metadata != nil {
		v.send(now, msgData, 0, p.metadata)
	}
	if p.audioHeader != nil {
		v.send(now, msgAudio, 0, p.audioHeader)
	}
	if p.videoHeader != nil {
		v.send(now, msgVideo, 0, p.videoHeader)
	}
	p.players = append(p.players, v)
	if len(p.players) == 1 {
		select {
		case <-p.began:
		default:
			close(p.began)
		}
	}
	return true
}

func status(code, text string) amf.Value {
	return amf.NewObject().
		Add("level", amf.String("status")).
		Add("code", amf.String(code)).
		Add("description", amf.String(text))
}

func (v *peerPlayer) write(now rtmfp.Time, f *rtmfp.SendFlow, b []byte) {
	f.Write(now, rtmfp.Message{Body: rtmfp.CopyBuffer(b)}) // fails only when the flow is over
}

func (v *peerPlayer) send(now rtmfp.Time, typ uint8, ts uint32, body []byte) {
	f := v.other
	switch typ {
	case msgAudio:
		f = v.sound
	case msgVideo:
		f = v.pic
		if !v.keyed {
			if v.keyed = flv.IsKeyFrame(body); !v.keyed && !flv.IsVideoHeader(body) {
				return
			}
		}
	}
	m := rtmfp.Message{HeadLen: messageHeader, Body: rtmfp.CopyBuffer(body)}
	m.Head[0] = typ
	binary.BigEndian.PutUint32(m.Head[1:], ts)
	f.Write(now, m)
}

// remember keeps what players need that come later.
func (p *peerPublication) remember(t flv.Tag) {
	switch {
	case t.Type == flv.Script:
		p.metadata = t.Data
	case t.Type == flv.Audio && flv.IsAudioHeader(t.Data):
		p.audioHeader = t.Data
	case t.Type == flv.Video && flv.IsVideoHeader(t.Data):
		p.videoHeader = t.Data
	}
}

// Write implements stream. It waits while too much is queued for any player.
func (p *peerPublication) Write(ctx context.Context, t flv.Tag) error {
	t.Data = append([]byte(nil), t.Data...)
	_, err := await(ctx, p.node.client, func(now rtmfp.Time, done func(struct{}, error)) {
		p.remember(t)
		for _, v := range p.players {
			if !v.gone {
				v.send(now, uint8(t.Type), t.Time, t.Data)
			}
		}
		p.whenBelow(maxQueued, maxQueued/2, func() { done(struct{}{}, nil) })
	})
	return err
}

// whenBelow calls f when no flow has more than limit bytes queued: at once, or when all fell to low.
func (p *peerPublication) whenBelow(limit, low int, f func()) {
	p.waiting = nil
	busy := false
	for _, v := range p.players {
		for _, flow := range []*rtmfp.SendFlow{v.other, v.sound, v.pic} {
			if !v.gone && flow.Queued() > limit {
				busy = true
				flow.NotifyBelow(low)
			}
		}
	}
	if !busy {
		f()
		return
	}
	p.waiting = func() { p.whenBelow(low, low, f) }
}

// ready goes on with who waits.
func (p *peerPublication) ready(rtmfp.Time) {
	if f := p.waiting; f != nil {
		f()
	}
}

// Read implements stream.
func (p *peerPublication) Read(context.Context) (flv.Tag, error) { return flv.Tag{}, io.EOF }

// Finish implements stream.
func (p *peerPublication) Finish(ctx context.Context) error {
	p.node.post(func(now rtmfp.Time) {
		for _, v := range p.players {
			if !v.gone {
				v.write(now, v.other, commandMessage("onStatus", status(netconn.CodePlayUnpublishNotify, p.name+" is now unpublished")))
			}
		}
	})
	return p.node.flush(ctx)
}
