package agents

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
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func newTokenFile(t testing.TB, names ...string) string {
	t.Helper()
	path := filepath.Join(append([]string{t.TempDir()}, names...)...)
	if err := NewToken(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func withToken(t testing.TB, path string) Security {
	t.Helper()
	sec, err := WithToken(path)
	if err != nil {
		t.Fatal(err)
	}
	return sec
}

// authority signs certificates for tests.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	a.cert, a.key = a.sign(t, "ca", &x509.Certificate{
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotAfter: time.Now().Add(time.Hour),
	})
	return a
}

func (a *authority) sign(t testing.TB, name string, c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber, c.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: name}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	a.write(t, name+".pem", "CERTIFICATE", der)
	a.write(t, name+".key", "PRIVATE KEY", keyDER)
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

func (a *authority) write(t testing.TB, name, kind string, b []byte) {
	t.Helper()
	if err := os.WriteFile(a.path(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

// peer is a Security with a certificate for a host, trusting ca.
func (a *authority) peer(t testing.TB, name string, ca *authority, c *x509.Certificate) Security {
	t.Helper()
	if c.NotAfter.IsZero() {
		c.NotAfter = time.Now().Add(time.Hour)
	}
	c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	a.sign(t, name, c)
	sec, err := WithPKI(a.path(name+".pem"), a.path(name+".key"), ca.path("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	return sec
}

var loopbackCert = x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}

// TestWhoMayRead pairs a viewer with an agent: whether samples come, and what
// both sides say when they don't.
func TestWhoMayRead(t *testing.T) {
	t.Parallel()
	ours, theirs := newTokenFile(t, "ours"), newTokenFile(t, "theirs")
	both := t.TempDir()
	for to, from := range map[string]string{"1": theirs, "2": ours} {
		b, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(filepath.Join(both, to), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	ca, foreign := newAuthority(t), newAuthority(t)
	good, other, old := loopbackCert, loopbackCert, loopbackCert
	elsewhere := x509.Certificate{DNSNames: []string{"web-1"}}
	old.NotAfter = time.Now().Add(-time.Minute)
	pkiAgent := ca.peer(t, "agent", ca, &good)
	pkiViewer := ca.peer(t, "viewer", ca, &x509.Certificate{})
	token := withToken(t, ours)
	for name, tt := range map[string]struct {
		agent, viewer Security
		reason, do    string // of the viewer; empty: samples come
		logged        string // by the agent
	}{
		"plain on loopback":            {Plain(), Plain(), "", "", ""},
		"insecure":                     {Insecure(), Insecure(), "", "", ""},
		"same token":                   {token, token, "", "", ""},
		"agent changes its token":      {withToken(t, both), token, "", "", ""},
		"own certificates":             {pkiAgent, pkiViewer, "", "", ""},
		"wrong token":                  {token, withToken(t, theirs), "refuses our token", "one token file everywhere", "another token"},
		"agent has a token, we none":   {token, Plain(), "speaks TLS: it has a fleet token", "copy its token", "speaks without TLS, as a viewer that found no token"},
		"insecure viewer":              {token, Insecure(), "speaks TLS: it has a fleet token", "copy its token", "speaks without TLS, as a viewer that found no token"},
		"we have a token, agent none":  {Plain(), token, "no way down", "copy " + ours, "speaks TLS and this agent does not"},
		"we have certificates":         {Plain(), pkiViewer, "no way down", "--tls-cert", "speaks TLS and this agent does not"},
		"certificates against a token": {token, pkiViewer, "refuses our certificate", "", "another token, or is no capmon viewer"},
		"token against certificates":   {pkiAgent, token, "another token", "one token file everywhere", ""},
		"viewer of another authority":  {pkiAgent, foreign.peer(t, "viewer", ca, &other), "refuses our certificate", "--tls-ca", "unknown authority"},
		"agent of another authority":   {foreign.peer(t, "agent", ca, &x509.Certificate{IPAddresses: good.IPAddresses}), pkiViewer, "our authority did not sign", "name its authority", "does not accept this agent"},
		"agent of another name":        {ca.peer(t, "elsewhere", ca, &elsewhere), pkiViewer, "for another name", "name the host", "does not accept this agent"},
		"agent out of date":            {ca.peer(t, "old", ca, &old), pkiViewer, "not valid now", "renew it", "does not accept this agent"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var agentLog, viewerLog logbook
			a := newAgent(t, Config{}, 3)
			addr, stop := serve(t, a, tt.agent, agentLog.log())
			sink := newLedger()
			_, stopViewer := watch(t, tt.viewer, sink, viewerLog.log(), target(t, addr))
			if tt.reason == "" {
				sink.wait(t, addr, "samples", func(a *account) bool { return len(a.samples) >= 3 })
				stopViewer()
				stop()
				if agentLog.String() != "" || viewerLog.String() != "" {
					t.Errorf("logged without a reason:\n%s%s", &agentLog, &viewerLog)
				}
				return
			}
			sink.wait(t, addr, "a refusal", func(a *account) bool { return len(a.links) > 0 })
			sink.read(addr, func(a *account) {
				if l := a.links[0]; !l.Refused || !strings.Contains(l.Reason, tt.reason) || !strings.Contains(l.Do, tt.do) {
					t.Errorf("link %+v, want one with %q and %q", l, tt.reason, tt.do)
				}
				if len(a.machines) > 0 || len(a.samples) > 0 {
					t.Error("the refused viewer learned something")
				}
			})
			// Several attempts are one line at each end.
			time.Sleep(1500 * time.Millisecond)
			stopViewer()
			stop()
			if !strings.Contains(agentLog.String(), tt.logged) || strings.Count(agentLog.String(), "level=WARN") != 1 {
				t.Errorf("the agent does not log %q once:\n%s", tt.logged, &agentLog)
			}
			if strings.Count(viewerLog.String(), "level=WARN") != 1 || !strings.Contains(viewerLog.String(), tt.reason) {
				t.Errorf("the viewer does not log %q once:\n%s", tt.reason, &viewerLog)
			}
		})
	}
}

// TestStrangersLearnNothing talks TLS to an agent with a token as somebody who
// has none.
func TestStrangersLearnNothing(t *testing.T) {
	t.Parallel()
	path := newTokenFile(t, "token")
	sec := withToken(t, path)
	addr, _ := serve(t, newAgent(t, Config{Version: "9.8.7"}, 1), sec, nil)
	foreign, err := withToken(t, newTokenFile(t, "other")).keys[0].certificate()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*tls.Config{
		"no name":         {},
		"a host's name":   {ServerName: "web-1"},
		"another token's": {ServerName: strings.Repeat("0", 32) + keyDomain},
		"its name, no certificate, as a sniffer knows":  {ServerName: sec.keys[0].name},
		"its name, another certificate":                 {ServerName: sec.keys[0].name, Certificates: []tls.Certificate{foreign}},
		"its name, TLS 1.2":                             {ServerName: sec.keys[0].name, MaxVersion: tls.VersionTLS12},
		"its name, without HTTP/2, another certificate": {ServerName: sec.keys[0].name, Certificates: []tls.Certificate{foreign}, NextProtos: []string{"h3"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.InsecureSkipVerify = true
			if c.NextProtos == nil {
				c.NextProtos = []string{"h2"}
			}
			raw, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer raw.Close()
			conn := tls.Client(raw, c)
			err = conn.Handshake()
			if err == nil { // TLS 1.3 tells a client only when it reads
				_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
				var n int
				n, err = conn.Read(make([]byte, 1))
				if n > 0 {
					t.Error("it got something")
				}
			}
			if err == nil || strings.Contains(err.Error(), "timeout") {
				t.Errorf("it was not refused: %v", err)
			}
			for _, cert := range conn.ConnectionState().PeerCertificates {
				if len(cert.Subject.Names)+len(cert.DNSNames)+len(cert.IPAddresses) != 0 {
					t.Errorf("the certificate tells %v %v", cert.Subject, cert.DNSNames)
				}
				if c.ServerName != sec.keys[0].name {
					t.Error("it saw the certificate of the token")
				}
			}
		})
	}
}

func TestTokenFiles(t *testing.T) {
	good := tokenHeader + "\n" + strings.Repeat("0123456789abcdef", 4) + "\n"
	for name, tt := range map[string]struct {
		text string
		mode os.FileMode
		want string // of the error; empty: fine
	}{
		"plain":            {good, 0o600, ""},
		"read only":        {good, 0o400, ""},
		"comments":         {"# mine\n\n" + strings.Replace(good, "\n", "\r\n# more\r\n", 1) + "\n\n", 0o600, ""},
		"group may read":   {good, 0o640, "chmod 600 "},
		"others may read":  {good, 0o604, "chmod 600 "},
		"others may write": {good, 0o602, "chmod 600 "},
		"empty":            {"", 0o600, "does not begin with"},
		"a certificate":    {"-----BEGIN CERTIFICATE-----\n", 0o600, "does not begin with"},
		"only a header":    {tokenHeader + "\n", 0o600, "0 lines after the header"},
		"two secrets":      {good + good[len(tokenHeader)+1:], 0o600, "2 lines after the header"},
		"short":            {good[:len(good)-3], 0o600, "62 digits, not 64"},
		"not hex":          {strings.Replace(good, "0", "g", 1), 0o600, "something else than hex"},
		"zeros":            {tokenHeader + "\n" + strings.Repeat("0", 64), 0o600, "nothing but zeros"},
		"endless":          {strings.Repeat("#\n", 4000), 0o600, "longer than"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "token")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			sec, err := WithToken(path)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path)):
				t.Errorf("got error %v, want one with %q and the path", err, tt.want)
			case tt.want == "" && !strings.Contains(sec.String(), path):
				t.Errorf("the security is called %q", sec)
			}
		})
	}
}

