//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// refuse lets the kernel refuse steps until the test ends; it returns the steps
// that were tried.
func refuse(t *testing.T, which func(what string) bool) *[]string {
	var tried []string
	real := step
	step = func(what string, do func() error) error {
		tried = append(tried, what)
		if which(what) {
			return unix.EPERM
		}
		return real(what, do)
	}
	t.Cleanup(func() { step = real })
	return &tried
}

// Each step that is refused is named; where there is another way it is taken,
// and counts.
func TestHTTPRefused(t *testing.T) {
	for _, mode := range modes {
		openReal(t, HTTPOptions{Mode: mode, Latency: true})
		var steps []string
		t.Run("all of "+string(mode), func(t *testing.T) {
			tried := refuse(t, func(string) bool { return false })
			openReal(t, HTTPOptions{Mode: mode, Latency: true})
			steps = *tried
		})
		for _, s := range slices.Compact(steps) {
			t.Run(s, func(t *testing.T) {
				refuse(t, func(what string) bool { return what == s })
				h, err := OpenHTTP(HTTPOptions{Mode: mode, Latency: true})
				if strings.Contains(s, "by cookie") {
					if err != nil {
						t.Fatalf("there is another way: %v", err)
					}
					h.Close()
					return
				}
				var r *Refusal
				if !errors.As(err, &r) || r.Step != s || !strings.Contains(err.Error(), s) {
					t.Fatalf("error %v, want a refusal of this step", err)
				}
			})
		}
	}
}

// Older kernels lack some of the ways: the others count too.
func TestHTTPFallbacks(t *testing.T) {
	plain := scripts["keep-alive"]
	for name, c := range map[string]struct {
		refused []string
		mode    Mode
		want    Mode
		caveats []string
	}{
		"no cookie":           {[]string{"by cookie"}, Egress, Egress, nil},
		"no namespace":        {[]string{"by cookie", "by socket"}, Egress, Egress, []string{"containers"}},
		"not deep":            {[]string{"into packets"}, Egress, Egress, []string{"first"}},
		"neither":             {[]string{"into packets", "by cookie", "by socket"}, Egress, Egress, []string{"containers", "first"}},
		"no send tracepoint":  {[]string{"sees sends"}, Auto, Egress, nil},
		"no types for a send": {[]string{"a send"}, Auto, Egress, nil},
	} {
		t.Run(name, func(t *testing.T) {
			openReal(t, HTTPOptions{Mode: c.mode})
			refuse(t, func(what string) bool {
				return slices.ContainsFunc(c.refused, func(s string) bool { return strings.Contains(what, s) })
			})
			h := openReal(t, HTTPOptions{Mode: c.mode})
			if h.Mode() != c.want || (h.Caveat() == "") != (c.caveats == nil) {
				t.Errorf("mode %q, caveat %q", h.Mode(), h.Caveat())
			}
			for _, w := range c.caveats {
				if !strings.Contains(h.Caveat(), w) {
					t.Errorf("caveat %q, want %q in it", h.Caveat(), w)
				}
			}
			if got, _ := h.Read(plain.play(t, h)); got.Final() != plain.want.Final() {
				t.Errorf("counted %d, want %d", got.Final(), plain.want.Final())
			}
		})
	}
	t.Run("nothing", func(t *testing.T) {
		refuse(t, func(string) bool { return true })
		_, err := OpenHTTP(HTTPOptions{})
		if err == nil || !strings.Contains(err.Error(), "send: ") || !strings.Contains(err.Error(), "egress: ") {
			t.Errorf("error %v, want both tries in it", err)
		}
	})
}

