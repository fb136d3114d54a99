package agents

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Link is how the link to a host is.
type Link struct {
	Up bool // samples come
	// Refused tells that there was an answer, and that it was no: the host is
	// down, not merely silent.
	Refused bool
	// Pending tells that the first attempt is still under way.
	Pending bool
	Reason  string // what was tried and why it failed, one line; empty when up
	Do      string // what to do about it; empty when nothing can be said
}

// Why a stream ended that no error of the network ended.
var (
	errSilent   = errors.New("no sample came")
	errStranger = errors.New("answers without TLS, on an address that is not loopback")
)

// violation is a peer that sends what no agent does.
type violation struct{ what string }

func (v *violation) Error() string { return v.what }

// explain says in one line why a is over, which ended with err.
func (a *attempt) explain(err error) Link {
	t := a.trace()
	_, violated := errors.AsType[*violation](err)
	switch {
	case violated:
		return refused("%s sends what no capmon agent sends: %v", a.target.Addr, err)("check what runs there; it is tried again in a while")
	case errors.Is(err, errStranger):
		return refused("%s %v", a.target.Addr, err)("give it the fleet token (capmon token new), or say --insecure here too")
	case t.dial != nil:
		return a.noConnection(t.dial)
	case t.shake != nil:
		return a.noHandshake(t.shake)
	case !t.connected:
		return Link{Reason: fmt.Sprintf("%s: %s", a.target.Addr, firstLine(err))}
	}
	if a.sec.tls() && t.read != nil {
		if l, ok := a.shownOut(t.read); ok {
			return l
		}
	}
	if l, ok := a.notHTTP2(t, err); ok {
		return l
	}
	return a.ended(t, err)
}

// refused is a Link that was refused; what to do comes second.
func refused(format string, args ...any) func(do string, args ...any) Link {
	l := Link{Refused: true, Reason: fmt.Sprintf(format, args...)}
	return func(do string, args ...any) Link {
		l.Do = fmt.Sprintf(do, args...)
		return l
	}
}

// noConnection is why TCP did not come about.
func (a *attempt) noConnection(err error) Link {
	addr := a.target.Addr
	host, port, _ := net.SplitHostPort(addr)
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return Link{
				Reason: fmt.Sprintf("no address is known for %s", host),
				Do:     "check the name, /etc/hosts and the DNS",
			}
		}
		return Link{
			Reason: fmt.Sprintf("the name server gives no address for %s: %s", host, dnsCause(dns)),
			Do:     "check the DNS of this machine, or name the address",
		}
	}
	switch {
	case isErrno(err, refusedErrnos):
		start := "--listen :" + port
		if loopback(host) {
			start = "--listen " + addr
		}
		if addr == net.JoinHostPort("127.0.0.1", DefaultPort) {
			return refused("nothing listens on %s", addr)("start it: capmon agent")
		}
		return refused("nothing listens on %s", addr)("start it there: capmon agent %s", start)
	case isTimeout(err):
		return Link{
			Reason: fmt.Sprintf("no answer from %s within %v", addr, dialTime),
			Do:     "is the machine up, and does no firewall drop port " + port + "?",
		}
	case isErrno(err, routeErrnos):
		return Link{
			Reason: fmt.Sprintf("no way to %s: %s", addr, innermost(err)),
			Do:     "is the machine up, and in a network that this one reaches?",
		}
	case isErrno(err, filesErrnos):
		return Link{Reason: fmt.Sprintf("dial %s: %s", addr, innermost(err)), Do: "allow this process more open files: ulimit -n"}
	}
	return Link{Reason: fmt.Sprintf("dial %s: %s", addr, innermost(err))}
}

