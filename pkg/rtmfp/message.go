package rtmfp

// Message is one user message for a sending flow. Head goes in front of Body on the wire, so that one
// Body serves many flows whose messages differ only in a few leading bytes.
type Message struct {
	Head    [8]byte
	HeadLen uint8
	Body    *Buffer // may be nil
	// StartBy abandons the message if no fragment of it was sent before; zero means never.
	StartBy Time
	// FinishBy stops sending the message, and sending it again, from then on; zero means never.
	FinishBy Time
	// Unreliable abandons the message when a fragment is lost instead of sending it again.
	Unreliable bool
	// Chain abandons the message if the one written before it on this flow was abandoned.
	Chain bool
}

// MessageID numbers the messages of a sending flow from 1 in the order they were written.
type MessageID uint64

// sendMessage is a Message in a flow's queue, from Write until it is acknowledged or abandoned.
type sendMessage struct {
	prev, next *sendMessage
	id         MessageID
	body       *Buffer
	head       [8]byte
	headLen    uint8
	unreliable bool
	chain      bool
	abandoned  bool
	size       int // head and body, bytes
	cut        int // bytes already cut into fragments
	unacked    int // fragments cut and neither acknowledged nor dropped
	queued     Time
	startBy    Time
	finishBy   Time
}

func (m *sendMessage) started() bool { return m.cut > 0 || m.unacked > 0 }

func (m *sendMessage) expired(now Time) bool {
	return due(m.finishBy, now) || due(m.startBy, now) && !m.started()
}

// appendTo appends n bytes of the message from off.
func (m *sendMessage) appendTo(b []byte, off, n int) []byte {
	if h := int(m.headLen); off < h {
		k := min(h-off, n)
		b = append(b, m.head[off:off+k]...)
		off, n = off+k, n-k
	}
	if n > 0 {
		off -= int(m.headLen)
		b = append(b, m.body.b[off:off+n]...)
	}
	return b
}

// fragment is an entry of SEND_QUEUE that was given a sequence number (RFC 7016 §3.6.2). Messages are
// cut when they are sent; those abandoned before that share one number with their neighbours.
type fragment struct {
	prev, next   *fragment // in the flow, by sequence number
	tprev, tnext *fragment // in the session, by transmission (only while in flight)
	flow         *SendFlow
	msg          *sendMessage // nil for the closing fragment and for gaps
	seq          uint64
	tsn          uint64
	off, size    int // of the data in the message
	transmit     int // TRANSMIT_SIZE
	fra          uint8
	naks         uint8
	inFlight     bool
	abandoned    bool
	sentAsGone   bool // SENT_ABANDONED
	final        bool
}

// slab recycles the bookkeeping of one endpoint; it belongs to the endpoint's goroutine. What one flood
// needed beyond slabSize goes back to the garbage collector.
type slab struct {
	fragments *fragment
	messages  *sendMessage
	nf, nm    int // entries
}

const slabSize = 1 << 15

func (p *slab) fragment() *fragment {
	f := p.fragments
	if f == nil {
		return new(fragment)
	}
	p.fragments = f.next
	p.nf--
	*f = fragment{}
	return f
}

func (p *slab) putFragment(f *fragment) {
	*f = fragment{}
	if p.nf < slabSize {
		f.next = p.fragments
		p.fragments = f
		p.nf++
	}
}

func (p *slab) message() *sendMessage {
	m := p.messages
	if m == nil {
		return new(sendMessage)
	}
	p.messages = m.next
	p.nm--
	*m = sendMessage{}
	return m
}

func (p *slab) putMessage(m *sendMessage) {
	*m = sendMessage{}
	if p.nm < slabSize {
		m.next = p.messages
		p.messages = m
		p.nm++
	}
}
