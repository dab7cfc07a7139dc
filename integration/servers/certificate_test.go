package servers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/health/check"
)

// days is how long a certificate of a test is valid.
const days = 10

// certificate is one that is its own authority, in files of the server's.
type certificate struct{ cert, key string }

// newCertificate makes one for www.example.com and a server's address.
func newCertificate(t *testing.T, dir, name string, server check.Target) certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(days*24*time.Hour + time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		DNSNames:              []string{"www.example.com"},
		IPAddresses:           []net.IP{server.Address.AsSlice()},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return certificate{
		cert: file(t, dir, name+".crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))),
		key:  file(t, dir, name+".key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))),
	}
}

// trusted verifies the server's certificate with it as the authority.
func (c certificate) trusted() check.TLSOptions { return check.TLSOptions{CAFile: c.cert} }

// named expects the certificate to be for another name.
func (c certificate) named(name string) check.TLSOptions {
	return check.TLSOptions{CAFile: c.cert, ServerName: name}
}

// The reasons why a certificate of these tests is not accepted.
const (
	unknownAuthority = "tls: failed to verify certificate: x509: certificate signed by unknown authority…"
	otherName        = "tls: failed to verify certificate: x509: certificate is valid for www.example.com, not mail.example.net"
)
