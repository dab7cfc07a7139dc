package check

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"
)

// pki is a certificate that is its own authority.
type pki struct {
	pair        tls.Certificate
	cert, key   string // PEM
	caFile      string
	certificate *x509.Certificate
}

// newPKI makes a certificate for a name or an address that is valid for so long.
func newPKI(t *testing.T, host string, valid time.Duration) pki {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: host},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(valid),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p := pki{
		cert: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		key:  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})),
	}
	if p.pair, err = tls.X509KeyPair([]byte(p.cert), []byte(p.key)); err != nil {
		t.Fatal(err)
	}
	p.certificate = p.pair.Leaf
	p.caFile = file(t, p.cert, 0o644)
	return p
}

// over puts TLS under a handler.
func (p pki) over(handle func(net.Conn)) func(net.Conn) {
	return func(c net.Conn) {
		secure := tls.Server(c, p.server())
		if secure.Handshake() == nil {
			handle(secure)
		}
	}
}

func (p pki) server() *tls.Config { return &tls.Config{Certificates: []tls.Certificate{p.pair}} }

func (p pki) trusted() TLSOptions { return TLSOptions{CAFile: p.caFile} }
