package rtmfp

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
)

// fixedPair is a keyPairSource that always returns the same pair and never wipes it.
type fixedPair struct{ pair *dhKeyPair }

func (s fixedPair) acquire(io.Reader, uint64, []byte) (*dhKeyPair, error) { return s.pair, nil }
func (fixedPair) release(*dhKeyPair)                                      {}
func (fixedPair) expire(Time) Time                                        { return 0 }

// identityOf returns the owner of cert with a known private key.
func identityOf(t testing.TB, cert []byte, group uint64, exponent []byte) *Identity {
	t.Helper()
	c, err := parseCertificate(cert)
	if err != nil {
		t.Fatal(err)
	}
	kp, err := newKeyPair(group, bytes.Clone(exponent))
	if err != nil {
		t.Fatal(err)
	}
	kp.public = trimZeros(kp.public) // as the author of the vectors writes it
	id := &Identity{cert: c, ephemeral: fixedPair{kp}}
	if len(c.static) > 0 {
		id.static = []*dhKeyPair{kp}
	}
	return id
}

// extraRandom returns the extra randomness of a component.
func extraRandom(component []byte) []byte {
	var random []byte
	eachOption(component, func(typ uint64, value []byte) bool {
		if typ == keyOptionRandom {
			random = value
		}
		return true
	})
	return random
}

func (v *keyingVector) identities(t testing.TB) (initiator, responder *Identity) {
	return identityOf(t, v.InitiatorCert, v.Group, v.InitiatorExponent),
		identityOf(t, v.ResponderCert, v.Group, v.ResponderExponent)
}

// securityOf returns the configuration that makes an initiator offer what component says.
func securityOf(t testing.TB, component []byte) Security {
	c, err := parseKeyComponent(component)
	if err != nil {
		t.Fatal(err)
	}
	return Security{
		RequireHMAC: c.hmac&negotiateSend != 0, RequestHMAC: c.hmac&negotiateRequest != 0,
		RequireSSEQ: c.sseq&negotiateSend != 0, RequestSSEQ: c.sseq&negotiateRequest != 0,
		HMACLength: int(c.hmacLen),
	}
}

func checkKeys(t *testing.T, end string, k *sessionKeys, send, recv keysWant) {
	t.Helper()
	for _, d := range []struct {
		name string
		got  *directionKey
		want keysWant
	}{{"send", &k.send.directionKey, send}, {"recv", &k.recv.directionKey, recv}} {
		if !bytes.Equal(d.got.aes[:], d.want.aes) || !bytes.Equal(d.got.hmac[:], d.want.hmac) ||
			int(d.got.hmacLen) != d.want.hmacLen || d.got.sseq != d.want.sseq {
			t.Errorf("%s: %s key is %+v, want %+v", end, d.name, d.got, d.want)
		}
	}
	if !bytes.Equal(k.nearNonce[:], send.nonce) || !bytes.Equal(k.farNonce[:], recv.nonce) {
		t.Errorf("%s: nonces %x %x", end, k.nearNonce, k.farNonce)
	}
}

type keysWant struct {
	aes, hmac, nonce []byte
	hmacLen          int
	sseq             bool
}

func (v *keyingVector) want() (ir, ri keysWant) {
	return keysWant{v.IRAES, v.IRHMAC, v.InitiatorNonce, v.InitiatorHMACLen, v.InitiatorSSEQ},
		keysWant{v.RIAES, v.RIHMAC, v.ResponderNonce, v.ResponderHMACLen, v.ResponderSSEQ}
}

