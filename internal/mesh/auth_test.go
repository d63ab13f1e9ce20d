package mesh

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	keyOne = bytes.Repeat([]byte{1}, 32)
	keyTwo = bytes.Repeat([]byte{2}, 32)
)

// authRun lets two servers exchange hellos; between may change them. It returns what each said and how it
// ended.
func authRun(c, a *auth, between func(from role, f *authFields)) (said [2][]authFields, errs [2]error) {
	ends := [2]*auth{c, a}
	f, from := c.start(), connector
	for range 8 {
		said[from] = append(said[from], f)
		if between != nil {
			between(from, &f)
		}
		to := 1 - from
		reply, err := ends[to].receive(f)
		if err != nil {
			errs[to] = err
			return
		}
		if reply == (authFields{}) {
			return
		}
		f, from = reply, to
	}
	return
}

func TestAuthProves(t *testing.T) {
	for _, key := range [][]byte{nil, keyOne} {
		c, a := newAuth(key, connector, "c", nil), newAuth(key, acceptor, "a", nil)
		said, errs := authRun(c, a, nil)
		if errs != [2]error{} || !c.proven() && key != nil || !a.proven() {
			t.Fatalf("key %x: connector %v, acceptor %v, said %+v", key, errs[connector], errs[acceptor], said)
		}
		if key != nil && a.peer+c.peer != "ca" {
			t.Errorf("the acceptor talks to %q, the connector to %q", a.peer, c.peer)
		}
	}
	// Without a secret the connector hears the acceptor's hello, which says nothing of one.
	c := newAuth(nil, connector, "c", nil)
	c.start()
	if _, err := c.receive(authFields{}); err != nil || !c.proven() {
		t.Errorf("a server that knows nothing of secrets: %v", err)
	}
}

// The connector tells nothing but its number before the acceptor's answer, and whoever dials gets no proof
// before it has given one.
func TestAuthOrderOfProofs(t *testing.T) {
	c, a := newAuth(keyOne, connector, "c", nil), newAuth(keyOne, acceptor, "a", nil)
	said, _ := authRun(c, a, nil)
	var shape [2][]string
	for r, list := range said {
		for _, f := range list {
			shape[r] = append(shape[r], map[bool]string{true: "proof"}[f.proof != ""]+map[bool]string{true: "challenge"}[f.challenge != ""])
		}
	}
	want := [2][]string{{"challenge", "proof"}, {"challenge", "proof"}}
	if diff := cmp.Diff(want, shape); diff != "" {
		t.Error(diff)
	}
	if c.proven() == false || a.proven() == false {
		t.Error("not proven in the end")
	}
}

// A server with a secret refuses one without, in both directions, C++ MonaServer 1.x included, and both
// logs say why.
func TestAuthOneSecret(t *testing.T) {
	plain := map[string]authFields{"Go": {id: "x"}, "C++": {}}
	for name, f := range plain {
		a := newAuth(keyOne, acceptor, "a", nil)
		if _, err := a.receive(f); !errors.Is(err, errOneSecret) || a.proven() {
			t.Errorf("%s connector without secret: %v", name, err)
		}
		c := newAuth(keyOne, connector, "c", nil)
		c.start()
		if _, err := c.receive(f); !errors.Is(err, errOneSecret) || c.proven() {
			t.Errorf("%s acceptor without secret: %v", name, err)
		}
	}
	_, errs := authRun(newAuth(keyOne, connector, "c", nil), newAuth(nil, acceptor, "a", nil), nil)
	if !errors.Is(errs[acceptor], errOneSecret) {
		t.Errorf("acceptor without secret: %v", errs)
	}
	if !strings.Contains(errOneSecret.Error(), "servers.secret") {
		t.Error("the text does not name the key")
	}
}

func TestAuthWrongSecret(t *testing.T) {
	c, a := newAuth(keyOne, connector, "c", nil), newAuth(keyTwo, acceptor, "a", nil)
	said, errs := authRun(c, a, nil)
	if !errors.Is(errs[acceptor], errSecret) || a.proven() || c.proven() {
		t.Errorf("%v", errs)
	}
	for _, f := range said[acceptor] {
		if f.proof != "" {
			t.Error("the acceptor gave a proof to one that has a wrong secret")
		}
	}
	// An acceptor that only pretends.
	c, a = newAuth(keyOne, connector, "c", nil), newAuth(keyOne, acceptor, "a", nil)
	_, errs = authRun(c, a, func(from role, f *authFields) {
		if from == acceptor && f.proof != "" {
			f.proof = encodeProof(make([]byte, 32))
		}
	})
	if !errors.Is(errs[connector], errSecret) || c.proven() {
		t.Errorf("a false acceptor: %v", errs)
	}
}

// Nothing that passes between the two may be changed, and each part of what a proof covers matters.
func TestAuthTampering(t *testing.T) {
	other := encodeProof(bytes.Repeat([]byte{9}, challengeBytes))
	for name, change := range map[string]func(from role, f *authFields){
		"connector's challenge": func(r role, f *authFields) {
			if r == connector && f.challenge != "" {
				f.challenge = other
			}
		},
		"acceptor's challenge": func(r role, f *authFields) {
			if r == acceptor && f.challenge != "" {
				f.challenge = other
			}
		},
		"connector's id": func(r role, f *authFields) {
			if r == connector && f.challenge != "" {
				f.id = "x"
			}
		},
		"acceptor's id": func(r role, f *authFields) {
			if r == acceptor && f.challenge != "" {
				f.id = "x"
			}
		},
	} {
		c, a := newAuth(keyOne, connector, "c", nil), newAuth(keyOne, acceptor, "a", nil)
		if _, errs := authRun(c, a, change); !errors.Is(errs[acceptor], errSecret) || a.proven() || c.proven() {
			t.Errorf("%s changed: %v", name, errs)
		}
	}
	c, a := newAuth(keyOne, connector, "c", []byte("one")), newAuth(keyOne, acceptor, "a", []byte("two"))
	if _, errs := authRun(c, a, nil); !errors.Is(errs[acceptor], errSecret) {
		t.Errorf("passed on between two TLS channels: %v", errs)
	}
}

