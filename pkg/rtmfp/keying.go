package rtmfp

import (
	"crypto/sha256"
	"io"
)

// sessionKeys is the result of a key agreement.
type sessionKeys struct {
	send *sendKey
	recv *recvKey
	// nearNonce and farNonce are for applications, for example proofs of passwords.
	nearNonce, farNonce [sha256.Size]byte
	agreement           agreement
}

// deriveKeys makes the keys of the end whose component is near, initiator or responder (RFC 7425
// §4.6).
func deriveKeys(secret, near, far []byte, a agreement) *sessionKeys {
	k := &sessionKeys{agreement: a}

	inner := hmacSum(far, near)
	sum := hmacSum(secret, inner[:])
	mac := hmacSum(secret, sum[:])
	k.send = newSendKey(sum[:aesKeyLen], mac[:], a.sendHMAC, a.sendSSEQ)

	inner = hmacSum(near, far)
	sum = hmacSum(secret, inner[:])
	mac = hmacSum(secret, sum[:])
	k.recv = newRecvKey(sum[:aesKeyLen], mac[:], a.recvHMAC, a.recvSSEQ)

	k.nearNonce = hmacSum(secret, near)
	k.farNonce = hmacSum(secret, far)
	clear(sum[:])
	clear(mac[:])
	return k
}

// initiatorKeying is the initiator's half of a key agreement, between IIKeying and RIKeying.
type initiatorKeying struct {
	skic   []byte // sent as is: the keys depend on every byte
	near   keyComponent
	group  uint64
	pair   *dhKeyPair // of the identity, or ephemeral
	source keyPairSource
	far    *certificate
	sec    Security
}

// newInitiatorKeying chooses the group, the first of id's that the responder supports, and builds the
// SKIC. It is expensive if id is ephemeral.
func newInitiatorKeying(rand io.Reader, id *Identity, responderCert *certificate, sec Security) (*initiatorKeying, error) {
	ik := &initiatorKeying{far: responderCert, sec: sec, group: id.commonGroup(responderCert)}
	if ik.group == 0 {
		return nil, errGroup
	}
	ik.near = keyComponent{
		hmac: sec.hmac().offer(), hmacLen: uint64(sec.hmacLength()),
		sseq: sec.sseq().offer(),
	}
	if id.isStatic() {
		ik.pair = id.staticPair(ik.group)
		var err error
		ik.skic = appendGroup(nil, keyOptionGroup, ik.group)
		if ik.skic, err = appendRandom(ik.skic, rand); err != nil {
			return nil, err
		}
	} else {
		kp, err := id.ephemeral.acquire(rand, ik.group, nil)
		if err != nil {
			return nil, err
		}
		ik.pair, ik.source = kp, id.ephemeral
		ik.skic = appendGroupKey(nil, keyOptionPublicKey, ik.group, kp.public)
	}
	ik.skic = ik.near.appendNegotiation(ik.skic)
	return ik, nil
}

// finish computes the session keys from the responder's SKRC. Anybody can forge an RIKeying, so finish
// may fail and be called again with another. It is expensive.
func (ik *initiatorKeying) finish(skrc []byte) (*sessionKeys, error) {
	far, err := parseKeyComponent(skrc)
	if err != nil {
		return nil, err
	}
	a, ok := agree(&ik.sec, &ik.near, far)
	if !ok {
		return nil, errKeying
	}
	public := ik.far.staticKey(ik.group)
	if public == nil {
		if !far.hasPublic || far.publicGroup != ik.group {
			return nil, errKeying
		}
		public = far.public
	}
	secret, err := sharedSecret(ik.pair, public)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	return deriveKeys(secret, ik.skic, skrc, a), nil
}

// wipe gives up an ephemeral private key, after which finish must not be called.
func (ik *initiatorKeying) wipe() {
	if ik.source != nil {
		ik.source.release(ik.pair)
		ik.source = nil
	}
}

