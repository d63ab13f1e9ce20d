package mesh

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"

	"golang.org/x/crypto/scrypt"
)

// Two servers with servers.secret prove to each other that they know it before either tells anything about
// itself. The proofs travel as pairs of hellos, so that a server that knows nothing of them still
// understands the answer, a reject:
//
//	connector                                   acceptor
//	hello node.id, node.challenge ──────────►
//	                              ◄──────────  hello node.id, node.challenge
//	hello node.proof              ──────────►
//	                              ◄──────────  hello node.proof and parameters
//	hello parameters              ──────────►
//
// The connector proves itself first: whoever reaches the port of a server gets nothing from it against which
// passwords could be tried. A proof is
//
//	HMAC-SHA256(key, label of the prover's role ‖ each of: connector's challenge, acceptor's challenge,
//	            connector's id, acceptor's id, channel binding, with its length (u16) before it)
//
// so that it is good for nothing on another connection, in the other direction or, over TLS, on another
// channel. Who has no secret takes part too: it finds out that the other side has one.
type auth struct {
	key     []byte // nil = no secret
	role    role
	step    authStep
	self    string // node.id
	binding []byte
	mine    string // challenges
	theirs  string
	peer    string // node.id of the other side
}

// role is the part of this server in a link.
type role uint8

const (
	connector role = iota // dials and speaks first
	acceptor
)

// Keys of the pairs in a hello.
const (
	keyNodeID    = "node.id"
	keyChallenge = "node.challenge"
	keyProof     = "node.proof"
)

// authFields is what a hello says about the secret, "" for what it does not have.
type authFields struct{ id, challenge, proof string }

// Errors of the exchange: their texts go into the logs of both sides.
var (
	errOneSecret  = errors.New("servers.secret is set on only one of the two servers")
	errSecret     = errors.New("servers.secret is not the same on the two servers")
	errAuthSteps  = errors.New("hellos that prove servers.secret came out of order")
	errAuthMySelf = errors.New("the server is connected to itself")
)

type authStep uint8

const (
	authIdle      authStep = iota
	authChallenge          // sent the challenge, waits for the other's (connector) or for the proof (acceptor)
	authProof              // connector: sent the proof, waits for the other's
	authDone
	authFailed
)

const (
	challengeBytes = 32
	maxNodeID      = 64
)

// deriveKey makes a key of servers.secret, nil of "". It takes about 0.1 s and 32 MiB, once per process: as
// much for each password that somebody tries.
func deriveKey(secret string) ([]byte, error) {
	if secret == "" {
		return nil, nil
	}
	// No salt of its own: two servers share nothing but the secret when they first meet.
	return scrypt.Key([]byte(secret), []byte("MonaServer servers.secret 1"), 1<<15, 8, 1, sha256.Size)
}

// newAuth begins the exchange of a connection. self is the node.id of this server, binding that of the TLS
// channel or nil.
func newAuth(key []byte, r role, self string, binding []byte) *auth {
	a := &auth{key: key, role: r, self: self, binding: binding}
	if key != nil {
		var b [challengeBytes]byte
		rand.Read(b[:])
		a.mine = encodeProof(b[:])
	}
	return a
}

// start is what the connector's first hello says. With a secret the hello says nothing else.
func (a *auth) start() authFields {
	f := authFields{id: a.self}
	if a.key != nil {
		f.challenge = a.mine
		a.step = authChallenge
	}
	return f
}

// proven reports that the other side may be told everything and be heard.
func (a *auth) proven() bool { return a.step == authDone }

// receive takes what a hello says. When proven is true afterwards this hello's parameters count, unless it
// says otherwise below; a reply that is not empty is to be sent as a hello:
//
//   - no secret on either side: proven at once, no reply;
//   - connector, first answer: not proven, the reply is all the hello says;
//   - connector, second answer: proven, its own hello with parameters is due;
//   - acceptor, challenge: not proven, the reply is all the hello says;
//   - acceptor, proof: proven, the reply goes into the hello with parameters; those of the connector come
//     with its next hello.
//
// After an error the connection is to be rejected with the text of the error.
func (a *auth) receive(f authFields) (reply authFields, err error) {
	reply, err = a.advance(f)
	if err != nil {
		a.step = authFailed
		return authFields{}, err
	}
	return reply, nil
}

func (a *auth) advance(f authFields) (reply authFields, err error) {
	if a.key == nil {
		if f.challenge != "" || f.proof != "" || a.step == authFailed {
			return reply, errOneSecret
		}
		a.peer, a.step = f.id, authDone
		return reply, nil
	}
	switch {
	case a.step == authIdle && a.role == acceptor, a.step == authChallenge && a.role == connector:
		if f.challenge == "" {
			return reply, errOneSecret
		}
		if !validChallenge(f.challenge) || f.id == "" || len(f.id) > maxNodeID || f.proof != "" {
			return reply, errAuthSteps
		}
		if f.id == a.self {
			return reply, errAuthMySelf
		}
		a.peer, a.theirs = f.id, f.challenge
		if a.role == acceptor {
			a.step = authChallenge
			return authFields{id: a.self, challenge: a.mine}, nil
		}
		a.step = authProof
		return authFields{proof: a.prove(connector)}, nil
	case a.step == authChallenge, a.step == authProof: // the other's proof is due
		if f.proof == "" {
			return reply, errAuthSteps
		}
		if !hmac.Equal([]byte(f.proof), []byte(a.prove(1-a.role))) {
			return reply, errSecret
		}
		a.step = authDone
		if a.role == acceptor {
			reply = authFields{id: a.self, proof: a.prove(acceptor)}
		}
		return reply, nil
	}
	return reply, errAuthSteps
}

var proofLabels = [...]string{connector: "MonaServer mesh 1 connector", acceptor: "MonaServer mesh 1 acceptor"}

// prove makes the proof of the server in a role.
func (a *auth) prove(r role) string {
	challenges, ids := [2]string{a.mine, a.theirs}, [2]string{a.self, a.peer}
	if a.role == acceptor {
		challenges, ids = [2]string{a.theirs, a.mine}, [2]string{a.peer, a.self}
	}
	h := hmac.New(sha256.New, a.key)
	for _, part := range [...]string{proofLabels[r], challenges[0], challenges[1], ids[0], ids[1], string(a.binding)} {
		h.Write(binary.BigEndian.AppendUint16(nil, uint16(len(part))))
		h.Write([]byte(part))
	}
	return encodeProof(h.Sum(nil))
}

func encodeProof(b []byte) string { return base64.RawStdEncoding.EncodeToString(b) }

func validChallenge(s string) bool {
	b, err := base64.RawStdEncoding.DecodeString(s)
	return err == nil && len(b) == challengeBytes
}