func TestKeyingVectors(t *testing.T) {
	for _, v := range loadVectors().Keying {
		t.Run(v.Name, func(t *testing.T) {
			initiator, responder := v.identities(t)
			if fp := initiator.PeerID(); !bytes.Equal(fp[:], v.InitiatorID) {
				t.Errorf("initiator's peer ID %v", fp)
			}
			if fp := responder.PeerID(); !bytes.Equal(fp[:], v.ResponderID) {
				t.Errorf("responder's peer ID %v", fp)
			}
			ir, ri := v.want()

			sec := securityOf(t, v.SKIC)
			ik, err := newInitiatorKeying(&bytesReader{t, extraRandom(v.SKIC)}, initiator, responder.cert, sec)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(ik.skic, v.SKIC) {
				t.Errorf("SKIC %x, want %x", ik.skic, v.SKIC)
			}
			keys, err := ik.finish(v.SKRC)
			if err != nil {
				t.Fatal(err)
			}
			checkKeys(t, "initiator", keys, ir, ri)

			// Our SKRC has another order than the author's, so the responder derives from the recorded one.
			far, err1 := parseKeyComponent(v.SKIC)
			near, err2 := parseKeyComponent(v.SKRC)
			if err := errors.Join(err1, err2); err != nil {
				t.Fatal(err)
			}
			a, ok := agree(&Security{}, near, far)
			if !ok {
				t.Fatal("no agreement")
			}
			_, public, err := initiatorPublic(initiator.cert, far)
			if err != nil {
				t.Fatal(err)
			}
			pair, err := newKeyPair(v.Group, v.ResponderExponent)
			if err != nil {
				t.Fatal(err)
			}
			secret, err := sharedSecret(pair, public)
			if err != nil {
				t.Fatal(err)
			}
			respKeys := deriveKeys(secret, v.SKRC, v.SKIC, a)
			checkKeys(t, "responder", respKeys, ri, ir)

			checkVectorPackets(t, v.Packets, keys, respKeys)
		})
	}
}

func checkVectorPackets(t *testing.T, packets []packetVector, initiator, responder *sessionKeys) {
	t.Helper()
	for _, p := range packets {
		from, to := initiator, responder
		if p.From == "responder" {
			from, to = responder, initiator
		}
		if p.SSEQ != nil && *p.SSEQ != from.send.next {
			t.Errorf("%s: sequence number %d, want %d", p.What, from.send.next, *p.SSEQ)
		}
		sid := binary.BigEndian.Uint32(p.SID)
		d := from.send.seal(append(from.send.begin(nil), p.Plain...), 0, sid)
		if !bytes.Equal(d, p.Datagram) {
			t.Errorf("%s: sealed %x, want %x", p.What, d, p.Datagram)
		}
		if got, ok := unscrambleID(p.Datagram); !ok || got != sid {
			t.Errorf("%s: session %08x, want %08x", p.What, got, sid)
		}
		opened := bytes.Clone(p.Datagram)
		packet, err := to.recv.open(opened)
		if err != nil || !bytes.HasPrefix(packet, p.Plain) {
			t.Errorf("%s: opened %x, %v", p.What, packet, err)
		}
		if got := opened[sessionIDLen:][:len(p.Decrypted)]; !bytes.Equal(got, p.Decrypted) {
			t.Errorf("%s: plaintext %x, want %x", p.What, got, p.Decrypted)
		}
		if _, err := to.recv.open(bytes.Clone(p.Datagram)); (err == nil) != p.ReplayAccepted {
			t.Errorf("%s: replayed: %v, want accepted = %v", p.What, err, p.ReplayAccepted)
		}
	}
}

// TestKeyingLegacyAnswer: the exact answer that strict deployed clients insist on, byte for
// byte as in the vectors that have it.
func TestKeyingLegacyAnswer(t *testing.T) {
	for _, i := range []int{0, 7, 8} {
		v := loadVectors().Keying[i]
		initiator, responder := v.identities(t)
		for _, sec := range []Security{{}, {RequestHMAC: true, RequestSSEQ: true}} {
			skrc, keys, err := respondKeying(rand.Reader, responder, initiator.cert, v.SKIC, sec)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(skrc, v.SKRC) {
				t.Errorf("%s: SKRC %x, want %x", v.Name, skrc, v.SKRC)
			}
			ir, ri := v.want()
			checkKeys(t, v.Name, keys, ri, ir)
		}
	}
}

