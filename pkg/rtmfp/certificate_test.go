package rtmfp

import (
	"bytes"
	"crypto/rand"
	"slices"
	"strings"
	"testing"
)

func TestCertificateVectors(t *testing.T) {
	for _, v := range loadVectors().Certificate {
		c, err := parseCertificate(v.Hex)
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		if !bytes.Equal(c.fingerprint[:], v.Fingerprint) {
			t.Errorf("%s: fingerprint %v, want %x", v.Name, c.fingerprint, v.Fingerprint)
		}
		if v.CanonicalEPD != nil && !bytes.Equal(EPDForPeer(PeerID(v.Fingerprint)), v.CanonicalEPD) {
			t.Errorf("%s: canonical discriminator %x", v.Name, EPDForPeer(PeerID(v.Fingerprint)))
		}
		if !bytes.Equal(c.raw, v.Hex) {
			t.Errorf("%s: not kept as received", v.Name)
		}
	}
}

func TestCertificateFields(t *testing.T) {
	v := loadVectors().Certificate
	parse := func(b []byte) *certificate {
		t.Helper()
		c, err := parseCertificate(b)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	client := parse(v[0].Hex)
	if len(client.static) != 1 || len(client.staticKey(dhGroup2)) != 128 || client.acceptsAncillary || client.hasHostname {
		t.Errorf("client: %+v", client)
	}
	server := parse(v[1].Hex)
	if !slices.Equal(server.ephemeral, []uint64{2, 14, 16}) || !server.acceptsAncillary {
		t.Errorf("server: %+v", server)
	}
	named := parse(v[2].Hex)
	if !named.hasHostname || string(named.hostname) != "media.example" {
		t.Errorf("named: %+v", named)
	}
	marked := parse(v[3].Hex)
	if marked.acceptsAncillary || len(marked.static) != 1 {
		t.Errorf("what follows the marker counted: %+v", marked)
	}
	legacy := parse(v[4].Hex)
	if !legacy.supports(dhGroup2) || legacy.supports(dhGroup14) || legacy.supports(dhGroup5) {
		t.Error("a certificate that lists group 5 can do group 2 only")
	}
	if !server.supports(dhGroup16) || !server.supports(dhGroup2) || server.supports(dhGroup5) {
		t.Error("wrong groups of an ephemeral certificate")
	}
	if !client.supports(dhGroup2) || client.supports(dhGroup14) {
		t.Error("wrong groups of a static certificate")
	}
}

func TestCertificateMalformed(t *testing.T) {
	for what, b := range map[string][]byte{
		"empty":                   nil,
		"neither keys nor groups": unhex("010a"),
		"both keys and groups":    unhex("021502" + "031d0201"),
		"only after a marker":     unhex("00021502"),
		"truncated":               unhex("02150205"),
		"group without value":     unhex("0115"),
		"group cut":               unhex("021581"),
		"key without bytes":       unhex("021d02"),
		"too long":                append(unhex("021502"), make([]byte, maxHandshakeField)...),
	} {
		if c, err := parseCertificate(b); err == nil {
			t.Errorf("%s: accepted as %+v", what, c)
		}
	}
	for _, v := range loadVectors().Certificate {
		for i := range v.Hex {
			// A prefix that ends between options is a certificate, others are not; none may panic.
			if c, err := parseCertificate(v.Hex[:i]); err == nil && len(c.raw) != i {
				t.Errorf("%s cut to %d: %+v", v.Name, i, c)
			}
		}
	}
}

func TestCertificateIsCopied(t *testing.T) {
	b := bytes.Clone(loadVectors().Certificate[0].Hex)
	c, err := parseCertificate(b)
	if err != nil {
		t.Fatal(err)
	}
	want := bytes.Clone(c.static[0].public)
	clear(b)
	if !bytes.Equal(c.static[0].public, want) {
		t.Error("the certificate aliases the packet")
	}
}

func TestServerIdentity(t *testing.T) {
	unique := bytes.Repeat([]byte{0x11}, randomnessLen)
	id, err := NewServerIdentity(&bytesReader{t, unique}, "")
	if err != nil {
		t.Fatal(err)
	}
	want := append(unhex("010a"+"021510"+"02150e"+"021502"+"410e"), unique...)
	if !bytes.Equal(id.Certificate(), want) {
		t.Errorf("certificate %x, want %x", id.Certificate(), want)
	}
	id, err = NewServerIdentity(&bytesReader{t, unique}, "media.example", 2)
	if err != nil {
		t.Fatal(err)
	}
	want = append(unhex("0e006d656469612e6578616d706c65"+"010a"+"021502"+"410e"), unique...)
	if !bytes.Equal(id.Certificate(), want) {
		t.Errorf("certificate %x, want %x", id.Certificate(), want)
	}
	if id.isStatic() || !slices.Equal(id.groups(), []uint64{2}) {
		t.Error("not ephemeral")
	}
	for _, groups := range [][]uint64{{5}, {2, 2}, {0}} {
		if _, err := NewServerIdentity(rand.Reader, "", groups...); err == nil {
			t.Errorf("groups %v accepted", groups)
		}
	}
}

func TestClientIdentity(t *testing.T) {
	v := loadVectors().Keying[0]
	id, err := NewClientIdentity(&bytesReader{t, v.InitiatorExponent})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(id.Certificate(), v.InitiatorCert) || len(id.Certificate()) != 132 {
		t.Errorf("certificate %x, want %x", id.Certificate(), v.InitiatorCert)
	}
	if got := id.PeerID(); !bytes.Equal(got[:], v.InitiatorID) {
		t.Errorf("peer ID %v, want %x", got, v.InitiatorID)
	}
	id, err = NewClientIdentity(rand.Reader, 14, 2)
	if err != nil {
		t.Fatal(err)
	}
	c := id.cert
	if len(c.staticKey(14)) != 256 || len(c.staticKey(2)) != 128 || !slices.Equal(id.groups(), []uint64{14, 2}) {
		t.Errorf("groups %v", id.groups())
	}
}

func TestPeerID(t *testing.T) {
	id := PeerID(loadVectors().Certificate[0].Fingerprint)
	s := id.String()
	if s != "51ae87156e1cab0f8bab06388f18bc0126d85a608b45395f62b78226a453d21d" {
		t.Errorf("String() = %s", s)
	}
	for _, s := range []string{s, strings.ToUpper(s)} {
		if got, err := ParsePeerID(s); err != nil || got != id {
			t.Errorf("ParsePeerID(%s) = %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", s[:63], s + "0", strings.Repeat("x", 64)} {
		if _, err := ParsePeerID(s); err == nil {
			t.Errorf("%q accepted", s)
		}
	}
}

func TestGlare(t *testing.T) {
	v := loadVectors().Glare
	if glareNearWins(v.A, v.B) != v.ANearWins || glareNearWins(v.B, v.A) != v.BNearWins {
		t.Error("wrong end prevails")
	}
	if !glareNearWins(v.A, v.A) {
		t.Error("equal certificates: near should win")
	}
}

func FuzzCertificate(f *testing.F) {
	for _, v := range loadVectors().Certificate {
		f.Add([]byte(v.Hex))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseCertificate(b)
		if err != nil {
			return
		}
		if (len(c.ephemeral) == 0) == (len(c.static) == 0) {
			t.Fatalf("%x: both or neither kind of key", b)
		}
		again, err := parseCertificate(c.raw)
		if err != nil || again.fingerprint != c.fingerprint {
			t.Fatalf("%x: %v", b, err)
		}
		epd, err := ParseEPD(EPDForPeer(c.fingerprint))
		if err != nil || !epd.selects(c) {
			t.Fatalf("%x: not selected by its own discriminator", b)
		}
		for _, g := range dhGroups {
			if c.supports(g) && len(c.static) > 0 {
				_ = checkPublicKey(g, c.staticKey(g))
			}
		}
	})
}
