package collectors

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"capmon/sample"
)

// haproxyFacts are what a configuration of HAProxy says about connections.
type haproxyFacts struct {
	most    uint64 // global maxconn; 0 = not said, or not for certain
	socket  string // path of a stats socket; empty = none
	fronts  []haproxyFront
	guessed bool // something hangs on a condition (.if) that is not evaluated
}

// haproxyFront is a frontend, or a listen section, and where it listens.
type haproxyFront struct {
	proxy string // its name
	name  string // with the kind of section before it
	most  uint64 // its maxconn; 0 = as many as the whole process
	ports []haproxyPort
}

// haproxyPort is a range of ports of one bind line, which may have a maxconn of
// its own.
type haproxyPort struct {
	first, last uint16
	most        uint64
}

// limit is how many connections port can hold where whole is what the process
// can. Several frontends may share a port, at addresses of their own: their
// limits add up.
func (f *haproxyFacts) limit(port uint16, whole connLimit) connLimit {
	var most uint64
	var names []string
	for _, v := range f.fronts {
		n, here := v.limit(port)
		if !here {
			continue
		}
		if n == 0 || f.guessed {
			return whole
		}
		most += n
		names = append(names, v.name)
	}
	if most == 0 || whole.from != "" && most >= whole.most {
		return whole
	}
	slices.Sort(names)
	return connLimit{most: most, from: fmt.Sprintf("maxconn %d of %s", most, strings.Join(slices.Compact(names), " and "))}
}

// limit is what this frontend takes at port; 0 = only the limit of the process.
func (v *haproxyFront) limit(port uint16) (most uint64, here bool) {
	open := false // a bind line without a limit of its own
	for _, p := range v.ports {
		if port < p.first || port > p.last {
			continue
		}
		here = true
		open = open || p.most == 0
		most += p.most
	}
	if open {
		most = 0
	}
	if v.most > 0 && (most == 0 || v.most < most) {
		most = v.most
	}
	return most, here
}

// haproxySections are the words that begin a section.
var haproxySections = []string{
	"global", "defaults", "frontend", "listen", "backend", "peers", "resolvers", "mailers", "userlist", "cache",
	"program", "http-errors", "ring", "log-forward", "fcgi-app", "crt-store", "traces", "log-profile", "acme",
}

// haproxyReader reads the lines of one or more files, which are as one.
type haproxyReader struct {
	facts    haproxyFacts
	section  string
	defaults uint64            // maxconn of the last defaults section
	named    map[string]uint64 // of each defaults section with a name
	name     string            // of the defaults section that is read; empty = none
	ifs      int               // conditions around this line
}

// parseHAProxy reads the text of all files, in their order.
func parseHAProxy(texts ...[]byte) (haproxyFacts, error) {
	r := haproxyReader{named: make(map[string]uint64)}
	for _, b := range texts {
		for line := range bytes.Lines(b) {
			words, ok := haproxyWords(line)
			if !ok {
				return haproxyFacts{}, errConfigText
			}
			if len(words) > 0 {
				r.line(words)
			}
		}
	}
	return r.facts, nil
}

func (r *haproxyReader) line(words []string) {
	switch words[0] {
	case ".if":
		r.ifs++
		return
	case ".endif":
		r.ifs = max(0, r.ifs-1)
		return
	}
	if slices.Contains(haproxySections, words[0]) {
		r.begin(words)
		return
	}
	switch r.section {
	case "global":
		r.global(words)
	case "defaults":
		if n, ok := r.maxconn(words); ok {
			r.defaults = n
			if r.name != "" {
				r.named[r.name] = n
			}
		}
	case "frontend", "listen":
		r.front(words)
	}
}

// begin takes the line that begins a section: defaults [NAME] [from NAME],
// frontend NAME [from NAME].
func (r *haproxyReader) begin(words []string) {
	r.section = words[0]
	inherited := r.defaults
	if words[0] == "defaults" {
		inherited = 0
	}
	if i := slices.Index(words, "from"); i >= 1 && i+1 < len(words) {
		inherited = r.named[words[i+1]]
	}
	switch words[0] {
	case "defaults":
		r.defaults, r.name = inherited, ""
		if len(words) > 1 && words[1] != "from" {
			r.name = words[1]
			r.named[r.name] = inherited
		}
	case "frontend", "listen":
		v := haproxyFront{name: words[0], most: inherited}
		if len(words) > 1 {
			v.proxy = words[1]
			v.name += " " + cut(sample.Printable(words[1]), sample.MaxName)
		}
		r.facts.fronts = append(r.facts.fronts, v)
		if r.ifs > 0 {
			r.facts.guessed = true
		}
	}
}

// global takes a line of the global section.
func (r *haproxyReader) global(words []string) {
	if n, ok := r.maxconn(words); ok {
		r.facts.most = n
		if r.ifs > 0 {
			r.facts.most = 0
		}
	}
	if len(words) > 2 && words[0] == "stats" && words[1] == "socket" && r.facts.socket == "" {
		if file := strings.TrimPrefix(words[2], "unix@"); path.IsAbs(file) {
			r.facts.socket = path.Clean(file)
		}
	}
}