func TestKeyingTranscripts(t *testing.T) {
	for _, v := range loadVectors().Transcripts {
		client := identityOf(t, v.ClientCert, dhGroup2, v.ClientExponent)
		server := identityOf(t, v.ServerCert, dhGroup2, v.ServerExponent)
		sec := securityOf(t, v.SKIC)
		ik, err := newInitiatorKeying(&bytesReader{t, extraRandom(v.SKIC)}, client, server.cert, sec)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(ik.skic, v.SKIC) {
			t.Errorf("%s: SKIC %x", v.Name, ik.skic)
		}
		keys, err := ik.finish(v.SKRC)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(keys.send.aes[:], v.ClientAES) || !bytes.Equal(keys.recv.aes[:], v.ServerAES) ||
			!bytes.Equal(keys.send.hmac[:], v.ClientHMAC) || !bytes.Equal(keys.recv.hmac[:], v.ServerHMAC) {
			t.Errorf("%s: wrong keys", v.Name)
		}
	}
}

// TestKeyingCombinations runs both our ends against each other: kinds of certificates, groups, security.
func TestKeyingCombinations(t *testing.T) {
	static := func(groups ...uint64) *Identity { return mustIdentity(NewClientIdentity(rand.Reader, groups...)) }
	ephemeral := func(groups ...uint64) *Identity {
		return mustIdentity(NewServerIdentity(rand.Reader, "", groups...))
	}
	all := Security{RequireHMAC: true, RequireSSEQ: true}
	ask := Security{RequestHMAC: true, RequestSSEQ: true}
	both, none := agreement{16, 16, true, true}, agreement{}
	for _, tt := range []struct {
		name       string
		i, r       *Identity
		isec, rsec Security
		group      uint64
		want       agreement // as the initiator sees it
	}{
		{"client", static(2), ephemeral(), Security{}, Security{}, 2, none},
		{"client of group 14", static(14, 2), ephemeral(), Security{}, Security{}, 14, none},
		{"own preference", static(2, 14), ephemeral(), Security{}, Security{}, 2, none},
		{"weaker responder", static(14, 2), ephemeral(2), Security{}, Security{}, 2, none},
		{"two servers", ephemeral(14, 2), ephemeral(2, 14), Security{}, Security{}, 14, none},
		{"to a static server", ephemeral(14, 2), static(2), Security{}, Security{}, 2, none},
		{"peers", static(2), static(2), Security{}, Security{}, 2, none},
		{"required by initiator", static(2), ephemeral(), all, Security{}, 2, both},
		{"required by responder", static(2), ephemeral(), Security{}, all, 2, both},
		{"asked by both", static(2), ephemeral(), ask, ask, 2, both},
		{"asked by initiator", static(2), ephemeral(), ask, Security{}, 2, agreement{0, 16, false, true}},
		{"asked by responder: not of a silent initiator", static(2), ephemeral(), Security{}, ask, 2, none},
		{
			"lengths", static(2), ephemeral(),
			Security{RequireHMAC: true, HMACLength: 4},
			Security{HMACLength: 32},
			2,
			agreement{4, 32, false, false},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ik, err := newInitiatorKeying(rand.Reader, tt.i, tt.r.cert, tt.isec)
			if err != nil {
				t.Fatal(err)
			}
			if ik.group != tt.group {
				t.Errorf("group %d, want %d", ik.group, tt.group)
			}
			skrc, far, err := respondKeying(rand.Reader, tt.r, tt.i.cert, ik.skic, tt.rsec)
			if err != nil {
				t.Fatal(err)
			}
			// A forged RIKeying before the real one must do no harm.
			if _, err := ik.finish(skrc[:len(skrc)-1]); err == nil {
				t.Error("a truncated SKRC was accepted")
			}
			near, err := ik.finish(skrc)
			if err != nil {
				t.Fatal(err)
			}
			ik.wipe()
			mirrored := agreement{tt.want.recvHMAC, tt.want.sendHMAC, tt.want.recvSSEQ, tt.want.sendSSEQ}
			if near.agreement != tt.want || far.agreement != mirrored {
				t.Errorf("agreements %+v and %+v, want %+v", near.agreement, far.agreement, tt.want)
			}
			if near.nearNonce != far.farNonce || near.farNonce != far.nearNonce || near.nearNonce == near.farNonce {
				t.Error("nonces do not match")
			}
			for _, d := range []struct {
				send *sendKey
				recv *recvKey
			}{{near.send, far.recv}, {far.send, near.recv}} {
				sealed := d.send.seal(append(d.send.begin(nil), "packet"...), 0, 1)
				if got, err := d.recv.open(sealed); err != nil || !bytes.HasPrefix(got, []byte("packet")) {
					t.Errorf("opened %q, %v", got, err)
				}
			}
		})
	}
}