// noHandshake is why TLS did not come about, as seen from here.
func (a *attempt) noHandshake(err error) Link {
	addr := a.target.Addr
	if record, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return a.noTLS(record.RecordHeader[:])
	}
	if l, ok := a.shownOut(err); ok {
		return l
	}
	if foreign, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return a.foreign(foreign.Err)
	}
	switch {
	case errors.Is(err, errForeignKey):
		return refused("%s shows the certificate of another token than %s", addr, a.sec.from)(
			"use one token file everywhere: copy it there and start that agent again")
	case errors.Is(err, errNotHTTP2):
		return refused("%s speaks TLS, but not as a capmon agent does", addr)("check the port")
	case isTimeout(err), errors.Is(err, net.ErrClosed): // closed by us, when its time was over
		return a.nothingSaid()
	case errors.Is(err, io.EOF) || isErrno(err, resetErrnos):
		return refused("%s hung up in the middle of the TLS handshake", addr)("check that it is a capmon agent; its log says why it refuses")
	}
	return refused("%s: TLS: %s", addr, innermost(err))("check that it is a capmon agent; its log says why it refuses")
}

// noTLS is an answer without TLS to our handshake, which begins with head.
func (a *attempt) noTLS(head []byte) Link {
	addr := a.target.Addr
	if looksHTTP2(head) {
		if a.sec.way == pkiWay {
			return refused("%s speaks without TLS and we have certificates: there is no way down", addr)(
				"start that agent with --tls-cert, --tls-key and --tls-ca")
		}
		return refused("%s speaks without TLS, for its agent has no token and we have one: there is no way down", addr)(
			"copy %s there and start that agent again", a.sec.from)
	}
	return a.notAgent(head)
}

func (a *attempt) notAgent(head []byte) Link {
	what := "answers with " + quoteHead(head)
	switch {
	case bytes.HasPrefix(head, []byte("HTTP/")):
		what = "is a web server"
	case bytes.HasPrefix(head, []byte("SSH-")):
		what = "is an ssh server"
	}
	return refused("%s %s, not a capmon agent", a.target.Addr, what)("check the port: an agent listens on %s by default", DefaultPort)
}

// shownOut is a TLS alert of the peer: it does not want us.
func (a *attempt) shownOut(err error) (Link, bool) {
	text := err.Error()
	if !strings.Contains(text, "remote error: tls:") {
		return Link{}, false
	}
	addr := a.target.Addr
	if a.sec.way == pkiWay {
		return refused("%s refuses our certificate: %s", addr, innermost(err))(
			"its --tls-ca must hold the authority that signed %s", a.sec.from), true
	}
	return refused("%s refuses our token %s", addr, a.sec.from)(
		"use one token file everywhere: copy it there and start that agent again"), true
}

// foreign is a certificate that does not pass against the user's authority.
func (a *attempt) foreign(err error) Link {
	addr := a.target.Addr
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return refused("%s shows a certificate that our authority did not sign", addr)("give that agent one that it signed, or name its authority in --tls-ca")
	}
	if name, ok := errors.AsType[x509.HostnameError](err); ok {
		return refused("%s shows a certificate for another name: %s", addr, sanitize(name.Error()))("name the host as its certificate does")
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		const day = "2006-01-02 15:04 MST"
		return refused("%s shows a certificate that is not valid now, but from %s to %s", addr,
			invalid.Cert.NotBefore.UTC().Format(day), invalid.Cert.NotAfter.UTC().Format(day))("renew it and start that agent again; check both clocks")
	}
	return refused("%s shows a certificate that does not pass: %s", addr, sanitize(err.Error()))("check it against --tls-ca")
}

// nothingSaid is a peer that takes the connection and then is silent.
func (a *attempt) nothingSaid() Link {
	return Link{
		Reason: fmt.Sprintf("%s takes the connection but says nothing", a.target.Addr),
		Do:     "is it a capmon agent, and not stopped?",
	}
}

