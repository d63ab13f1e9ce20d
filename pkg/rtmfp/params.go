package rtmfp

import "time"

// Every constant of the protocol and of the RFC 7425 profile, with its unit and source.
const (
	// maxDatagram keeps datagrams below what old clients accept, in bytes.
	maxDatagram = 1192
	// maxStartupChunk bounds what a startup packet may carry, in bytes: certificates with three static
	// keys need about 1100.
	maxStartupDatagram = 4400
	// maxHandshakeField bounds a certificate or a session key component, in bytes.
	maxHandshakeField = 2048
	// timestampTick is the unit of packet timestamps (RFC 7016 §2.2.4).
	timestampTick = 4 * time.Millisecond
	// echoValidity bounds how long a received timestamp is echoed (RFC 7016 §3.5.2.2).
	echoValidity = 128 * time.Second

	openTimeout       = 95 * time.Second        // RFC 7016 §3.5.1.1.1
	helloInterval     = time.Second             // first retransmission of IHello and IIKeying
	helloBackoff      = 1500 * time.Millisecond // added to the interval at each attempt, RFC 7016 §3.5.1.1.1
	redirectThreshold = 24                      // candidate addresses of one opening session
	earlyPackets      = 18                      // packets that overtook RIKeying and are kept
	cookieLifetime    = 95 * time.Second        // RFC 7016 §3.5.1.1.2
	cookieSize        = 64                      // the only size old clients accept

	initialMRTO   = 250 * time.Millisecond // RFC 7016 §3.5.2.2
	initialERTO   = 3 * time.Second
	minERTO       = 250 * time.Millisecond
	maxERTO       = 10 * time.Second
	delayedAck    = 200 * time.Millisecond  // RFC 7016 §3.6.3.4.4
	ackEvery      = 2                       // packets with user data, RFC 7016 §3.6.3.2
	lossNAKs      = 3                       // RFC 7016 §3.6.2.5
	burstPackets  = 6                       // RFC 7016 §3.5.2.3
	pacingMinRTT  = 4500 * time.Microsecond // below it pacing would be finer than the timestamps
	tcMemory      = 800 * time.Millisecond  // RFC 7016 §3.5.2.1
	initialWindow = 65536                   // bytes, RX_BUFFER_SIZE of RFC 7016 §3.6.2

	probeMinPeriod = time.Second // RFC 7016 §3.6.2.9.1
	probeMaxPeriod = time.Minute

	recvFlowLinger = 120 * time.Second // RFC 7016 §3.6.3.8
	closeRepeat    = 5 * time.Second   // RFC 7016 §3.5.5
	nearCloseLimit = 90 * time.Second
	farCloseLinger = 19 * time.Second

	mobilityProbeInterval = time.Second // RFC 7016 §3.5.4.2
	mobilityReplyLifetime = 120 * time.Second

	maxMetadata    = 512     // bytes, RFC 7016 §2.3.11.1.1
	maxAckRanges   = 256     // runs of received sequence numbers remembered per flow
	maxSequence    = 1 << 62 // far beyond what a session can use; keeps sums from overflowing
	fragmentFloor  = 64      // bytes: a smaller rest of a packet is not worth a fragment
	fragmentCharge = 320     // bytes a buffered fragment costs beside its data
	messageCharge  = 128     // bytes a queued message costs beside its body
)

// MaxMessageSize is the largest message accepted from the far end, in bytes. A longer one rejects its flow.
const MaxMessageSize = 1<<24 - 1

// Defaults of Config.
const (
	DefaultKeepalive       = 15 * time.Second
	DefaultRetransmitLimit = 30 * time.Second
	DefaultIdleLimit       = 120 * time.Second
	DefaultRecvCapacity    = 2 << 20
)
