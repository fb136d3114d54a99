package collectors

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// nginxFacts are what a configuration of nginx says about connections. The zero
// value of a number is "not said".
type nginxFacts struct {
	connections uint64 // worker_connections
	processes   uint64 // worker_processes; 0 with auto too
	auto        bool
	files       uint64 // worker_rlimit_nofile
	proxied     bool   // something is passed on to another server
}

// What nginx takes where its configuration says nothing.
const (
	nginxConnections = 512
	nginxProcesses   = 1
)

// maxNginxWorkers and maxNginxEach are far above what anyone runs; they keep
// the product a number.
const (
	maxNginxWorkers = 1 << 16
	maxNginxEach    = 1 << 40
)

// limit is how many clients nginx can hold; workers are those that run, 0 = not
// known. A worker counts the connections to the servers behind it too, so that
// a client whose request is passed on takes two.
func (f nginxFacts) limit(workers int) connLimit {
	n := uint64(workers)
	if n == 0 && !f.auto {
		n = f.processes
		if n == 0 {
			n = nginxProcesses
		}
	}
	each, what := f.connections, "worker_connections"
	if each == 0 {
		each = nginxConnections
	}
	if f.files > 0 && f.files < each {
		each, what = f.files, "worker_rlimit_nofile"
	}
	if n == 0 || n > maxNginxWorkers || each > maxNginxEach {
		return connLimit{}
	}
	l := connLimit{most: n * each, from: fmt.Sprintf("%s %d x %d", what, each, n)}
	if f.proxied {
		l.most /= 2
		l.from += ", two for each proxied client"
	}
	return l
}

// nginxPass are the directives that open a connection of their own for the
// request of a client.
var nginxPass = []string{"proxy_pass", "fastcgi_pass", "grpc_pass", "uwsgi_pass", "scgi_pass", "memcached_pass"}

// nginxTables are blocks whose lines are data; what they include is a table
// too, and can be long.
var nginxTables = []string{"types", "map", "geo", "split_clients", "charset_map"}

// nginxReader follows a configuration through its includes.
type nginxReader struct {
	files  configFiles
	folder string // of the main file: includes are relative to it
	facts  nginxFacts
	depth  int
	count  int // files that were read
}

// readNginx reads the configuration that begins with file; globals are the
// directives that were given on the command line.
func readNginx(files configFiles, file, globals string) (nginxFacts, error) {
	r := nginxReader{files: files, folder: path.Dir(file)}
	if err := r.text([]byte(globals), nil); err != nil {
		return nginxFacts{}, err
	}
	if err := r.file(file, nil); err != nil {
		return nginxFacts{}, err
	}
	return r.facts, nil
}

func (r *nginxReader) file(name string, blocks []string) error {
	if r.count++; r.depth >= maxConfigDepth || r.count > maxConfigFiles {
		return errConfigLarge
	}
	b, err := r.files.read(name)
	if err != nil {
		return err
	}
	r.depth++
	defer func() { r.depth-- }()
	return r.text(b, blocks)
}

// text reads one file; blocks are those around what it is included in.
func (r *nginxReader) text(b []byte, blocks []string) error {
	l := nginxLexer{b: b}
	outside := len(blocks)
	blocks = slices.Clone(blocks)
	var words []string
	for {
		kind, word := l.next()
		switch kind {
		case nginxEnd:
			if len(blocks) != outside || len(words) > 0 {
				return errConfigText
			}
			return nil
		case nginxBroken:
			return errConfigText
		case nginxWord:
			words = append(words, word)
			continue
		case nginxSemicolon:
			if err := r.directive(words, blocks); err != nil {
				return err
			}
		case nginxOpen:
			if len(words) == 0 || len(blocks) > 64 {
				return errConfigText
			}
			if strings.HasSuffix(words[0], "_by_lua_block") {
				if !l.skipLua() {
					return errConfigText
				}
				break
			}
			blocks = append(blocks, words[0])
		case nginxClose:
			if len(blocks) == outside || len(words) > 0 {
				return errConfigText
			}
			blocks = blocks[:len(blocks)-1]
		}
		words = words[:0]
	}
}

