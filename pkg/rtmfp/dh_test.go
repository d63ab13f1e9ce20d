package rtmfp

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"testing"
)

var dhGroups = []uint64{dhGroup2, dhGroup14, dhGroup16}

func primeOf(group uint64) *big.Int {
	p, ok := new(big.Int).SetString(map[uint64]string{
		dhGroup2: primeGroup2, dhGroup14: primeGroup14, dhGroup16: primeGroup16,
	}[group], 16)
	if !ok {
		panic(group)
	}
	return p
}

func TestPrimes(t *testing.T) {
	bitLen := map[uint64]int{dhGroup2: 1024, dhGroup14: 2048, dhGroup16: 4096}
	for _, group := range dhGroups {
		p := primeOf(group)
		if p.BitLen() != bitLen[group] || lookUpGroup(group).size() != bitLen[group]/8 {
			t.Errorf("group %d: %d bits", group, p.BitLen())
		}
		if testing.Short() {
			continue
		}
		if !p.ProbablyPrime(0) || !new(big.Int).Rsh(p, 1).ProbablyPrime(0) {
			t.Errorf("group %d: not a safe prime", group)
		}
	}
}

func TestKeyPairVectors(t *testing.T) {
	for _, v := range loadVectors().Keying {
		i, err := newKeyPair(v.Group, v.InitiatorExponent)
		if err != nil {
			t.Fatal(err)
		}
		r, err := newKeyPair(v.Group, v.ResponderExponent)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(trimZeros(i.public), v.InitiatorPublic) || !bytes.Equal(trimZeros(r.public), v.ResponderPublic) {
			t.Errorf("%s: wrong public key", v.Name)
		}
		for _, public := range [][]byte{v.ResponderPublic, r.public} { // short and full width
			if secret, err := sharedSecret(i, public); err != nil || !bytes.Equal(secret, v.Secret) {
				t.Errorf("%s: initiator's secret %x, %v", v.Name, secret, err)
			}
		}
		if secret, err := sharedSecret(r, v.InitiatorPublic); err != nil || !bytes.Equal(secret, v.Secret) {
			t.Errorf("%s: responder's secret %x, %v", v.Name, secret, err)
		}
	}
}

func TestKeyPairGroups(t *testing.T) {
	for _, group := range dhGroups {
		a, err := generateKeyPair(rand.Reader, group)
		if err != nil {
			t.Fatal(err)
		}
		b, err := generateKeyPair(rand.Reader, group)
		if err != nil {
			t.Fatal(err)
		}
		p := primeOf(group)
		want := new(big.Int).Exp(big.NewInt(2), new(big.Int).SetBytes(a.private), p)
		if want.Cmp(new(big.Int).SetBytes(a.public)) != 0 {
			t.Errorf("group %d: wrong public key", group)
		}
		s1, err1 := sharedSecret(a, b.public)
		s2, err2 := sharedSecret(b, a.public)
		if err1 != nil || err2 != nil || !bytes.Equal(s1, s2) {
			t.Errorf("group %d: secrets differ: %v %v", group, err1, err2)
		}
		a.wipe()
		if len(trimZeros(a.private)) != 0 {
			t.Errorf("group %d: private key not wiped", group)
		}
	}
}

// TestKeyPairFullWidth offers an exponent whose public key is short, then a good one.
func TestKeyPairFullWidth(t *testing.T) {
	v := loadVectors().Keying
	short, good := v[8], v[0]
	if len(short.InitiatorPublic) != 127 {
		t.Fatal("vector 8 is not the short one any more")
	}
	r := &bytesReader{t, bytes.Join([][]byte{short.InitiatorExponent, good.InitiatorExponent}, nil)}
	kp, err := generateKeyPair(r, dhGroup2)
	if err != nil || !bytes.Equal(kp.public, good.InitiatorPublic) {
		t.Errorf("got %x, %v", kp.public, err)
	}
}

func TestCheckPublicKey(t *testing.T) {
	p := primeOf(dhGroup2)
	limit := big.NewInt(1 << dhMinExcess)
	// Enough one and zero bits for the limits themselves to decide.
	tall := new(big.Int).Lsh(big.NewInt(0xffff), 800)
	ones := func(n int) *big.Int { return new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(n)), big.NewInt(1)) }
	for _, tt := range []struct {
		name string
		key  []byte
		ok   bool
	}{
		{"empty", nil, false},
		{"zero", make([]byte, 128), false},
		{"one", []byte{1}, false},
		{"2^24-1", unhex("ffffff"), false},
		{"16 ones and zeros", unhex("ffff0000"), true},
		{"15 ones", unhex("fffe0000"), false},
		{"15 zeros", unhex("01fffe01ff01"), false},
		{"leading zeros do not count as zeros", append(make([]byte, 50), unhex("ffffffff8001")...), false},
		{"ones only", ones(1000).Bytes(), false},
		{"few ones", new(big.Int).Lsh(big.NewInt(0x7fff), 900).Bytes(), false},
		{"tall", tall.Bytes(), true},
		{"tall with leading zeros", tall.FillBytes(make([]byte, 128)), true},
		{"p-2^24", new(big.Int).Sub(p, limit).Bytes(), true},
		{"p-2^24+1", new(big.Int).Add(new(big.Int).Sub(p, limit), big.NewInt(1)).Bytes(), false},
		{"p-1", new(big.Int).Sub(p, big.NewInt(1)).Bytes(), false},
		{"p", p.Bytes(), false},
		{"too wide", append([]byte{0}, tall.FillBytes(make([]byte, 128))...), false},
	} {
		if err := checkPublicKey(dhGroup2, tt.key); (err == nil) != tt.ok {
			// p-2^24 has long runs of ones; it still has zeros enough in its middle.
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	for _, g := range []uint64{0, 1, dhGroup5, 15, 1 << 40} {
		if err := checkPublicKey(g, tall.Bytes()); !errors.Is(err, errGroup) {
			t.Errorf("group %d: %v", g, err)
		}
		if _, err := generateKeyPair(rand.Reader, g); !errors.Is(err, errGroup) {
			t.Errorf("group %d: %v", g, err)
		}
	}
}

// constantReader yields one byte for ever.
type constantReader byte

func (r constantReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r)
	}
	return len(p), nil
}

func TestGenerateKeyPairReaderFails(t *testing.T) {
	if _, err := generateKeyPair(bytes.NewReader(make([]byte, 5)), dhGroup2); err == nil {
		t.Error("no error without randomness")
	}
	if _, err := generateKeyPair(constantReader(0), dhGroup2); !errors.Is(err, errRandom) {
		t.Errorf("constant randomness: %v", err)
	}
}

// BenchmarkDH measures one key pair and one shared secret apart.
func BenchmarkDH(b *testing.B) {
	for _, group := range dhGroups {
		b.Run(fmt.Sprintf("generate/group%d", group), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := generateKeyPair(rand.Reader, group); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("secret/group%d", group), func(b *testing.B) {
			x, err := generateKeyPair(rand.Reader, group)
			if err != nil {
				b.Fatal(err)
			}
			y, err := generateKeyPair(rand.Reader, group)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := sharedSecret(x, y.public); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
