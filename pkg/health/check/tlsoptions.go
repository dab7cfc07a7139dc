package check

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
)

// TLSOptions are the fields that every kind with TLS shares. The server's
// certificate is verified unless Verify says no.
type TLSOptions struct {
	Verify     *bool  `toml:"verify" json:"verify,omitempty"`           // nil is true
	ServerName string `toml:"server_name" json:"server_name,omitempty"` // SNI, and the name to verify; default: the host of the check, else the address
	CAFile     string `toml:"ca_file" json:"ca_file,omitempty"`         // PEM; instead of the system's authorities
	CertFile   string `toml:"cert_file" json:"cert_file,omitempty"`     // PEM; our own certificate, with key_file
	KeyFile    string `toml:"key_file" json:"key_file,omitempty"`
}

// tlsClient is TLSOptions with their files.
type tlsClient struct {
	insecure   bool
	serverName string
	roots      *loaded[*x509.CertPool]   // nil: the system's
	own        *loaded[*tls.Certificate] // nil: none
}

// tls checks the options; host is what the check itself calls the server, or "".
func (b *builder) tls(o TLSOptions, host string) *tlsClient {
	c := &tlsClient{insecure: o.Verify != nil && !*o.Verify, serverName: o.ServerName}
	if c.serverName == "" {
		c.serverName = host
	}
	if o.CAFile != "" {
		c.roots = &loaded[*x509.CertPool]{paths: []string{o.CAFile}, parse: parseRoots}
		b.preflight = append(b.preflight, c.roots.preflight)
	}
	if c.insecure && o.CAFile != "" {
		b.fail("ca_file", "is of no use with verify = false")
	}
	switch {
	case o.CertFile != "" && o.KeyFile != "":
		c.own = &loaded[*tls.Certificate]{paths: []string{o.CertFile, o.KeyFile}, parse: parsePair}
		b.preflight = append(b.preflight, c.own.preflight)
	case o.CertFile != "":
		b.fail("key_file", "is missing: cert_file needs it")
	case o.KeyFile != "":
		b.fail("cert_file", "is missing: key_file needs it")
	}
	return c
}

// optionalTLS is tls where the field tls turns it on; nil is off.
func (b *builder) optionalTLS(on bool, o TLSOptions, host string) *tlsClient {
	if on {
		return b.tls(o, host)
	}
	if o != (TLSOptions{}) {
		b.fail("tls", "is not on, but its options are set")
	}
	return nil
}

func parseRoots(contents [][]byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(contents[0]) {
		return nil, errors.New("no PEM certificate in it")
	}
	return pool, nil
}

func parsePair(contents [][]byte) (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair(contents[0], contents[1])
	return &pair, err
}

// config makes the configuration for a handshake with the target. An address as
// server name is verified against the certificate's addresses; it is not sent,
// because SNI has names only (RFC 6066 section 3).
func (c *tlsClient) config(t Target) (*tls.Config, error) {
	cfg := &tls.Config{
		ServerName: c.serverName,
		// Only by the operator's explicit verify = false.
		InsecureSkipVerify: c.insecure,
	}
	if cfg.ServerName == "" {
		cfg.ServerName = t.Address.String()
	}
	if c.roots != nil {
		roots, err := c.roots.get()
		if err != nil {
			return nil, err
		}
		cfg.RootCAs = roots
	}
	if c.own != nil {
		own, err := c.own.get()
		if err != nil {
			return nil, err
		}
		cfg.Certificates = []tls.Certificate{*own}
	}
	return cfg, nil
}

// handshake puts TLS on a connection; with a nil c the connection stays plain.
// It closes the connection when it fails.
func (c *tlsClient) handshake(ctx context.Context, conn net.Conn, t Target) (net.Conn, error) {
	if c == nil {
		return conn, nil
	}
	cfg, err := c.config(t)
	if err != nil {
		conn.Close()
		return nil, err
	}
	secure := tls.Client(conn, cfg)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("tls handshake with %s: %w", t.addrPort(), cause(err))
	}
	return secure, nil
}

// connect is the package's connect with TLS on it, if c is not nil.
func (c *tlsClient) connect(ctx context.Context, t Target) (net.Conn, error) {
	conn, err := connect(ctx, t)
	if err != nil {
		return nil, err
	}
	return c.handshake(ctx, conn, t)
}