// directive takes what one directive says.
func (r *nginxReader) directive(words, blocks []string) error {
	if len(words) == 0 {
		return nil
	}
	inside := ""
	if len(blocks) > 0 {
		inside = blocks[len(blocks)-1]
	}
	if slices.Contains(nginxTables, inside) {
		return nil
	}
	if slices.Contains(nginxPass, words[0]) {
		r.facts.proxied = true
		return nil
	}
	if len(words) != 2 {
		return nil
	}
	switch where := inside + " " + words[0]; {
	case words[0] == "include":
		return r.include(words[1], blocks)
	case where == " worker_processes" && words[1] == "auto":
		r.facts.auto = true
	case where == " worker_processes":
		return number(words[1], &r.facts.processes)
	case where == " worker_rlimit_nofile":
		return number(words[1], &r.facts.files)
	case where == "events worker_connections":
		return number(words[1], &r.facts.connections)
	}
	return nil
}

func number(text string, to *uint64) error {
	v, ok := wholeNumber(text)
	if !ok || v == 0 {
		return errConfigText
	}
	*to = v
	return nil
}

func (r *nginxReader) include(pattern string, blocks []string) error {
	if !path.IsAbs(pattern) {
		pattern = path.Join(r.folder, pattern)
	}
	found, err := globConfig(r.files, pattern)
	if err != nil {
		return err
	}
	for _, f := range found {
		err := r.file(f, blocks)
		if errors.Is(err, fs.ErrNotExist) && hasWildcard(pattern) && f != pattern {
			continue // the end of a pattern like */site.conf
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// What the lexer finds.
const (
	nginxEnd = iota
	nginxWord
	nginxSemicolon
	nginxOpen
	nginxClose
	nginxBroken
)

// nginxLexer takes words and signs off the beginning of b.
type nginxLexer struct{ b []byte }

// next skips blanks and comments and returns what follows.
func (l *nginxLexer) next() (kind int, word string) {
	for len(l.b) > 0 {
		switch c := l.b[0]; c {
		case ' ', '\t', '\r', '\n':
			l.b = l.b[1:]
		case '#':
			_, l.b, _ = bytes.Cut(l.b, newline)
		case ';', '{', '}':
			l.b = l.b[1:]
			return map[byte]int{';': nginxSemicolon, '{': nginxOpen, '}': nginxClose}[c], ""
		case '"', '\'':
			return l.quoted(c)
		default:
			return nginxWord, l.bare()
		}
	}
	return nginxEnd, ""
}

// quoted takes a word between quotes.
func (l *nginxLexer) quoted(quote byte) (kind int, word string) {
	var w []byte
	for i := 1; i < len(l.b); i++ {
		switch l.b[i] {
		case quote:
			l.b = l.b[i+1:]
			return nginxWord, string(w)
		case '\\':
			if i+1 < len(l.b) && (l.b[i+1] == quote || l.b[i+1] == '\\') {
				i++
			}
		}
		w = append(w, l.b[i])
	}
	l.b = nil
	return nginxBroken, ""
}

// bare takes a word up to the next blank or sign. The brace of a variable,
// ${name}, is part of it.
func (l *nginxLexer) bare() string {
	i := 0
	for i < len(l.b) {
		switch c := l.b[i]; {
		case c == '\\' && i+1 < len(l.b):
			i++
		case c == '$' && i+1 < len(l.b) && l.b[i+1] == '{':
			i++
		case c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ';' || c == '{':
			w := string(l.b[:i])
			l.b = l.b[i:]
			return w
		}
		i++
	}
	w := string(l.b)
	l.b = nil
	return w
}

// skipLua passes over a program in Lua, whose opening brace has been taken.
func (l *nginxLexer) skipLua() bool {
	for depth := 1; len(l.b) > 0; {
		c := l.b[0]
		switch {
		case c == '"' || c == '\'':
			if kind, _ := l.quoted(c); kind == nginxBroken {
				return false
			}
			continue
		case bytes.HasPrefix(l.b, []byte("--")):
			_, l.b, _ = bytes.Cut(l.b, newline)
			continue
		case c == '{':
			depth++
		case c == '}':
			depth--
		}
		l.b = l.b[1:]
		if depth == 0 {
			return true
		}
	}
	return false
}
