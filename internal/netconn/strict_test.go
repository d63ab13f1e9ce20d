package netconn

import (
	"bytes"
	"testing"

	"github.com/monaserver/monaserver/pkg/amf"
)

// strictClient checks what a server sends by the rules of the strictest client known, which rejects flows
// and so ends its connection over anything it does not expect.
type strictClient struct {
	t *testing.T
	// called: the test makes the client call functions or lets the application invoke some, which that
	// client never does.
	called bool
	// wantsNumber is set by the tests' createStream calls, whose result may be a number.
}

func (s *strictClient) flow(metadata []byte) {
	if !bytes.HasPrefix(metadata, []byte("TC\x04")) && !bytes.HasPrefix(metadata, []byte("GC")) {
		s.t.Errorf("strict: flow with metadata %x", metadata)
	}
}

func (s *strictClient) message(stream uint32, m []byte) {
	typ, ts, ok := parseHeader(m)
	if !ok {
		s.t.Errorf("strict: message %x has no header", m)
		return
	}
	p := m[headerSize:]
	switch typ {
	case typeAudio, typeVideo:
		return
	case typeUserControl:
		u, ok := parseUserControl(p)
		if !ok {
			s.t.Errorf("strict: user control %x", p)
			return
		}
		if stream != 0 && u.event != 0 && u.event != 1 && u.event != 31 && u.event != 32 && u.event != 34 {
			s.t.Errorf("strict: user control %d on a stream", u.event)
		}
	case typeData, typeDataAMF3:
		if _, ok := stripFormat(typ, p); !ok {
			s.t.Errorf("strict: data %x", p)
		}
	case typeCommand, typeCommandAMF3:
		if ts != 0 {
			s.t.Errorf("strict: command with timestamp %d", ts)
		}
		s.command(stream, typ, p)
	default:
		s.t.Errorf("strict: message type %d", typ)
	}
}

func (s *strictClient) command(stream uint32, typ uint8, p []byte) {
	p, ok := stripFormat(typ, p)
	r := amf.NewReader(p, amf.Limits{})
	name, err := r.ReadString()
	if !ok || err != nil {
		s.t.Errorf("strict: command without name: %x", p)
		return
	}
	if _, err := r.ReadNumber(); err != nil {
		s.t.Errorf("strict: %s without transaction", name)
	}
	if r.Peek() != amf.KindNull {
		s.t.Errorf("strict: %s without null", name)
	}
	r.Next()
	var args []amf.Value
	for r.More() {
		v, err := r.Next()
		if err != nil {
			s.t.Errorf("strict: %s: %v", name, err)
			return
		}
		args = append(args, v)
	}
	switch {
	case stream != 0 && name == "onStatus":
		in := amf.Value(amf.Null{})
		if len(args) == 1 {
			in = args[0]
		}
		if i := parseInfo(in); (i.Level != "status" && i.Level != "error") || i.Code == "" {
			s.t.Errorf("strict: onStatus with %v", args)
		}
	case stream != 0:
		s.t.Errorf("strict: %s on a stream", name)
	case s.called || len(args) == 0:
	case name == "_result" || name == "_error":
		for _, v := range args {
			if _, ok := v.(amf.Number); ok && name == "_result" {
				continue // createStream
			}
			if _, ok := v.(*amf.Object); !ok && name == "_error" {
				s.t.Errorf("strict: _error with %v", show(v))
			}
			if i := parseInfo(v); i.Level == "" || i.Code == "" {
				s.t.Errorf("strict: %s with %v", name, show(v))
			}
		}
	default:
		s.t.Errorf("strict: %s with arguments on stream 0", name)
	}
}
