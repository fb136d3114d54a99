//go:build linux

package kernel

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// openReal opens a counter on this kernel. Where that is not allowed the test
// says so and is skipped; CAPMON_REQUIRE_REAL makes it fail.
func openReal(t testing.TB, o HTTPOptions) *HTTP {
	t.Helper()
	h, err := OpenHTTP(o)
	if err != nil {
		if os.Getenv("CAPMON_REQUIRE_REAL") != "" {
			t.Fatal(err)
		}
		t.Skipf("counts in the real kernel: %v", err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

var modes = []Mode{Send, Egress}

// watched listens, watches the port and hands each connection to serve.
func watched(t testing.TB, h *HTTP, network, addr string, serve func(*net.TCPConn)) (port uint16) {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve(c.(*net.TCPConn))
			c.Close()
		}
	}()
	port = uint16(l.Addr().(*net.TCPAddr).Port)
	t.Cleanup(func() { l.Close(); <-done; h.Unwatch(port) })
	if err := h.Watch(port); err != nil {
		t.Fatal(err)
	}
	return port
}

const aRequest = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"

// response is a whole response with a body of n bytes.
func response(status string, n int) string {
	return fmt.Sprintf("HTTP/1.1 %s\r\nServer: test\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s",
		status, n, strings.Repeat("x", n))
}

// head is what comes before a body of n bytes.
func head(n int) string { return fmt.Sprintf("HTTP/1.1 200 OK\r\ncontent-length:%d\r\n\r\n", n) }

// sameShapes are responses that differ in their length only, or in where their
// body is sent.
func sameShapes() (writes []string) {
	for n := 10; n < 30; n++ {
		writes = append(writes,
			response("200 OK", n), response("404 No", n), response("404 No", n),
			head(1+len(pretended)+n)+strings.Repeat("x", n+1), pretended,
			response("500 KO", n),
			response("200 OK", n)+response("200 OK", n+1))
		if n%2 == 0 {
			writes = append(writes, response("200 OK", 5))
		}
	}
	return writes
}

// pretended is a body that looks like a response.
const pretended = "HTTP/1.1 500 Pretended\r\nContent-Length: 0\r\n\r\n"

// script is one connection's talk: for each request of the client the server
// does one list of writes.
type script struct {
	network, listen, dial string
	conns, requests       int // 0 is 1
	pipelined             bool
	writes                []string // in answer to each request
	vector                bool     // in one writev
	file                  string   // then this by sendfile
	want                  Counts
	packets               bool // Egress counts other packets than sends: only responses are compared
}

func each(n int, class int) (c Counts) { c.Class[class] = uint64(n); return c }

var scripts = map[string]script{
	"keep-alive":             {requests: 500, writes: []string{response("200 OK", 612)}, want: each(500, 2)},
	"a connection each":      {conns: 200, writes: []string{response("200 OK", 612)}, want: each(200, 2)},
	"IPv6":                   {network: "tcp6", listen: "[::1]:0", requests: 50, writes: []string{response("200 OK", 1)}, want: each(50, 2)},
	"IPv4 in an IPv6 socket": {listen: "[::]:0", dial: "127.0.0.1", requests: 50, writes: []string{response("200 OK", 1)}, want: each(50, 2)},
	"IPv6 beside it":         {listen: "[::]:0", dial: "::1", requests: 50, writes: []string{response("200 OK", 1)}, want: each(50, 2)},
	"404":                    {requests: 20, writes: []string{response("404 Not Found", 9)}, want: each(20, 4)},
	"500":                    {requests: 20, writes: []string{response("500 Internal Server Error", 9)}, want: each(20, 5)},
	"301":                    {requests: 20, writes: []string{response("301 Moved Permanently", 0)}, want: each(20, 3)},
	"304 without a body":     {requests: 20, writes: []string{"HTTP/1.1 304 Not Modified\r\nContent-Length: 612\r\n\r\n"}, want: each(20, 3)},
	"answers to HEAD":        {requests: 20, writes: []string{"HTTP/1.1 200 OK\r\nContent-Length: 612\r\n\r\n"}, want: each(20, 2)},
	"HTTP/1.0":               {conns: 20, writes: []string{"HTTP/1.0 200 OK\r\n\r\nhello"}, want: each(20, 2)},
	"no reason phrase":       {requests: 20, writes: []string{"HTTP/1.1 204 \r\n\r\n"}, want: each(20, 2)},
	"100, then 200": {
		requests: 20, writes: []string{"HTTP/1.1 100 Continue\r\n\r\n", response("200 OK", 2)},
		want: Counts{Class: [6]uint64{1: 20, 2: 20}},
	},
	"pipelined": {requests: 160, pipelined: true, writes: []string{response("200 OK", 100)}, want: each(160, 2)},
	"large body in the same send": {
		requests: 5, writes: []string{response("200 OK", 1_200_000)}, want: each(5, 2),
		packets: true,
	},
	"header and body in a vector": {
		requests: 20, vector: true, want: each(20, 2),
		writes: []string{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "hello"},
	},
	"body sends": {
		requests: 5, want: Counts{Class: [6]uint64{2: 5}, Other: 15},
		writes:  []string{"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n", "hello", "hello", "hello"},
		packets: true,
	},
	"sendfile": {
		requests: 5, want: Counts{Class: [6]uint64{2: 5}}, file: "-" + strings.Repeat("HTTP/1.1 200 OK\r\n", 30_000),
		writes: []string{"HTTP/1.1 200 OK\r\nContent-Length: 510001\r\n\r\n"}, packets: true,
	},
	"body sends that each look like a response": {
		requests: 5, want: Counts{Class: [6]uint64{2: 5}, Other: 15}, packets: true,
		writes: []string{
			head(1+3*len(pretended)) + "-", pretended, pretended, pretended,
		},
	},
	"a body full of responses": {
		requests: 5, writes: []string{head(100*len(pretended)) + strings.Repeat(pretended, 100)},
		want: each(5, 2),
	},
	"three in a send": {
		requests: 7, writes: []string{response("200 OK", 700) + response("404 Not Found", 0) + response("503 No", 5)},
		want: Counts{Class: [6]uint64{2: 7, 4: 7, 5: 7}},
	},
	"100 and 200 in a send": {
		requests: 7, writes: []string{"HTTP/1.1 100 Continue\r\n\r\n" + response("200 OK", 5)},
		want: Counts{Class: [6]uint64{1: 7, 2: 7}},
	},
	"32 without a body in a send": {
		writes: []string{strings.Repeat("HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 7\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 16)},
		want:   Counts{Class: [6]uint64{2: 16, 3: 16}},
	},
	"answers to HEAD and GET in a send": {
		requests: 7, want: each(21, 2),
		writes: []string{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + response("200 OK", 50) + response("200 OK", 5)},
	},
	"long headers": {
		requests: 7, want: each(14, 2),
		writes: []string{strings.Repeat("HTTP/1.1 200 OK\r\nSet-Cookie: "+strings.Repeat("c", 1500)+"\r\nContent-Length: 3\r\nX: y\r\n\r\nabc", 2)},
	},
	"two in a vector": {
		requests: 7, vector: true, want: Counts{Class: [6]uint64{2: 7, 4: 7}},
		writes: []string{
			head(len(pretended)), pretended,
			"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\n", "hello",
		},
	},
	"headers of one shape and other lengths": {
		requests: 3, want: Counts{Class: [6]uint64{2: 3 * 90, 4: 3 * 40, 5: 3 * 20}, Other: 3 * 20}, packets: true,
		writes: sameShapes(),
	},
	"chunked": {
		requests: 7, want: Counts{Class: [6]uint64{2: 7}, Other: 14}, packets: true,
		writes: []string{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\n", "0\r\n\r\n"},
	},
	"TLS": {
		requests: 20, writes: []string{"\x16\x03\x03\x00\x7a" + strings.Repeat("\x99", 0x7a)}, want: Counts{Other: 20},
	},
	"ssh":              {writes: []string{"SSH-2.0-test\r\n"}, want: Counts{Other: 1}},
	"a status of six":  {writes: []string{response("600 No", 1)}, want: Counts{Other: 1}},
	"HTTP/2":           {writes: []string{"HTTP/2 200 OK..."}, want: Counts{Other: 1}},
	"less than a line": {writes: []string{"HTTP/1.1"}, want: Counts{Other: 1}},
}

// play runs a script and returns when the client has every byte.
func (s script) play(t *testing.T, h *HTTP) (port uint16) {
	t.Helper()
	network, listen := s.network, s.listen
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	if network == "" {
		network = "tcp"
	}
	file := ""
	if s.file != "" {
		file = t.TempDir() + "/body"
		if err := os.WriteFile(file, []byte(s.file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	port = watched(t, h, network, listen, func(c *net.TCPConn) {
		one := make([]byte, len(aRequest))
		for {
			if _, err := io.ReadFull(c, one); err != nil {
				return
			}
			s.answer(t, c, file)
		}
	})
	length := len(strings.Join(s.writes, "")) + len(s.file)
	for range max(s.conns, 1) {
		s.ask(t, port, length)
	}
	return port
}

// answer writes the response to one request.
func (s script) answer(t *testing.T, c *net.TCPConn, file string) {
	if s.vector {
		var b net.Buffers
		for _, w := range s.writes {
			b = append(b, []byte(w))
		}
		if _, err := b.WriteTo(c); err != nil {
			t.Error(err)
		}
	} else {
		for _, w := range s.writes {
			if _, err := io.WriteString(c, w); err != nil {
				t.Error(err)
			}
		}
	}
	if file == "" {
		return
	}
	f, err := os.Open(file)
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	if _, err := c.ReadFrom(f); err != nil {
		t.Error(err)
	}
}

// ask is the client of one connection; each response has length bytes.
func (s script) ask(t *testing.T, port uint16, length int) {
	t.Helper()
	host := s.dial
	if host == "" {
		host = "127.0.0.1"
	}
	if s.network == "tcp6" {
		host = "::1"
	}
	c, err := net.Dial("tcp", net.JoinHostPort(host, fmt.Sprint(port)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	requests, wait := max(s.requests, 1), 1
	if s.pipelined {
		requests, wait = 1, requests
	}
	for range requests {
		if _, err := io.WriteString(c, strings.Repeat(aRequest, wait)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, c, int64(length*wait)); err != nil {
			t.Fatal(err)
		}
	}
}

// What is sent on a real socket is counted exactly.
func TestHTTPCounts(t *testing.T) {
	for _, mode := range modes {
		t.Run(string(mode), func(t *testing.T) {
			h := openReal(t, HTTPOptions{Mode: mode})
			for name, s := range scripts {
				t.Run(name, func(t *testing.T) {
					port := s.play(t, h)
					got, ok := h.Read(port)
					if !ok {
						t.Fatal("not watched")
					}
					if s.file != "" || s.packets && mode == Egress {
						got.Other, s.want.Other = 0, 0 // packets, or pieces of a file
					}
					if diff := cmp.Diff(s.want, got); diff != "" {
						t.Errorf("(-want +got):\n%s", diff)
					}
				})
			}
		})
	}
}

// Both modes work on a kernel that has both, and Auto takes the better one.
func TestHTTPMode(t *testing.T) {
	for _, mode := range append(modes, Auto) {
		h := openReal(t, HTTPOptions{Mode: mode, Latency: true})
		want := mode
		if mode == Auto {
			want = Send
		}
		if h.Mode() != want || h.Caveat() != "" {
			t.Errorf("%q: Mode() = %q, Caveat() = %q, want %q and none", mode, h.Mode(), h.Caveat(), want)
		}
	}
}
