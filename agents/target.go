package agents

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"unicode"
)

// DefaultPort is where an agent listens and a viewer looks.
const DefaultPort = "7077"

// Target is one entry of LIST.
type Target struct {
	Name string // as in LIST, without the default port
	Addr string // host:port
	DNS  bool   // every address of the host, followed as they change
	Pool string // that it is listed for; empty: none in particular
}

const (
	maxTargets  = 20_000
	maxListFile = 4 << 20 // bytes
	maxHostName = 253     // RFC 1035 2.3.4
	dnsScheme   = "dns:///"
)

// Lists reads lists of hosts, each for a pool or for none. The zero value has
// none.
type Lists struct {
	targets []Target
	seen    map[string]entry // by address
}

// entry is where an address was first named.
type entry struct {
	named string // as it was written
	at    int    // in targets
}

// Add reads a list for a pool, "" for none in particular. Its entries are: host,
// host:port, an IPv6 address bare or in brackets, dns:///name[:port], or @file
// with one of those a line, # before a comment. An entry may hold several with
// commas between. A host is named once for a pool and in one pool; one that is
// listed for none besides keeps its place there. Every error names the entry
// and, for a file, its line.
func (l *Lists) Add(pool string, list []string) error {
	if l.seen == nil {
		l.seen = make(map[string]entry)
	}
	p := parser{lists: l, pool: pool}
	for _, arg := range list {
		for entry := range strings.SplitSeq(arg, ",") {
			entry = strings.TrimSpace(entry)
			var err error
			if path, ok := strings.CutPrefix(entry, "@"); ok {
				err = p.file(path)
			} else {
				err = p.add(entry, "")
			}
			if err != nil {
				return err
			}
		}
	}
	if p.read == 0 {
		return errors.New("no host is named: give host1,host2 or @file")
	}
	return nil
}

// Targets are the hosts of all lists, in the order in which they were named.
func (l *Lists) Targets() []Target { return l.targets }

// parser reads one list.
type parser struct {
	lists *Lists
	pool  string
	read  int // entries
}

// add takes one entry; where is its file and line, empty for the flag.
func (p *parser) add(text, where string) error {
	named := strconv.Quote(text)
	if where != "" {
		named += " (" + where + ")"
	}
	t, err := parseTarget(text)
	if err != nil {
		return fmt.Errorf("%s: %w", named, err)
	}
	p.read++
	t.Pool = p.pool
	key := strings.ToLower(t.Addr)
	if t.DNS {
		key = dnsScheme + key
	}
	if first, ok := p.lists.seen[key]; ok {
		return p.again(named, first)
	}
	if len(p.lists.targets) == maxTargets {
		return fmt.Errorf("%s: more than %d hosts", named, maxTargets)
	}
	p.lists.seen[key] = entry{named, len(p.lists.targets)}
	p.lists.targets = append(p.lists.targets, t)
	return nil
}

// again is for a host that was named before.
func (p *parser) again(named string, first entry) error {
	switch t := &p.lists.targets[first.at]; {
	case t.Pool == p.pool:
		return fmt.Errorf("%s is named twice, first as %s: name it once", named, first.named)
	case t.Pool != "" && p.pool != "":
		return fmt.Errorf("%s is in the pools %s and %s, there as %s: name it in one", named, p.pool, t.Pool, first.named)
	case t.Pool == "":
		t.Pool = p.pool
	}
	return nil
}

func (p *parser) file(path string) error {
	if path == "" {
		return errors.New(`"@": the name of a file is missing, such as @hosts.txt`)
	}
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a file")
	}
	if err != nil {
		return fmt.Errorf("%q: %w", "@"+path, cause(err))
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%q: %w", "@"+path, cause(err))
	}
	defer f.Close()
	return p.lines(path, f)
}