func mustIdentity(id *Identity, err error) *Identity {
	if err != nil {
		panic(err)
	}
	return id
}

func TestKeyingRefused(t *testing.T) {
	v := loadVectors().Keying[0]
	initiator, responder := v.identities(t)
	skicWith := func(hmac, sseq string) []byte { return unhex("021d02" + hmac + sseq) }
	short := appendGroupKey(nil, keyOptionPublicKey, dhGroup2, []byte{1})
	for _, tt := range []struct {
		what string
		skic []byte
		sec  Security
	}{
		{"empty", nil, Security{}},
		{"truncated", v.SKIC[:20], Security{}},
		{"no group", v.SKIC[3:], Security{}},
		{"group not in the certificate", unhex("021d0e"), Security{}},
		{"group not implemented", unhex("021d05"), Security{}},
		{"HMAC required, not offered", unhex("021d02"), Security{RequireHMAC: true}},
		{"SSEQ required, not offered", unhex("021d02"), Security{RequireSSEQ: true}},
		{"HMAC promised with length 0", skicWith("031a0700", "021e00"), Security{}},
		{"HMAC promised with length 33", skicWith("031a0721", "021e00"), Security{}},
		{"HMAC option without length", skicWith("021a07", "021e00"), Security{}},
		{"SSEQ option without flags", skicWith("031a0000", "011e"), Security{}},
		{"after a marker", append([]byte{0}, v.SKIC...), Security{}},
		{"too long", appendOption(bytes.Clone(v.SKIC), keyOptionRandom, make([]byte, maxHandshakeField)), Security{}},
	} {
		if _, _, err := respondKeying(rand.Reader, responder, initiator.cert, tt.skic, tt.sec); err == nil {
			t.Errorf("%s: accepted", tt.what)
		}
	}
	ephemeral := mustIdentity(NewServerIdentity(rand.Reader, "", 14))
	for what, skic := range map[string][]byte{
		"no key":                   unhex("021d02"),
		"unacceptable key":         short,
		"group responder lacks":    v.SKRC, // holds a key of group 2
		"key of an unknown group":  appendGroupKey(nil, keyOptionPublicKey, 5, v.InitiatorPublic),
		"key without a group only": unhex("010d"),
	} {
		if _, _, err := respondKeying(rand.Reader, ephemeral, ephemeral.cert, skic, Security{}); err == nil {
			t.Errorf("ephemeral initiator, %s: accepted", what)
		}
	}

	ik, err := newInitiatorKeying(rand.Reader, initiator, responder.cert, Security{RequireHMAC: true})
	if err != nil {
		t.Fatal(err)
	}
	for what, skrc := range map[string][]byte{
		"HMAC declined": v.SKRC,
		"no key":        unhex("031a0610" + "021e00"),
		"other group":   appendGroupKey(unhex("031a0610"), keyOptionPublicKey, dhGroup14, v.ResponderPublic),
		"bad key":       append(unhex("031a0610"), short...),
	} {
		if _, err := ik.finish(skrc); err == nil {
			t.Errorf("SKRC with %s: accepted", what)
		}
	}

	legacy, err := parseCertificate(loadVectors().Certificate[4].Hex)
	if err != nil {
		t.Fatal(err)
	}
	strong := mustIdentity(NewServerIdentity(rand.Reader, "", 16, 14))
	if _, err := newInitiatorKeying(rand.Reader, strong, legacy, Security{}); !errors.Is(err, errGroup) {
		t.Errorf("an old server does group 2 only: %v", err)
	}
}