// front takes a line of a frontend or listen section.
func (r *haproxyReader) front(words []string) {
	v := &r.facts.fronts[len(r.facts.fronts)-1]
	if n, ok := r.maxconn(words); ok {
		v.most = n
	}
	if words[0] != "bind" || len(words) < 2 {
		return
	}
	var most uint64
	if i := slices.Index(words, "maxconn"); i >= 0 && i+1 < len(words) {
		most = haproxyNumber(words[i+1])
	}
	for addr := range strings.SplitSeq(words[1], ",") {
		p, ok := haproxyBind(addr)
		if ok {
			p.most = most
			v.ports = append(v.ports, p)
		}
	}
	if r.ifs > 0 {
		r.facts.guessed = true
	}
}

// maxconn takes "maxconn N"; what is no number (a variable of the environment)
// is not known.
func (r *haproxyReader) maxconn(words []string) (n uint64, ok bool) {
	if words[0] != "maxconn" || len(words) < 2 {
		return 0, false
	}
	if r.ifs > 0 {
		r.facts.guessed = true
	}
	return haproxyNumber(words[1]), true
}

// haproxyNumber is 0 for what is none: HAProxy counts in 32 bits.
func haproxyNumber(text string) uint64 {
	if v, ok := wholeNumber(text); ok && v < 1<<31 {
		return v
	}
	return 0
}

// haproxyBind reads one address of a bind line: *:80, 10.0.0.1:8000-8010,
// ipv6@:::443. Sockets of other kinds have no port.
func haproxyBind(addr string) (haproxyPort, bool) {
	if kind, rest, ok := strings.Cut(addr, "@"); ok {
		if kind != "ipv4" && kind != "ipv6" && kind != "tcp" && kind != "tcp4" && kind != "tcp6" {
			return haproxyPort{}, false
		}
		addr = rest
	}
	i := strings.LastIndexByte(addr, ':')
	if i < 0 || strings.HasPrefix(addr, "/") {
		return haproxyPort{}, false
	}
	from, to, isRange := strings.Cut(addr[i+1:], "-")
	if !isRange {
		to = from
	}
	first, ok1 := wholeNumber(from)
	last, ok2 := wholeNumber(to)
	if !ok1 || !ok2 || first == 0 || last < first || last > 65535 {
		return haproxyPort{}, false
	}
	return haproxyPort{first: uint16(first), last: uint16(last)}, true
}

// haproxyWords parts a line into words: blanks part, quotes and backslashes
// keep, # begins a comment. ok is false while a quote is open at its end.
func haproxyWords(line []byte) (words []string, ok bool) {
	var w []byte
	in, quote := false, byte(0)
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '\\' && quote != '\'' && i+1 < len(line):
			i++
			w, in = append(w, line[i]), true
		case c == quote && quote != 0:
			quote = 0
		case quote != 0:
			w = append(w, c)
		case c == '"' || c == '\'':
			quote, in = c, true
		case c == '#' || c == ' ' || c == '\t' || c == '\r' || c == '\n':
			if in {
				words = append(words, string(w))
				w, in = w[:0], false
			}
			if c == '#' {
				return words, true
			}
		default:
			w, in = append(w, c), true
		}
	}
	if in {
		words = append(words, string(w))
	}
	return words, quote == 0
}

// parseShowInfo finds the limit in what a running HAProxy answers to "show
// info".
func parseShowInfo(b []byte) (most uint64, ok bool) {
	for line := range bytes.Lines(b) {
		if v, ok := bytes.CutPrefix(line, []byte("Maxconn:")); ok {
			n := haproxyNumber(string(bytes.TrimSpace(v)))
			return n, n > 0
		}
	}
	return 0, false
}

// haproxyCommand is what the command line of HAProxy says.
type haproxyCommand struct {
	files  []string // -f, files and folders
	folder string   // -C: where relative ones begin
	most   uint64   // -n: wins over the configuration
}

// parseHAProxyCommand reads the arguments as HAProxy does.
func parseHAProxyCommand(cmdline []byte) haproxyCommand {
	args := strings.Split(strings.TrimRight(string(cmdline), "\x00"), "\x00")
	var c haproxyCommand
	for i := 1; i < len(args); i++ {
		if args[i] == "--" {
			c.files = append(c.files, args[i+1:]...)
			break
		}
		if i+1 == len(args) {
			break
		}
		switch args[i] {
		case "-f":
			i++
			c.files = append(c.files, args[i])
		case "-C":
			i++
			c.folder = args[i]
		case "-n":
			i++
			c.most = haproxyNumber(args[i])
		}
	}
	return c
}

// paths are the files and folders of the configuration, where they are absolute
// or begin in cwd; ok is false where one is not known.
func (c haproxyCommand) paths(cwd string) (paths []string, ok bool) {
	if c.folder != "" {
		if !path.IsAbs(c.folder) {
			c.folder = path.Join(cwd, c.folder)
		}
		cwd = c.folder
	}
	for _, f := range c.files {
		if !path.IsAbs(f) {
			f = path.Join(cwd, f)
		}
		if !path.IsAbs(f) {
			return nil, false
		}
		paths = append(paths, path.Clean(f))
	}
	return paths, len(paths) > 0
}

// readHAProxy reads files, and in folders every file that ends with .cfg.
func readHAProxy(files configFiles, paths []string) (haproxyFacts, error) {
	var texts [][]byte
	for _, p := range paths {
		all := []string{p}
		if names, err := files.list(p); err == nil && len(names) > 0 {
			if all, err = globConfig(files, p+"/*.cfg"); err != nil {
				return haproxyFacts{}, err
			}
		}
		for _, f := range all {
			b, err := files.read(f)
			if err != nil {
				return haproxyFacts{}, err
			}
			texts = append(texts, b)
		}
	}
	return parseHAProxy(texts...)
}