// lines reads a list file; name is what errors call it.
func (p *parser) lines(name string, r io.Reader) error {
	limited := &io.LimitedReader{R: r, N: maxListFile + 1}
	in := bufio.NewScanner(limited)
	before := p.read
	for n := 1; in.Scan(); n++ {
		line, _, _ := strings.Cut(in.Text(), "#")
		line = strings.TrimSpace(strings.TrimPrefix(line, "\ufeff"))
		if line == "" {
			continue
		}
		where := fmt.Sprintf("%s:%d", name, n)
		if strings.HasPrefix(line, "@") {
			return fmt.Errorf("%q (%s): a list in a list is not read: put its hosts here", line, where)
		}
		if err := p.add(line, where); err != nil {
			return err
		}
	}
	if err := in.Err(); err != nil {
		return fmt.Errorf("%q: %w", "@"+name, cause(err))
	}
	if limited.N == 0 {
		return fmt.Errorf("%q: longer than %d bytes", "@"+name, maxListFile)
	}
	if p.read == before {
		return fmt.Errorf("%q: no host in it", "@"+name)
	}
	return nil
}

func parseTarget(entry string) (Target, error) {
	if entry == "" {
		return Target{}, errors.New("an empty entry: remove the comma too many")
	}
	rest, dns := strings.CutPrefix(entry, dnsScheme)
	if !dns {
		if scheme, _, ok := strings.Cut(entry, ":/"); ok {
			return Target{}, fmt.Errorf("%s:// is not known: give host, host:port or dns:///name", strings.TrimRight(scheme, ":/"))
		}
	}
	host, port, err := splitTarget(rest)
	if err != nil {
		return Target{}, err
	}
	ip, ipErr := netip.ParseAddr(host)
	switch {
	case ipErr == nil && dns:
		return Target{}, fmt.Errorf("dns:/// wants a name, not an address: give %s", host)
	case ipErr == nil:
		host = ip.Unmap().String()
	default:
		if err := checkHost(host); err != nil {
			return Target{}, err
		}
		host = strings.TrimSuffix(host, ".")
	}
	addr := net.JoinHostPort(host, port)
	t := Target{Name: hostName(host, port), Addr: addr, DNS: dns}
	if dns {
		t.Name = dnsScheme + t.Name
	}
	return t, nil
}

// hostName is what a host is called: its address, without the default port.
func hostName(host, port string) string {
	if port == DefaultPort {
		return host
	}
	return net.JoinHostPort(host, port)
}

// splitTarget takes the port off, which is DefaultPort when there is none.
func splitTarget(s string) (host, port string, err error) {
	if _, err := netip.ParseAddr(s); err == nil { // IPv6 without brackets among them
		return s, DefaultPort, nil
	}
	if inner, ok := strings.CutPrefix(s, "["); ok {
		host, after, ok := strings.Cut(inner, "]")
		if !ok {
			return "", "", errors.New("a ] is missing")
		}
		if ip, err := netip.ParseAddr(host); err != nil || !ip.Is6() {
			return "", "", fmt.Errorf("%q in brackets is no IPv6 address", host)
		}
		if after == "" {
			return host, DefaultPort, nil
		}
		if port, ok = strings.CutPrefix(after, ":"); !ok {
			return "", "", fmt.Errorf("%q after the ] is no :port", after)
		}
		return host, port, checkPort(port)
	}
	host, port, ok := strings.Cut(s, ":")
	if !ok {
		return s, DefaultPort, nil
	}
	if strings.Contains(port, ":") {
		return "", "", errors.New("neither host:port nor an IPv6 address: put an IPv6 address in brackets")
	}
	return host, port, checkPort(port)
}

func checkPort(s string) error {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n < 1 || n > 65535 || s[0] == '0' {
		return fmt.Errorf("port %q: give one from 1 to 65535", s)
	}
	return nil
}

func checkHost(host string) error {
	switch {
	case host == "":
		return errors.New("a host name is missing")
	case host[0] == '-':
		return errors.New("a host name does not begin with -")
	case len(host) > maxHostName:
		return fmt.Errorf("a host name of %d bytes, at most %d", len(host), maxHostName)
	case strings.Contains(host, "@"):
		return errors.New("user@host is not known: give host or host:port")
	case strings.HasPrefix(host, ".") || strings.Contains(host, ".."):
		return errors.New("a part between the dots of the host name is missing")
	}
	for _, r := range host {
		switch {
		case r == unicode.ReplacementChar:
			return errors.New("the host name is not UTF-8")
		case unicode.IsSpace(r):
			return errors.New("a space in a host name: put commas between hosts")
		case !unicode.In(r, unicode.L, unicode.M, unicode.N) && !strings.ContainsRune("-._", r):
			return fmt.Errorf("%q can't be in a host name", r)
		}
	}
	return nil
}