// TestNegotiation is the table of the negotiation (RFC 7425 §4.6.4).
func TestNegotiation(t *testing.T) {
	require, request := wish{require: true}, wish{request: true}
	for _, tt := range []struct {
		w    wish
		far  negotiationFlags
		near negotiationFlags
		ok   bool
	}{
		{wish{}, 0, 0, true},
		{wish{}, 2, 0, true}, // Flash Player, librtmfp
		{wish{}, 3, 6, true},
		{wish{}, 7, 7, true},
		{wish{}, 6, 3, true},
		{wish{}, 4, 3, true},
		{wish{}, 1, 6, true},
		{require, 0, 0, false},
		{require, 1, 0, false},
		{require, 2, 7, true},
		{require, 4, 7, true},
		{request, 0, 0, true},
		{request, 2, 0, true},
		{request, 3, 7, true},
		{request, 1, 6, true},
		{request, 7, 7, true},
	} {
		if near, ok := tt.w.answer(tt.far); near != tt.near || ok != tt.ok {
			t.Errorf("%+v answers %d with %d, %v, want %d, %v", tt.w, tt.far, near, ok, tt.near, tt.ok)
		}
	}
	if got := []negotiationFlags{wish{}.offer(), request.offer(), require.offer()}; !slices.Equal(got, []negotiationFlags{2, 3, 7}) {
		t.Errorf("offers %v", got)
	}
}

// TestNegotiationOutcome: X sends iff it said SND, or Y said REQ and X offered.
func TestNegotiationOutcome(t *testing.T) {
	for _, tt := range []struct {
		near, far negotiationFlags
		want      bool
	}{
		{0, 0, false},
		{2, 0, false},
		{2, 2, false},
		{4, 0, true},
		{6, 2, true},
		{2, 1, true},
		{2, 3, true},
		{0, 1, false},
		{0, 3, false},
		{1, 3, false},
		{3, 2, false},
	} {
		if got := tt.near.sends(tt.far); got != tt.want {
			t.Errorf("%d sends to %d: %v", tt.near, tt.far, got)
		}
	}
}

func TestHMACLengthRange(t *testing.T) {
	for in, want := range map[int]int{0: 16, 1: 4, 4: 4, 32: 32, 100: 32, -5: 4} {
		if got := (&Security{HMACLength: in}).hmacLength(); got != want {
			t.Errorf("%d became %d, want %d", in, got, want)
		}
	}
}

func FuzzKeying(f *testing.F) {
	vectors := loadVectors().Keying
	for i, v := range vectors {
		f.Add(byte(i), []byte(v.SKIC), []byte(v.SKRC))
	}
	f.Fuzz(func(t *testing.T, b byte, skic, skrc []byte) {
		v := vectors[int(b)%len(vectors)]
		if v.Group != dhGroup2 {
			return // slow
		}
		for _, c := range [][]byte{skic, skrc} {
			k, err := parseKeyComponent(c)
			if err != nil || !k.hasHMAC || !k.hasSSEQ {
				continue
			}
			again, err := parseKeyComponent(k.appendNegotiation(nil))
			if err != nil || again.hmac != k.hmac || again.hmacLen != k.hmacLen || again.sseq != k.sseq {
				t.Fatalf("%+v became %+v, %v", k, again, err)
			}
		}
		initiator, responder := v.identities(t)
		// If a responder accepts the SKIC, an initiator that sent it must agree with its answer.
		answer, far, err := respondKeying(rand.Reader, responder, initiator.cert, skic, Security{})
		if err != nil {
			return
		}
		near, err := parseKeyComponent(skic)
		if err != nil {
			t.Fatal(err)
		}
		ik := &initiatorKeying{skic: skic, near: *near, group: v.Group, pair: initiator.ephemeral.(fixedPair).pair, far: responder.cert}
		if len(initiator.cert.static) == 0 && !bytes.Equal(near.public, ik.pair.public) {
			return // not a key we hold
		}
		keys, err := ik.finish(answer)
		if err != nil {
			t.Fatalf("answer %x to %x refused: %v", answer, skic, err)
		}
		if keys.send.aes != far.recv.aes || keys.recv.aes != far.send.aes {
			t.Fatal("keys differ")
		}
		_, _ = ik.finish(skrc)
	})
}

// BenchmarkKeying measures a responder's whole work for a client with a static certificate.
func BenchmarkKeying(b *testing.B) {
	for _, group := range dhGroups {
		b.Run(fmt.Sprintf("group%d", group), func(b *testing.B) {
			client := mustIdentity(NewClientIdentity(rand.Reader, group))
			server := mustIdentity(NewServerIdentity(rand.Reader, ""))
			ik, err := newInitiatorKeying(rand.Reader, client, server.cert, Security{})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := respondKeying(rand.Reader, server, client.cert, ik.skic, Security{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
