package agents

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
)

// Security is how agent and viewer know each other. The zero value is Plain.
type Security struct {
	way  way
	from string // which file, for people
	keys []fleetKey
	pki  *pki
}

type way uint8

const (
	plain way = iota
	insecureWay
	tokenWay
	pkiWay
)

type pki struct {
	cert  tls.Certificate
	roots *x509.CertPool
}

// Plain is TCP without TLS, for loopback only: an agent listens on no other
// address with it, and a viewer takes nothing from one.
func Plain() Security { return Security{} }

// Insecure is TCP without TLS on any address.
func Insecure() Security { return Security{way: insecureWay} }

// WithToken is mutual TLS by the fleet token in the file at path. Of a folder
// of tokens an agent accepts each, and a viewer presents the first by name.
func WithToken(path string) (Security, error) {
	keys, err := readTokens(path)
	if err != nil {
		return Security{}, err
	}
	return Security{way: tokenWay, from: path, keys: keys}, nil
}

// WithPKI is mutual TLS by certificates of the user's own: PEM files with a
// certificate (chain), its key, and the authorities that sign those of peers.
func WithPKI(cert, key, ca string) (Security, error) {
	for _, f := range []struct{ what, path string }{{"certificate", cert}, {"key", key}, {"authority", ca}} {
		if f.path == "" {
			return Security{}, fmt.Errorf("own certificates need three files: the %s is missing", f.what)
		}
	}
	read := func(what, path string) ([]byte, error) {
		info, err := os.Stat(path)
		if err == nil && (!info.Mode().IsRegular() || info.Size() > 1<<20) {
			err = errors.New("not a file of at most 1 MiB")
		}
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", what, path, cause(err))
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", what, path, cause(err))
		}
		if p, _ := pem.Decode(b); p == nil {
			return nil, fmt.Errorf("%s %s: not a PEM file: it should begin with -----BEGIN", what, path)
		}
		return b, nil
	}
	certPEM, err := read("certificate", cert)
	if err != nil {
		return Security{}, err
	}
	keyPEM, err := read("key", key)
	if err != nil {
		return Security{}, err
	}
	caPEM, err := read("authority", ca)
	if err != nil {
		return Security{}, err
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return Security{}, fmt.Errorf("certificate %s with key %s: %w", cert, key, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(caPEM) {
		return Security{}, fmt.Errorf("authority %s: no certificate in it", ca)
	}
	return Security{way: pkiWay, from: cert, pki: &pki{pair, roots}}, nil
}

// String is the security in words, for a log and for screens.
func (s Security) String() string {
	switch s.way {
	case insecureWay:
		return "INSECURE: no TLS, whoever reaches the port may read"
	case tokenWay:
		if len(s.keys) > 1 {
			return fmt.Sprintf("mutual TLS by %d fleet tokens of %s", len(s.keys), s.from)
		}
		return "mutual TLS by the fleet token " + s.from
	case pkiWay:
		return "mutual TLS by the certificate " + s.from
	default:
		return "no TLS, loopback only"
	}
}

// Insecure tells that numbers cross a network that others may read or change.
func (s Security) Insecure() bool { return s.way == insecureWay }

func (s Security) tls() bool { return s.way == tokenWay || s.way == pkiWay }

// CheckListen refuses an address that is not one, and any but loopback as long
// as nobody decided who may read: the error names the three ways.
func CheckListen(addr string, s Security) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%q is not host:port, such as 127.0.0.1:%s", addr, DefaultPort)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || port[0] == '+' {
		return fmt.Errorf("port %q: give one from 1 to 65535, or 0 for any that is free", port)
	} else if n == 0 && port != "0" {
		return fmt.Errorf("port %q: give one from 1 to 65535, or 0 for any that is free", port)
	}
	if s.way != plain || loopback(host) {
		return nil
	}
	return fmt.Errorf("%s is not loopback, and without one of three ways anybody could read this machine's numbers: "+
		"a fleet token (run `capmon token new` once and copy the file to every machine), "+
		"your own PKI (--tls-cert, --tls-key and --tls-ca), or --insecure", addr)
}

// loopback tells that host is this machine and no other.
func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// errForeignKey is a peer whose certificate carries another key than ours.
var errForeignKey = errors.New("its certificate carries another key than our token's")

// sameKey checks that the peer's certificate carries exactly key. TLS has
// already proved that the peer holds it.
func sameKey(key ed25519.PublicKey) func(tls.ConnectionState) error {
	return func(c tls.ConnectionState) error {
		if len(c.PeerCertificates) == 1 {
			if k, ok := c.PeerCertificates[0].PublicKey.(ed25519.PublicKey); ok && subtle.ConstantTimeCompare(k, key) == 1 {
				return nil
			}
		}
		return errForeignKey
	}
}

// certificate wraps the key of a token for TLS. Nobody looks at anything in it
// but the key; it tells nothing else.
func (k fleetKey) certificate() (tls.Certificate, error) {
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Unix(0, 0),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), // "none", RFC 5280 4.1.2.5
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, k.public, k.private)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate of the token: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: k.private}, nil
}

var errUnknownKey = errors.New("it asks for a token that is not ours")

// clientTLS is what a viewer dials with; nil for no TLS. host is the name that
// the certificate of a PKI must be for.
func (s Security) clientTLS(host string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: []string{"h2"}, SessionTicketsDisabled: true}
	switch s.way {
	case tokenWay:
		cert, err := s.keys[0].certificate()
		if err != nil {
			return nil, err
		}
		c.Certificates = []tls.Certificate{cert}
		c.ServerName = s.keys[0].name
		c.InsecureSkipVerify = true // no authority and no names: the key itself is compared
		c.VerifyConnection = sameKey(s.keys[0].public)
	case pkiWay:
		c.Certificates = []tls.Certificate{s.pki.cert}
		c.RootCAs = s.pki.roots
		c.ServerName = host
	default:
		return nil, nil
	}
	return c, nil
}

// serverTLS is what an agent listens with; nil for no TLS. A token's
// certificate is shown only to who asks for it by name.
func (s Security) serverTLS() (*tls.Config, error) {
	base := func(certs ...tls.Certificate) *tls.Config {
		return &tls.Config{
			MinVersion: tls.VersionTLS13, NextProtos: []string{"h2"}, SessionTicketsDisabled: true,
			Certificates: certs,
		}
	}
	switch s.way {
	case tokenWay:
		byName := make(map[string]*tls.Config, len(s.keys))
		for _, k := range s.keys {
			cert, err := k.certificate()
			if err != nil {
				return nil, err
			}
			c := base(cert)
			c.ClientAuth = tls.RequireAnyClientCert
			c.VerifyConnection = sameKey(k.public)
			byName[k.name] = c
		}
		c := base()
		c.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			if c := byName[h.ServerName]; c != nil {
				return c, nil
			}
			return nil, errUnknownKey
		}
		return c, nil
	case pkiWay:
		c := base(s.pki.cert)
		c.ClientAuth = tls.RequireAndVerifyClientCert
		c.ClientCAs = s.pki.roots
		return c, nil
	default:
		return nil, nil
	}
}
