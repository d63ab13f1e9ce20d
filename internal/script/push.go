package script

import (
	"math"

	"github.com/rs/zerolog"
	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// pushMedia is publication:pushAudio and pushVideo(time, packet[, ping]). The documentation of the first
// versions had packet and time in the other order.
func (e *Engine) pushMedia(kind media.Kind) func(p *publication, L *lua.LState) int {
	what := "pushAudio"
	if kind == media.Video {
		what = "pushVideo"
	}
	return func(p *publication, L *lua.LState) int {
		first, second := L.Get(2), L.Get(3)
		if _, ok := first.(lua.LString); ok {
			first, second = second, first
		}
		ms, isTime := first.(lua.LNumber)
		packet, isPacket := bytesOf(second)
		if !isTime || !isPacket || !(math.Abs(float64(ms)) < 1<<53) {
			e.complain(zerolog.ErrorLevel, what+": a time and a packet were expected, got "+
				L.Get(2).Type().String()+" and "+L.Get(3).Type().String())
			return 0
		}
		if ping, ok := L.Get(4).(lua.LNumber); ok && p.feed != nil {
			p.feed.setPing(float64(ping))
		}
		e.feeding(p, what, len(packet), func(now rtmfp.Time, m *media.Publication) {
			push(now, m, kind, uint32(int64(ms)), []byte(packet))
		})
		return 0
	}
}

func push(now rtmfp.Time, m *media.Publication, kind media.Kind, ms uint32, b []byte) {
	body := rtmfp.CopyBuffer(b)
	m.Push(now, kind, ms, body)
	body.Release()
}

// bytesOf returns a string, or what a byte array holds.
func bytesOf(v lua.LValue) (string, bool) {
	if t, ok := v.(*lua.LTable); ok {
		v = t.RawGetString("__raw")
	}
	s, ok := v.(lua.LString)
	return string(s), ok
}

// pushData is publication:pushData. One string, or byte array, is a complete AMF message; a string with
// further values is a handler and its arguments.
func (e *Engine) pushData(p *publication, L *lua.LState) int {
	if L.GetTop() > 2 {
		return e.pushAMF0Data(p, L)
	}
	msg, ok := bytesOf(L.Get(2))
	_, raw := L.Get(2).(*lua.LTable)
	switch {
	case !ok:
		e.complain(zerolog.ErrorLevel, "pushData: a message was expected, got "+L.Get(2).Type().String())
	case e.checkMessage([]byte(msg)) == nil:
		e.pushMessage(p, []byte(msg))
	case raw:
		e.complain(zerolog.ErrorLevel, "pushData: no complete AMF message: "+e.checkMessage([]byte(msg)).Error())
	default:
		e.complain(zerolog.WarnLevel, "pushData: text that is no AMF message cannot be delivered to RTMFP listeners")
	}
	return 0
}

// pushAMFData is publication:pushAMFData(message).
func (e *Engine) pushAMFData(p *publication, L *lua.LState) int {
	msg, ok := bytesOf(L.Get(2))
	if !ok {
		e.complain(zerolog.ErrorLevel, "pushAMFData: a message was expected, got "+L.Get(2).Type().String())
		return 0
	}
	if err := e.checkMessage([]byte(msg)); err != nil {
		e.complain(zerolog.ErrorLevel, "pushAMFData: no complete AMF message: "+err.Error())
		return 0
	}
	e.pushMessage(p, []byte(msg))
	return 0
}

// pushAMF0Data is publication:pushAMF0Data(handler, values…).
func (e *Engine) pushAMF0Data(p *publication, L *lua.LState) int {
	if _, ok := L.Get(2).(lua.LString); !ok {
		e.complain(zerolog.ErrorLevel, "the name of a handler was expected, got "+L.Get(2).Type().String())
		return 0
	}
	var values []lua.LValue
	for i := 2; i <= L.GetTop(); i++ {
		values = append(values, L.Get(i))
	}
	msg, err := e.conv.Encode(nil, amf.AMF0Plus, values...)
	if err != nil {
		e.complain(zerolog.ErrorLevel, "data not sent: "+err.Error())
		return 0
	}
	e.pushMessage(p, msg)
	return 0
}

// checkMessage checks that msg is a handler name with complete values behind it.
func (e *Engine) checkMessage(msg []byte) error {
	r := amf.NewReader(msg, messageLimits)
	_, err := r.ReadStringBytes()
	for err == nil && r.More() {
		err = r.Skip()
	}
	return err
}

// pushMessage pushes a complete data message. Metadata does not pass as a message: it is kept for those
// who come later.
func (e *Engine) pushMessage(p *publication, msg []byte) {
	r := amf.NewReader(msg, messageLimits)
	name, _ := r.ReadString()
	rest := msg
	switch name {
	case clearDataFrame:
		handler, _ := r.ReadString()
		e.feeding(p, "pushData", len(msg), func(_ rtmfp.Time, m *media.Publication) { m.ClearMetadata(handler) })
		return
	case setDataFrame:
		rest = r.Rest()
	case metadataHandler:
	default:
		e.feeding(p, "pushData", len(msg), func(now rtmfp.Time, m *media.Publication) { push(now, m, media.Data, 0, msg) })
		return
	}
	handler, body, err := setMetadata(rest)
	if err != nil {
		e.complain(zerolog.ErrorLevel, "pushData: unreadable metadata: "+err.Error())
		return
	}
	e.pushMetadata(p, handler, body)
}
