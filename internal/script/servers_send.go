package script

import (
	"errors"
	"fmt"
	"net"

	"github.com/rs/zerolog"
	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/internal/mesh"
	"github.com/monaserver/monaserver/internal/script/value"
)

// What scripts send to other servers.

// serverSend is server:send(handler, ...).
func (e *Engine) serverSend(o *object, L *lua.LState) int {
	m, err := e.serverMessage(L)
	if err != nil {
		e.complain(zerolog.ErrorLevel, "send: "+err.Error())
		L.Push(lua.LFalse)
		return 1
	}
	L.Push(lua.LBool(e.sendTo(o.v.(*server), "send", m)))
	return 1
}

// maxHandler is the longest name of a function that a frame can carry, in bytes.
const maxHandler = 255

// serverMessage is a call of a function of another server.
type serverMessage struct {
	handler string
	payload []byte
	media   mesh.Media
}

// serverMessage reads the arguments of send and broadcast. "." is a message of the servers themselves.
func (e *Engine) serverMessage(L *lua.LState) (m serverMessage, err error) {
	switch v := L.Get(2).(type) {
	case lua.LString:
		m.handler = string(v)
	case lua.LNumber:
		m.handler = v.String()
	default:
		return m, fmt.Errorf("the name of a function was expected, got %s", v.Type())
	}
	switch {
	case m.handler == "":
		return m, errors.New("the name of the function is empty")
	case m.handler == ".":
		return m, errors.New(`"." is reserved`)
	case len(m.handler) > maxHandler:
		return m, fmt.Errorf("the name of the function is longer than %d bytes", maxHandler)
	}
	args := e.sendArgs[:0]
	size := 0
	for i := 3; i <= L.GetTop(); i++ {
		v := L.Get(i)
		if s, ok := v.(lua.LString); ok {
			size += len(s)
			if e.packet.text != "" && s == e.packet.text {
				m.media = e.packet.media
			}
		}
		args = append(args, v)
	}
	m.payload, err = e.conv.Encode(make([]byte, 0, size+8*len(args)), value.Mesh, args...)
	clear(args)
	e.sendArgs = args
	return m, err
}

// sendTo sends a message to one server.
func (e *Engine) sendTo(s *server, what string, m serverMessage) bool {
	err := net.ErrClosed
	if !s.rejected && s.parted == nil {
		err = s.link.Send(m.handler, m.payload, m.media)
	}
	if err == nil {
		if m.media.Kind != mesh.NoMedia {
			e.flushLink(s.link)
		}
		return true
	}
	text := err.Error()
	if errors.Is(err, net.ErrClosed) {
		text = "not connected"
	}
	e.complain(zerolog.WarnLevel, what+" "+m.handler+" to "+s.addr.String()+": "+text)
	return false
}

// shownPacket is the packet that the running hook was called with. What the hook sends with it to another
// server is a message of the stream.
type shownPacket struct {
	text  lua.LString
	media mesh.Media
}

// packetOf describes a frame to links. Without headers and metadata nothing can be played, so they are no
// packets that may be dropped.
func packetOf(stream string, f *media.Frame, text lua.LString) shownPacket {
	p := shownPacket{text: text, media: mesh.Media{Stream: stream, Key: f.Role == media.Key}}
	switch {
	case f.Role == media.Header || f.Role == media.Metadata || f.Role == media.Mark:
		return shownPacket{}
	case f.Kind == media.Audio:
		p.media.Kind = mesh.Audio
	case f.Kind == media.Video:
		p.media.Kind = mesh.Video
	default:
		p.media.Kind = mesh.Data
	}
	return p
}