// Who does not know the secret cannot have a server prove it for him: not by sending its own hellos back, on
// this connection or on one in the other direction.
func TestAuthReflection(t *testing.T) {
	// As acceptor, towards a connector that hears itself.
	c := newAuth(keyOne, connector, "v", nil)
	if _, err := c.receive(c.start()); !errors.Is(err, errAuthMySelf) {
		t.Errorf("own hello sent back: %v", err)
	}
	// With another name: the connector's proof comes back as the acceptor's.
	c = newAuth(keyOne, connector, "v", nil)
	f := c.start()
	f.id = "m"
	reply, err := c.receive(f)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.receive(authFields{id: "m", proof: reply.proof}); !errors.Is(err, errSecret) || c.proven() {
		t.Errorf("own proof sent back: %v", err)
	}
	// The victim dials m, and m dials the victim: what the one end proves is shown to the other.
	for _, id := range []string{"m", "v"} {
		out, in := newAuth(keyOne, connector, "v", nil), newAuth(keyOne, acceptor, "v", nil)
		hello := out.start()
		hello.id = id
		answer, err := in.receive(hello)
		if id == "v" {
			if !errors.Is(err, errAuthMySelf) {
				t.Errorf("under the victim's own name: %v", err)
			}
			continue
		}
		answer.id = "m"
		proof, err := out.receive(answer)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := in.receive(proof); !errors.Is(err, errSecret) || in.proven() {
			t.Errorf("a proof from the other direction: %v", err)
		}
	}
	// A proof of an earlier connection.
	c, a := newAuth(keyOne, connector, "c", nil), newAuth(keyOne, acceptor, "a", nil)
	said, _ := authRun(c, a, nil)
	again := newAuth(keyOne, acceptor, "a", nil)
	if _, err := again.receive(said[connector][0]); err != nil {
		t.Fatal(err)
	}
	if _, err := again.receive(said[connector][1]); !errors.Is(err, errSecret) {
		t.Errorf("a proof of an earlier connection: %v", err)
	}
}

// Hellos out of order, with too little or too much in them.
func TestAuthSteps(t *testing.T) {
	challenge := encodeProof(make([]byte, challengeBytes))
	for name, steps := range map[string][]authFields{
		"proof at once":          {{id: "c", proof: "x"}},
		"challenge twice":        {{id: "c", challenge: challenge}, {id: "c", challenge: challenge}},
		"parameters in between":  {{id: "c", challenge: challenge}, {}},
		"challenge too short":    {{id: "c", challenge: "AAAA"}},
		"challenge is no base64": {{id: "c", challenge: strings.Repeat("*", len(challenge))}},
		"no id":                  {{challenge: challenge}},
		"endless id":             {{id: strings.Repeat("x", 70000), challenge: challenge}},
		"both at once":           {{id: "c", challenge: challenge, proof: "x"}},
	} {
		a := newAuth(keyOne, acceptor, "a", nil)
		var err error
		for _, f := range steps {
			_, err = a.receive(f)
		}
		if err == nil || a.proven() {
			t.Errorf("%s: %v", name, err)
			continue
		}
		// It stays refused.
		if _, err := a.receive(authFields{id: "c", challenge: challenge}); err == nil {
			t.Errorf("%s: forgiven", name)
		}
	}
}

func TestDeriveKey(t *testing.T) {
	one, err := deriveKey("tiger")
	if err != nil || len(one) != 32 {
		t.Fatalf("%d bytes, %v", len(one), err)
	}
	if two, _ := deriveKey("tiger "); bytes.Equal(one, two) {
		t.Error("two secrets have one key")
	}
	if again, _ := deriveKey("tiger"); !bytes.Equal(one, again) {
		t.Error("two servers make different keys of one secret")
	}
	if none, err := deriveKey(""); none != nil || err != nil {
		t.Errorf("no secret: %x, %v", none, err)
	}
}

// FuzzAuth gives both ends anything: without the secret nothing is ever proven, and the length of an answer
// does not depend on what was sent.
func FuzzAuth(f *testing.F) {
	f.Add(true, "c", encodeProof(make([]byte, challengeBytes)), "", "", "", "p")
	f.Add(false, "a", encodeProof(make([]byte, challengeBytes)), "", "", "", "p")
	f.Fuzz(func(t *testing.T, dials bool, id, challenge, proof, id2, challenge2, proof2 string) {
		a := newAuth(keyOne, acceptor, "me", nil)
		if dials {
			a = newAuth(keyOne, connector, "me", nil)
			a.start()
		}
		for _, in := range []authFields{{id, challenge, proof}, {id2, challenge2, proof2}} {
			reply, _ := a.receive(in)
			if a.proven() {
				t.Fatal("proven without the secret")
			}
			if len(reply.challenge)+len(reply.proof) > 2*challengeBytes {
				t.Fatalf("answer %+v", reply)
			}
		}
	})
}

func BenchmarkAuth(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		authRun(newAuth(keyOne, connector, "c", nil), newAuth(keyOne, acceptor, "a", nil), nil)
	}
}