// respondKeying answers an initiator's certificate and SKIC with an SKRC and the session keys. Each call
// returns a different answer to the same SKIC, so the caller keeps the first. It is expensive unless it
// fails, for cheap reasons are checked first.
func respondKeying(rand io.Reader, id *Identity, initiatorCert *certificate, skic []byte, sec Security) (skrc []byte, k *sessionKeys, err error) {
	rk, err := newResponderKeying(id, initiatorCert, skic, sec)
	if err != nil {
		return nil, nil, err
	}
	return rk.finish(rand)
}

// responderKeying is the responder's part of a key agreement as far as it costs nothing.
type responderKeying struct {
	id        *Identity
	skic      []byte
	near      keyComponent
	agreement agreement
	group     uint64
	public    []byte // the initiator's; may alias its certificate or SKIC
}

// newResponderKeying checks an initiator's certificate and SKIC, which it keeps.
func newResponderKeying(id *Identity, initiatorCert *certificate, skic []byte, sec Security) (*responderKeying, error) {
	far, err := parseKeyComponent(skic)
	if err != nil {
		return nil, err
	}
	rk := &responderKeying{id: id, skic: skic}
	var ok bool
	if rk.near, ok = answerComponent(&sec, far); !ok {
		return nil, errKeying
	}
	if rk.agreement, ok = agree(&sec, &rk.near, far); !ok {
		return nil, errKeying
	}
	if rk.group, rk.public, err = initiatorPublic(initiatorCert, far); err != nil {
		return nil, err
	}
	if id.isStatic() && id.staticPair(rk.group) == nil || !id.isStatic() && !id.cert.supports(rk.group) {
		return nil, errGroup
	}
	return rk, nil
}

// finish makes the answer and the keys. It is expensive.
func (rk *responderKeying) finish(rand io.Reader) (skrc []byte, k *sessionKeys, err error) {
	id := rk.id
	skrc = rk.near.appendNegotiation(nil)
	pair := id.staticPair(rk.group)
	if id.isStatic() {
		if skrc, err = appendRandom(skrc, rand); err != nil {
			return nil, nil, err
		}
	} else {
		if pair, err = id.ephemeral.acquire(rand, rk.group, rk.skic); err != nil {
			return nil, nil, err
		}
		defer id.ephemeral.release(pair)
		skrc = appendGroupKey(skrc, keyOptionPublicKey, rk.group, pair.public)
	}
	secret, err := sharedSecret(pair, rk.public)
	if err != nil {
		return nil, nil, err
	}
	defer clear(secret)
	return skrc, deriveKeys(secret, skrc, rk.skic, rk.agreement), nil
}

// answerComponent returns the responder's side of the negotiation.
func answerComponent(sec *Security, far *keyComponent) (near keyComponent, ok bool) {
	if near.hmac, ok = sec.hmac().answer(far.hmac); !ok {
		return keyComponent{}, false
	}
	if near.sseq, ok = sec.sseq().answer(far.sseq); !ok {
		return keyComponent{}, false
	}
	if near.hmac != 0 {
		near.hmacLen = uint64(sec.hmacLength())
	}
	return near, true
}

// initiatorPublic returns the initiator's public key: from its certificate, by the group its SKIC
// selects, or else from the SKIC (RFC 7425 §4.6).
func initiatorPublic(cert *certificate, skic *keyComponent) (group uint64, public []byte, err error) {
	if len(cert.static) == 0 {
		if !skic.hasPublic {
			return 0, nil, errKeying
		}
		group, public = skic.publicGroup, skic.public
	} else {
		if !skic.hasGroup {
			return 0, nil, errKeying
		}
		group = skic.group
		if public = cert.staticKey(group); public == nil {
			return 0, nil, errGroup
		}
	}
	return group, public, checkPublicKey(group, public)
}

// appendRandom appends the option that makes a component without a public key unique.
func appendRandom(b []byte, rand io.Reader) ([]byte, error) {
	var unique [randomnessLen]byte
	if _, err := io.ReadFull(rand, unique[:]); err != nil {
		return nil, err
	}
	return appendOption(b, keyOptionRandom, unique[:]), nil
}
