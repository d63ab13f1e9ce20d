package rtmfp

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"io"
	"net/netip"
)

// CookieJar makes and checks the stateless cookies of responder hellos (RFC 7016 §3.5.1.1.2). It is
// immutable: all shards of a server share one and verify each other's cookies.
//
// A cookie is time(8) ‖ HMAC(secret, time)[:24] ‖ HMAC(secret, time ‖ address)[:32]. Its first part
// proves that we made it, the second that it was made for that address, so that a changed address is
// told from a forgery (RFC 7016 §3.5.1.2). 64 bytes because old clients take no other size.
type CookieJar struct{ secret [32]byte }

// NewCookieJar returns a jar keyed with secret.
func NewCookieJar(secret [32]byte) *CookieJar { return &CookieJar{secret} }

// NewRandomCookieJar returns a jar with a secret from r; nil means crypto/rand.
func NewRandomCookieJar(r io.Reader) (*CookieJar, error) {
	if r == nil {
		r = rand.Reader
	}
	j := new(CookieJar)
	_, err := io.ReadFull(r, j.secret[:])
	return j, err
}

type cookieVerdict uint8

const (
	cookieForged cookieVerdict = iota
	cookieExpired
	cookieElsewhere // authentic, made for another address
	cookieValid
)

// macs returns both parts of a cookie that was made at stamp, 8 bytes, for addr.
func (j *CookieJar) macs(stamp []byte, addr netip.AddrPort) (made [24]byte, bound [32]byte) {
	sum := hmacSum(j.secret[:], stamp)
	copy(made[:], sum[:])
	a := addr.Addr().Unmap().As16()
	var place [18]byte
	binary.BigEndian.PutUint16(place[copy(place[:], a[:]):], addr.Port())
	return made, hmacSum(j.secret[:], stamp, place[:]...)
}

// make appends a cookie for addr to b.
func (j *CookieJar) make(b []byte, now Time, addr netip.AddrPort) []byte {
	at := len(b)
	b = binary.BigEndian.AppendUint64(b, uint64(now))
	made, bound := j.macs(b[at:], addr)
	b = append(b, made[:]...)
	return append(b, bound[:]...)
}

// cookieTime returns when a cookie that check found authentic was made.
func cookieTime(cookie []byte) Time { return Time(binary.BigEndian.Uint64(cookie)) }

func (j *CookieJar) check(cookie []byte, now Time, addr netip.AddrPort) cookieVerdict {
	if len(cookie) != cookieSize {
		return cookieForged
	}
	made, bound := j.macs(cookie[:8], addr)
	if subtle.ConstantTimeCompare(made[:], cookie[8:32]) != 1 {
		return cookieForged
	}
	if age := now.Sub(cookieTime(cookie)); age < 0 || age > cookieLifetime {
		return cookieExpired
	}
	if subtle.ConstantTimeCompare(bound[:], cookie[32:]) != 1 {
		return cookieElsewhere
	}
	return cookieValid
}