func TestTokenFolders(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tokens")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := WithToken(dir); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("an empty folder: %v", err)
	}
	for _, name := range []string{"2026-b", "2026-a", ".hidden"} {
		if err := NewToken(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	sec := withToken(t, dir)
	if len(sec.keys) != 2 || sec.keys[0].name != withToken(t, filepath.Join(dir, "2026-a")).keys[0].name {
		t.Errorf("%d tokens, the first is %s", len(sec.keys), sec.keys[0].name)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := WithToken(dir); err == nil || !strings.Contains(err.Error(), "chmod 700") {
		t.Errorf("a folder others may write into: %v", err)
	}
	if err := NewToken(dir); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Errorf("a token in the place of a folder: %v", err)
	}
}

func TestNewTokenNeverReplaces(t *testing.T) {
	path := newTokenFile(t, "config", "capmon", "token")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v (%v)", info.Mode(), err)
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("its folder has mode %v (%v)", info.Mode(), err)
	}
	if err := NewToken(path); err == nil || !strings.Contains(err.Error(), "exists and is not replaced") {
		t.Errorf("a second token: %v", err)
	}
	dangling := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("nowhere", dangling); err != nil {
		t.Fatal(err)
	}
	if err := NewToken(dangling); err == nil {
		t.Error("a token was written through a link")
	}
	if err := NewToken(filepath.Join(path, "under", "a", "file")); err == nil {
		t.Error("a token was made under a file")
	}
	after, err := os.ReadFile(path)
	if err != nil || string(after) != string(before) {
		t.Error("the token was changed")
	}
	if a, b := withToken(t, path), withToken(t, newTokenFile(t, "x")); a.keys[0].name == b.keys[0].name {
		t.Error("two tokens are one")
	}
}

