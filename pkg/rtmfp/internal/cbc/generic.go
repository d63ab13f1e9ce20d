package cbc

import (
	"crypto/aes"
	"crypto/cipher"
)

var zeroIV [aes.BlockSize]byte

// generic is what the standard library can do everywhere, one packet at a time.
type generic struct {
	cipher.BlockMode
}

func newGeneric(key *[KeySize]byte) generic {
	b, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the length is fixed
	}
	return generic{cipher.NewCBCEncrypter(b, zeroIV[:])}
}

func (g generic) encrypt(text []byte) {
	g.BlockMode.(interface{ SetIV([]byte) }).SetIV(zeroIV[:])
	g.CryptBlocks(text, text)
}
