package chess

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
)

func TestHandshake(t *testing.T) {
	// RFC 6455, section 1.3.
	if got := acceptKey("dGhlIHNhbXBsZSBub25jZQ=="); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatalf("accept %q", got)
	}
	for name, c := range map[string]struct {
		full bool
		want error
	}{"room": {false, nil}, "full": {true, errFull}} {
		g := &gameServer{most: 1}
		if c.full {
			g.most = 0
		}
		there, here := net.Pipe()
		done := make(chan struct{})
		go func() { defer close(done); g.play(there) }()
		f, err := open(here, "game")
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			if err := f.send(opText, []byte("e2e4")); err != nil {
				t.Fatal(err)
			}
			if op, move, err := f.next(); op != opText || string(move) != "e2e4" || err != nil {
				t.Errorf("%d %q %v", op, move, err)
			}
			if n := g.playing.Load(); n != 1 {
				t.Errorf("%d play", n)
			}
			if err := f.send(opClose, nil); err != nil {
				t.Fatal(err)
			}
			if op, _, err := f.next(); op != opClose || err != nil {
				t.Errorf("%d %v", op, err)
			}
		}
		<-done
		if n := g.playing.Load(); n != 0 {
			t.Errorf("%s: %d play afterwards", name, n)
		}
	}
}

// Who does not speak the game's protocol is told so, and holds no seat.
func TestStrangers(t *testing.T) {
	for _, c := range []struct{ sent, want string }{
		{"GET /play HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 426 "},
		{"POST /play HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: a\r\n\r\n", "HTTP/1.1 426 "},
		{"\x16\x03\x01\x00\xff\r\n\r\n", ""},
	} {
		g := &gameServer{most: 1}
		there, here := net.Pipe()
		done := make(chan struct{})
		go func() { defer close(done); g.play(there) }()
		go func() { _, _ = io.WriteString(here, c.sent) }()
		answer, _ := io.ReadAll(here)
		<-done
		if !bytes.HasPrefix(answer, []byte(c.want)) || c.want == "" && len(answer) > 0 || g.playing.Load() != 0 {
			t.Errorf("%q got %q, %d play", c.sent, answer, g.playing.Load())
		}
	}
}

// FuzzFrames holds that whatever comes, in whatever pieces, is a frame of at
// most maxPayload bytes, or ends the connection.
func FuzzFrames(f *testing.F) {
	f.Add(appendFrame(nil, opText, []byte("e2e4"), true), true)
	f.Add(appendFrame(appendFrame(nil, opPing, nil, false), opText, bytes.Repeat([]byte{1}, maxPayload), false), false)
	f.Add([]byte{0x81, 0xfe, 0, 0}, true)
	f.Fuzz(func(t *testing.T, b []byte, masked bool) {
		there, here := net.Pipe()
		go func() {
			defer there.Close()
			_, _ = there.Write(b)
		}()
		defer here.Close()
		end := &frames{Conn: here, masked: masked}
		taken := 0
		for {
			_, payload, err := end.next()
			if err != nil {
				break
			}
			if taken += 2 + len(payload); len(payload) > maxPayload || taken > len(b) {
				t.Fatalf("%d bytes of %d", taken, len(b))
			}
		}
		if len(b) <= maxPayload {
			for _, masked := range []bool{false, true} {
				frame := appendFrame(nil, opText, b, masked)
				op, payload, n, err := parseFrame(frame, masked)
				if op != opText || !bytes.Equal(payload, b) || n != len(frame) || err != nil {
					t.Fatalf("%d %q %d %v", op, payload, n, err)
				}
			}
		}
	})
}