func TestFindToken(t *testing.T) {
	own, system := newTokenFile(t, "own"), newTokenFile(t, "system")
	none := filepath.Join(t.TempDir(), "none")
	for _, tt := range []struct {
		places []string
		want   string
	}{
		{[]string{own, system}, own},
		{[]string{none, system}, system},
		{[]string{filepath.Join(own, "below"), system}, system},
		{[]string{none}, ""},
	} {
		if got, err := findToken(tt.places); got != tt.want || err != nil {
			t.Errorf("%v: got %q, %v, want %q", tt.places, got, err, tt.want)
		}
	}
	if _, err := FindToken(none); err == nil || !strings.Contains(err.Error(), none) {
		t.Errorf("a token named that isn't there: %v", err)
	}
	t.Setenv("XDG_CONFIG_HOME", filepath.Dir(filepath.Dir(newTokenFile(t, "capmon", "token"))))
	if got, err := FindToken(""); err != nil || !strings.HasSuffix(got, filepath.Join("capmon", "token")) {
		t.Errorf("that of the user: %q, %v", got, err)
	}
}

func TestPKIFiles(t *testing.T) {
	ca := newAuthority(t)
	ca.sign(t, "agent", &x509.Certificate{NotAfter: time.Now().Add(time.Hour)})
	ca.sign(t, "other", &x509.Certificate{NotAfter: time.Now().Add(time.Hour)})
	garbage := ca.path("garbage")
	if err := os.WriteFile(garbage, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	cert, key, roots := ca.path("agent.pem"), ca.path("agent.key"), ca.path("ca.pem")
	for name, tt := range map[string]struct{ cert, key, ca, want string }{
		"one missing":        {cert, "", roots, "the key is missing"},
		"no such file":       {ca.path("no"), key, roots, "certificate " + ca.path("no")},
		"a folder":           {ca.dir, key, roots, "not a file"},
		"garbage":            {garbage, key, roots, "not a PEM file"},
		"garbage authority":  {cert, key, garbage, "authority " + garbage},
		"a key as authority": {cert, key, key, "no certificate in it"},
		"another's key":      {cert, ca.path("other.key"), roots, "does not match"},
	} {
		if _, err := WithPKI(tt.cert, tt.key, tt.ca); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got error %v, want one with %q", name, err, tt.want)
		}
	}
}

