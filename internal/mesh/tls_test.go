package mesh

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority signs certificates for tests.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T, name string) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	tpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	var der []byte
	der, a.key = a.sign(tpl)
	a.cert, _ = x509.ParseCertificate(der)
	a.file = a.write(name+".pem", "CERTIFICATE", der)
	return a
}

func (a *authority) sign(tpl *x509.Certificate) ([]byte, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = tpl, key
	}
	der, err := x509.CreateCertificate(rand.Reader, tpl, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	return der, key
}

func (a *authority) write(name, kind string, der []byte) string {
	file := filepath.Join(a.dir, name)
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return file
}

// issue makes the files of a server: hosts are names and IPs.
func (a *authority) issue(name string, change func(*x509.Certificate), hosts ...string) TLSFiles {
	a.t.Helper()
	tpl := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			tpl.IPAddresses = append(tpl.IPAddresses, ip)
		} else {
			tpl.DNSNames = append(tpl.DNSNames, h)
		}
	}
	if change != nil {
		change(tpl)
	}
	der, key := a.sign(tpl)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	return TLSFiles{a.write(name+".crt", "CERTIFICATE", der), a.write(name+".key", "PRIVATE KEY", keyDER), a.file}
}

func policy(t *testing.T, f TLSFiles) *tlsPolicy {
	t.Helper()
	p, err := newTLS(f)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// shake lets two ends, the server first, talk TLS and then exchange a byte, so that both have judged the
// other.
func shake(t *testing.T, server, client *tls.Config) (states [2]tls.ConnectionState, errs [2]error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan error, 1)
	go func() {
		raw, err := l.Accept()
		if err != nil {
			done <- err
			return
		}
		defer raw.Close()
		raw.SetDeadline(time.Now().Add(5 * time.Second))
		c := tls.Server(raw, server)
		if err = c.Handshake(); err == nil {
			_, err = c.Write([]byte{1})
			states[0] = c.ConnectionState()
		}
		done <- err
	}()
	raw, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	raw.SetDeadline(time.Now().Add(5 * time.Second))
	c := tls.Client(raw, client)
	if errs[1] = c.Handshake(); errs[1] == nil {
		_, errs[1] = c.Read(make([]byte, 1))
		states[1] = c.ConnectionState()
	}
	raw.Close()
	errs[0] = <-done
	return states, errs
}

// Servers with certificates of the same authority are linked when the certificate is for the target as it
// is configured, name or IP.
func TestTLSTrust(t *testing.T) {
	ca, other := newAuthority(t, "ours"), newAuthority(t, "theirs")
	a := policy(t, ca.issue("a", nil, "a.example", "127.0.0.1"))
	b := policy(t, ca.issue("b", nil, "b.example"))
	stranger := other.issue("stranger", nil, "a.example", "127.0.0.1")
	believer := stranger
	believer.CA = ca.file // trusts ours, but its certificate is of another authority
	old := ca.issue("old", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, "a.example")
	for _, c := range []struct {
		name                   string
		server, client         *tls.Config
		serverError, peerError string // "" = linked
	}{
		{"by name", a.accepting(), b.dialling("a.example"), "", ""},
		{"by IP", a.accepting(), b.dialling("127.0.0.1"), "", ""},
		{"another name", a.accepting(), b.dialling("c.example"), "bad certificate", "certificate is valid for a.example, not c.example"},
		{"another IP", b.accepting(), a.dialling("127.0.0.1"), "bad certificate", "doesn't contain any IP SANs"},
		{"expired", policy(t, old).accepting(), b.dialling("a.example"), "bad certificate", "expired"},
		{"dialler of another authority", a.accepting(), policy(t, believer).dialling("a.example"), "unknown authority", "unknown certificate authority"},
		{"acceptor of another authority", policy(t, stranger).accepting(), b.dialling("a.example"), "bad certificate", "unknown authority"},
		{"no certificate", a.accepting(), &tls.Config{RootCAs: b.ca, ServerName: "a.example"}, "didn't provide a certificate", "certificate required"},
		{"TLS 1.2", a.accepting(), &tls.Config{RootCAs: b.ca, ServerName: "a.example", MaxVersion: tls.VersionTLS12, Certificates: []tls.Certificate{b.cert}}, "unsupported versions", "protocol version"},
	} {
		t.Run(c.name, func(t *testing.T) {
			states, errs := shake(t, c.server, c.client)
			for i, want := range []string{c.serverError, c.peerError} {
				if err := errs[i]; (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want %q", err, want)
				}
			}
			if c.serverError != "" {
				return
			}
			one, err := channelBinding(states[0])
			if err != nil {
				t.Fatal(err)
			}
			if two, _ := channelBinding(states[1]); !bytes.Equal(one, two) || len(one) != bindingLength {
				t.Error("the ends do not agree about their connection")
			}
		})
	}
}

// Mistakes in the files are found at the start, by key and file.
func TestTLSFiles(t *testing.T) {
	ca := newAuthority(t, "ours")
	good := ca.issue("good", nil, "a")
	otherKey := ca.issue("other", nil, "a").Key
	clientOnly := ca.issue("client", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }, "a")
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		files TLSFiles
		want  []string
	}{
		{"no authority", TLSFiles{Cert: good.Cert, Key: good.Key}, []string{"servers.tls.ca is missing"}},
		{"only the authority", TLSFiles{CA: good.CA}, []string{"servers.tls.cert is missing"}},
		{"no such certificate", TLSFiles{"/nowhere/c.pem", good.Key, good.CA}, []string{"servers.tls.cert", "/nowhere/c.pem"}},
		{"no such key", TLSFiles{good.Cert, "/nowhere/k.pem", good.CA}, []string{"servers.tls.key", "/nowhere/k.pem"}},
		{"no such authority", TLSFiles{good.Cert, good.Key, "/nowhere/ca.pem"}, []string{"servers.tls.ca", "/nowhere/ca.pem"}},
		{"key of another", TLSFiles{good.Cert, otherKey, good.CA}, []string{"servers.tls.key " + otherKey, good.Cert, "match"}},
		{"empty authority", TLSFiles{good.Cert, good.Key, empty}, []string{"servers.tls.ca " + empty, "no certificate"}},
		{"empty certificate", TLSFiles{empty, good.Key, good.CA}, []string{"servers.tls.cert " + empty}},
		{"one role only", clientOnly, []string{"servers.tls.cert " + clientOnly.Cert, "serverAuth"}},
	} {
		_, err := newTLS(c.files)
		for _, w := range c.want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%s: error %v does not say %q", c.name, err, w)
			}
		}
	}
	if p, err := newTLS(TLSFiles{}); p != nil || err != nil {
		t.Errorf("without files: %v, %v", p, err)
	}
}
