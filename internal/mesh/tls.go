package mesh

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
)

// TLSFiles names the files of servers.tls.*: all three, or none for links in the clear.
type TLSFiles struct{ Cert, Key, CA string }

// tlsPolicy makes links encrypted and both ends prove who they are: TLS 1.3, each shows a certificate
// signed by one of servers.tls.ca. It never changes after newTLS.
type tlsPolicy struct {
	cert tls.Certificate
	ca   *x509.CertPool
}

// newTLS reads the files; nil without any. Errors name the key and the file.
func newTLS(f TLSFiles) (*tlsPolicy, error) {
	if f == (TLSFiles{}) {
		return nil, nil
	}
	for _, k := range [...]struct{ key, file string }{
		{"servers.tls.cert", f.Cert}, {"servers.tls.key", f.Key}, {"servers.tls.ca", f.CA},
	} {
		if k.file == "" {
			return nil, fmt.Errorf("%s is missing: servers.tls needs cert, key and ca", k.key)
		}
	}
	certPEM, err := os.ReadFile(f.Cert)
	if err != nil {
		return nil, fmt.Errorf("servers.tls.cert: %w", err)
	}
	keyPEM, err := os.ReadFile(f.Key)
	if err != nil {
		return nil, fmt.Errorf("servers.tls.key: %w", err)
	}
	p := &tlsPolicy{ca: x509.NewCertPool()}
	if p.cert, err = tls.X509KeyPair(certPEM, keyPEM); err != nil {
		return nil, fmt.Errorf("servers.tls.cert %s with servers.tls.key %s: %w", f.Cert, f.Key, err)
	}
	if err := bothRoles(p.cert.Leaf); err != nil {
		return nil, fmt.Errorf("servers.tls.cert %s: %w", f.Cert, err)
	}
	caPEM, err := os.ReadFile(f.CA)
	if err != nil {
		return nil, fmt.Errorf("servers.tls.ca: %w", err)
	}
	if !p.ca.AppendCertsFromPEM(caPEM) {
		return nil, fmt.Errorf("servers.tls.ca %s: there is no certificate (PEM) in it", f.CA)
	}
	return p, nil
}

var errKeyUsage = errors.New("a server shows it to those it dials as well as to those that dial it: " +
	"its extended key usage must be both clientAuth and serverAuth, or not given")

// bothRoles finds out early what would only show as failed links. RFC 5280 §4.2.1.12
func bothRoles(c *x509.Certificate) error {
	any := len(c.ExtKeyUsage) == 0 && len(c.UnknownExtKeyUsage) == 0 || slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny)
	if !any && !(slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageClientAuth) && slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageServerAuth)) {
		return errKeyUsage
	}
	return nil
}

// accepting is for links that others dial: whoever has a certificate of the authority may connect, as any
// member of the mesh may from any address.
func (p *tlsPolicy) accepting() *tls.Config {
	c := p.base()
	c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, p.ca
	return c
}

// dialling is for a link to a target. The certificate of the other side must be for host as it stands in
// servers.targets: a name among its DNS names, an IP among its IP addresses.
func (p *tlsPolicy) dialling(host string) *tls.Config {
	c := p.base()
	c.RootCAs, c.ServerName = p.ca, host
	// Always shown, even if the other side trusts other authorities only: then its log says so.
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &p.cert, nil }
	return c
}

func (p *tlsPolicy) base() *tls.Config {
	return &tls.Config{
		Certificates:           []tls.Certificate{p.cert},
		MinVersion:             tls.VersionTLS13,
		SessionTicketsDisabled: true, // every link proves itself anew
	}
}

// bindingLength is how much of the secrets of a TLS connection goes into the proofs of servers.secret.
const bindingLength = 32

// channelBinding is a value that only the two ends of this TLS connection know (RFC 9266): a proof made
// over it is worth nothing on another connection.
func channelBinding(s tls.ConnectionState) ([]byte, error) {
	return s.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, bindingLength)
}