func TestCheckListen(t *testing.T) {
	token := withToken(t, newTokenFile(t, "token"))
	for _, tt := range []struct {
		addr string
		sec  Security
		want []string // of the error; none: fine
	}{
		{"127.0.0.1:7077", Plain(), nil},
		{"127.0.0.9:7077", Plain(), nil},
		{"[::1]:7077", Plain(), nil},
		{"localhost:0", Plain(), nil},
		{"0.0.0.0:7077", token, nil},
		{":7077", Insecure(), nil},
		{"0.0.0.0:7077", Plain(), []string{"capmon token new", "--tls-cert", "--insecure"}},
		{":7077", Plain(), []string{"capmon token new", "--tls-cert", "--insecure"}},
		{"[::]:7077", Plain(), []string{"three ways"}},
		{"web-1:7077", Plain(), []string{"three ways"}},
		{"10.0.0.1:7077", Plain(), []string{"three ways"}},
		{"127.0.0.1:70000", Plain(), []string{"from 1 to 65535"}},
		{"127.0.0.1:http", token, []string{"from 1 to 65535"}},
		{"127.0.0.1:-1", token, []string{"from 1 to 65535"}},
		{"127.0.0.1:", token, []string{"from 1 to 65535"}},
		{"127.0.0.1", token, []string{"not host:port"}},
		{"", token, []string{"not host:port"}},
		{"::1:7077", token, []string{"not host:port"}},
	} {
		err := CheckListen(tt.addr, tt.sec)
		if (err == nil) != (len(tt.want) == 0) {
			t.Errorf("%q with %v: got error %v", tt.addr, tt.sec, err)
		}
		for _, w := range tt.want {
			if err != nil && !strings.Contains(err.Error(), w) {
				t.Errorf("%q: error %q does not say %q", tt.addr, err, w)
			}
		}
	}
}

func FuzzToken(f *testing.F) {
	f.Add([]byte(tokenHeader + "\n" + strings.Repeat("0123456789abcdef", 4) + "\n"))
	f.Add([]byte("# x\n" + tokenHeader + "\r\n\n#\nAB"))
	f.Fuzz(func(t *testing.T, b []byte) {
		secret, err := parseToken(b)
		if (err != nil) != (secret == [tokenBytes]byte{}) {
			t.Errorf("secret %x with error %v", secret, err)
		}
	})
}