// notHTTP2 is a peer without TLS that does not begin as an agent does.
func (a *attempt) notHTTP2(t trace, err error) (Link, bool) {
	switch {
	case a.sec.tls() || looksHTTP2(t.head):
		return Link{}, false
	case looksTLS(t.head):
		return refused("%s speaks TLS: it has a fleet token or certificates, and we have none", a.target.Addr)(
			"copy its token file to this machine: see capmon token --help"), true
	case len(t.head) > 0:
		return a.notAgent(t.head), true
	case errors.Is(t.read, io.EOF) || isErrno(t.read, resetErrnos):
		return refused("%s hangs up without a word", a.target.Addr)(
			"is it a capmon agent? One with a fleet token shows out who has none; its log says why"), true
	}
	if c := status.Code(err); c == codes.Unavailable || c == codes.DeadlineExceeded || errors.Is(err, errSilent) {
		return a.nothingSaid(), true
	}
	return Link{}, false
}

// ended is why a stream ended that had begun.
func (a *attempt) ended(t trace, err error) Link {
	addr := a.target.Addr
	if errors.Is(err, errSilent) {
		return Link{Reason: fmt.Sprintf("%s: no sample for %d intervals", addr, silentIntervals), Do: "is the agent there stopped, or the network in between?"}
	}
	text := firstLine(err)
	switch s := status.Convert(err); s.Code() {
	case codes.Unimplemented:
		return refused("%s speaks gRPC but gives no samples: no capmon agent, or one of another version", addr)(
			"compare `capmon version` there and here")
	case codes.ResourceExhausted:
		if strings.Contains(s.Message(), "larger than max") {
			return refused("%s sends what no capmon agent sends: a message of more than %d bytes", addr, maxUpdate)("check what runs there")
		}
		return refused("%s: %s", addr, text)("end a viewer that nobody looks at")
	case codes.Unavailable:
		if s.Message() == stopping {
			return Link{Reason: addr + ": the agent has ended", Do: "start it again there: capmon agent"}
		}
		switch hungUp := t.read != nil && !errors.Is(t.read, net.ErrClosed); {
		case hungUp && t.answered:
			return Link{Reason: fmt.Sprintf("%s: the link broke: %s", addr, innermost(t.read)), Do: "it is tried again"}
		case hungUp:
			return refused("%s hangs up before it says what it is: %s", addr, innermost(t.read))("check that it is a capmon agent; its log says why it refuses")
		case !t.answered:
			return a.nothingSaid()
		}
		return Link{Reason: fmt.Sprintf("%s: the link broke: %s", addr, text), Do: "it is tried again"}
	}
	if errors.Is(err, io.EOF) {
		return refused("%s ends the stream at once", addr)("compare `capmon version` there and here")
	}
	return Link{Reason: fmt.Sprintf("%s: %s", addr, text)}
}

// looksHTTP2 tells an HTTP/2 server by the settings frame it begins with
// (RFC 9113 3.4): a length below 2^14, type 4, no flags.
func looksHTTP2(head []byte) bool {
	return len(head) >= 5 && head[0] == 0 && head[1] < 0x40 && head[3] == 4 && head[4] == 0
}

func isTimeout(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || isErrno(err, timeoutErrnos) {
		return true
	}
	t, ok := errors.AsType[net.Error](err)
	return ok && t.Timeout()
}

func isErrno(err error, list []error) bool {
	for _, e := range list {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// dnsCause is a DNSError without the name and the server it already tells.
func dnsCause(err *net.DNSError) string {
	if err.IsTimeout {
		return "no answer"
	}
	return sanitize(err.Err)
}

// innermost is the last error of a chain: the words around it repeat the
// address.
func innermost(err error) string {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "the other side hung up"
	}
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return sanitize(err.Error())
		}
		err = next
	}
}

// firstLine is the text of a status, which may come from the peer: one line,
// bounded, and without what could move a cursor.
func firstLine(err error) string {
	text := err.Error()
	if s, ok := status.FromError(err); ok {
		text = s.Message()
	}
	return sanitize(text)
}