func TestHTTPWatch(t *testing.T) {
	h := openReal(t, HTTPOptions{})
	port := scripts["404"].play(t, h)
	if err := h.Watch(port); err != nil {
		t.Fatal(err)
	}
	if c, ok := h.Read(port); !ok || c.Final() != 20 {
		t.Errorf("watched twice: %v %v, want it to go on", c, ok)
	}
	if _, ok := h.Latency(port); ok {
		t.Error("response times that are not measured")
	}
	h.Unwatch(port)
	if _, ok := h.Read(port); ok {
		t.Error("read a port that is not watched")
	}
	if err := h.Watch(port); err != nil {
		t.Fatal(err)
	}
	if c, ok := h.Read(port); !ok || c != (Counts{}) {
		t.Errorf("watched anew: %v %v, want it to begin at zero", c, ok)
	}
	for p := range uint16(256) {
		if err := h.Watch(30000 + p); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(programsOf(t, h)); n != 1 {
		t.Errorf("%d programs without response times, want 1", n)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if _, ok := h.Read(port); ok {
		t.Error("read after Close")
	}
}

// A reader that is too slow: TCP joins responses into packets as it likes, and
// sends find no room and are tried again.
func TestHTTPSlowReader(t *testing.T) {
	const n, size = 100, 60_000
	whole := response("200 OK", size)
	for _, mode := range modes {
		for _, blocking := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s blocking=%v", mode, blocking), func(t *testing.T) {
				h := openReal(t, HTTPOptions{Mode: mode})
				port := watched(t, h, "tcp", "127.0.0.1:0", func(c *net.TCPConn) {
					_, _ = io.CopyN(io.Discard, c, int64(n*len(aRequest)))
					if err := sendAll(c, whole, n, blocking); err != nil {
						t.Error(err)
					}
				})
				c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				_ = c.(*net.TCPConn).SetReadBuffer(16 << 10)
				_ = c.SetDeadline(time.Now().Add(20 * time.Second))
				if _, err := io.WriteString(c, strings.Repeat(aRequest, n)); err != nil {
					t.Fatal(err)
				}
				for left := n * len(whole); left > 0; left -= len(whole) {
					time.Sleep(time.Millisecond) // what makes it slow
					if _, err := io.CopyN(io.Discard, c, int64(len(whole))); err != nil {
						t.Fatal(err)
					}
				}
				if got, _ := h.Read(port); got.Final() != n {
					t.Errorf("counted %+v, want %d", got, n)
				}
			})
		}
	}
}

// sendAll writes text n times, with Go's non-blocking writes or as a thread that
// waits in the kernel.
func sendAll(c *net.TCPConn, text string, n int, blocking bool) error {
	_ = c.SetWriteBuffer(32 << 10)
	if !blocking {
		for range n {
			if _, err := io.WriteString(c, text); err != nil {
				return err
			}
		}
		return nil
	}
	f, err := c.File()
	if err != nil {
		return err
	}
	defer f.Close()
	fd := int(f.Fd())
	if err := unix.SetNonblock(fd, false); err != nil {
		return err
	}
	for range n {
		for b := []byte(text); len(b) > 0; {
			k, err := unix.Write(fd, b)
			if err != nil {
				return err
			}
			b = b[k:]
		}
	}
	return unix.SetNonblock(fd, true)
}

// A time runs from the request's arrival, read or not, to the response: no
// shorter than the server held it, no longer than the client waited.
func TestHTTPLatency(t *testing.T) {
	const n = 5
	for _, mode := range modes {
		t.Run(string(mode), func(t *testing.T) {
			h := openReal(t, HTTPOptions{Mode: mode, Latency: true})
			arrived, held := make(chan struct{}), make(chan time.Duration, n)
			port := watched(t, h, "tcp", "127.0.0.1:0", func(c *net.TCPConn) {
				one := make([]byte, len(aRequest))
				for range n {
					<-arrived
					from := time.Now()
					time.Sleep(20 * time.Millisecond) // busy elsewhere: it is not read yet
					_, _ = io.ReadFull(c, one)
					_, _ = io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
					time.Sleep(20 * time.Millisecond)
					held <- time.Since(from)
					_, _ = io.WriteString(c, response("200 OK", 5))
				}
			})
			c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			length := int64(len("HTTP/1.1 100 Continue\r\n\r\n" + response("200 OK", 5)))
			var low, high time.Duration
			for range n {
				from := time.Now()
				_, _ = io.WriteString(c, aRequest)
				arrived <- struct{}{} // over loopback, it is there
				if _, err := io.CopyN(io.Discard, c, length); err != nil {
					t.Fatal(err)
				}
				high += time.Since(from)
				low += <-held
			}
			got, ok := h.Latency(port)
			if !ok || got.Count() != n {
				t.Fatalf("%d times, %v, want %d", got.Count(), ok, n)
			}
			if mean := got.Mean(); mean < low/n || mean > high/n {
				t.Errorf("mean %v, want %v to %v", mean, low/n, high/n)
			}
			if q := got.Quantile(1); q < low/n*15/16 {
				t.Errorf("longest %v, want no less than the mean, %v", q, low/n)
			}
			if d := got.Since(got); d.Count() != 0 {
				t.Errorf("%d since now", d.Count())
			}
		})
	}
}
