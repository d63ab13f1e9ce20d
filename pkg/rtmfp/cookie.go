package rtmfp

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
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

func (j *CookieJar) mac(dst []byte, stamp []byte, addr netip.AddrPort) {
	var msg [32]byte
	n := copy(msg[:], stamp)
	if addr.IsValid() {
		a := addr.Addr().Unmap().As16()
		n += copy(msg[n:], a[:])
		binary.BigEndian.PutUint16(msg[n:], addr.Port())
		n += 2
	}
	m := hmac.New(sha256.New, j.secret[:])
	m.Write(msg[:n])
	var sum [sha256.Size]byte
	copy(dst, m.Sum(sum[:0]))
}

// make appends a cookie for addr to b.
func (j *CookieJar) make(b []byte, now Time, addr netip.AddrPort) []byte {
	var c [cookieSize]byte
	binary.BigEndian.PutUint64(c[:8], uint64(now))
	j.mac(c[8:32], c[:8], netip.AddrPort{})
	j.mac(c[32:], c[:8], addr)
	return append(b, c[:]...)
}

// cookieTime returns when a cookie that check found authentic was made.
func cookieTime(cookie []byte) Time { return Time(binary.BigEndian.Uint64(cookie)) }

func (j *CookieJar) check(cookie []byte, now Time, addr netip.AddrPort) cookieVerdict {
	if len(cookie) != cookieSize {
		return cookieForged
	}
	var want [32]byte
	j.mac(want[:24], cookie[:8], netip.AddrPort{})
	if !hmac.Equal(want[:24], cookie[8:32]) {
		return cookieForged
	}
	if age := now.Sub(cookieTime(cookie)); age < 0 || age > cookieLifetime {
		return cookieExpired
	}
	j.mac(want[:], cookie[:8], addr)
	if !hmac.Equal(want[:], cookie[32:]) {
		return cookieElsewhere
	}
	return cookieValid
}
