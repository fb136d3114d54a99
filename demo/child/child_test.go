package child

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestMain(m *testing.M) {
	if Main(map[string]Role{
		"waits": func(config []byte, in io.Reader, out io.Writer) error {
			NewTeller(out).Tell(string(config))
			for line := range Lines(in) {
				fmt.Fprintf(out, "heard %s\n", line)
			}
			return nil
		},
		"leaves": func([]byte, io.Reader, io.Writer) error { return nil },
		"fails":  func([]byte, io.Reader, io.Writer) error { return errors.New("no room here") },
	}) {
		return
	}
	os.Exit(m.Run())
}

// A child is told what it is, hears what it is ordered, says what it has to, and
// ends when it is to.
func TestChild(t *testing.T) {
	said := make(chan string, 8)
	p, err := Begin("waits", 7, func(line []byte) { said <- string(line) })
	if err != nil {
		t.Fatal(err)
	}
	if got := <-said; got != `"7\n"` || p.Ended() {
		t.Errorf("it said %s, and has ended: %v", got, p.Ended())
	}
	if err := p.Order(map[string]int{"stay": 3}); err != nil {
		t.Fatal(err)
	}
	if got := <-said; got != `heard {"stay":3}` {
		t.Errorf("it said %s", got)
	}
	p.Stop()
	if !p.Ended() || p.Err != nil {
		t.Errorf("stopped, it has ended: %v, %v", p.Ended(), p.Err)
	}
}

// One that ends by itself always says why, also where all was well.
func TestUnasked(t *testing.T) {
	for role, want := range map[string]string{"leaves": "nobody asked it to", "fails": "fails: no room here"} {
		p, err := Begin(role, nil, func([]byte) {})
		if err != nil {
			t.Fatal(err)
		}
		<-p.Done
		if err := p.Unasked(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", role, err, want)
		}
	}
}

// What is told is told again when it has changed, and not else.
func TestTellChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		var n atomic.Int64
		end, failed, done := make(chan struct{}), make(chan error, 1), make(chan error)
		tell := func() { done <- TellChanges(&out, time.Second, end, failed, n.Load) }
		go tell()
		time.Sleep(3500 * time.Millisecond)
		n.Store(5)
		time.Sleep(2 * time.Second)
		failed <- errors.New("the port is gone")
		if err := <-done; err == nil || err.Error() != "the port is gone" || out.String() != "0\n5\n" {
			t.Errorf("%v, told %q", err, &out)
		}
		go tell()
		close(end)
		if err := <-done; err != nil {
			t.Errorf("at its end: %v", err)
		}
	})
}
