package chess

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// The part of RFC 6455 that the game speaks: the handshake, and frames of one
// piece and at most 125 bytes. Anything else ends the connection.
const (
	opText  = 1
	opClose = 8
	opPing  = 9
	opPong  = 10

	maxPayload = 125
	maxFrame   = 2 + 4 + maxPayload
)

var (
	errFull  = errors.New("the server is full")
	errFrame = errors.New("not a frame of this game")
)

const handshakeTime = 20 * time.Second

// acceptKey is Sec-WebSocket-Accept for a key.
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// appendFrame writes a frame; a client masks what it sends.
func appendFrame(b []byte, op byte, payload []byte, masked bool) []byte {
	mask := byte(0)
	if masked {
		mask = 0x80
	}
	b = append(b, 0x80|op, mask|byte(len(payload)))
	if masked {
		// Proxies that could be fooled by an unmasked frame are not in the way
		// here: any mask will do.
		b = append(b, 0x37, 0xfa, 0x21, 0x3d)
		for i, c := range payload {
			b = append(b, c^[4]byte{0x37, 0xfa, 0x21, 0x3d}[i%4])
		}
		return b
	}
	return append(b, payload...)
}

// parseFrame takes the first frame of b, and unmasks it in place; n is how many
// bytes it takes, 0 where it is not whole.
func parseFrame(b []byte, masked bool) (op byte, payload []byte, n int, err error) {
	if len(b) < 2 {
		return 0, nil, 0, nil
	}
	size, from := int(b[1]&0x7f), 2
	if b[0]&0xf0 != 0x80 || size > maxPayload || (b[1]&0x80 != 0) != masked {
		return 0, nil, 0, errFrame
	}
	if masked {
		from += 4
	}
	if len(b) < from+size {
		return 0, nil, 0, nil
	}
	payload = b[from : from+size]
	if masked {
		for i := range payload {
			payload[i] ^= b[2+i%4]
		}
	}
	return b[0] & 0x0f, payload, from + size, nil
}

// frames is one end of a connection after the handshake.
type frames struct {
	net.Conn
	masked bool // what comes in: the server's end
	have   int
	buf    [maxFrame]byte
}

// next waits for a frame; payload holds until the next call.
func (f *frames) next() (op byte, payload []byte, err error) {
	for {
		op, payload, n, err := parseFrame(f.buf[:f.have], f.masked)
		switch {
		case err != nil:
			return 0, nil, err
		case n > 0:
			// The payload is moved behind nothing: it is copied out first.
			var own [maxPayload]byte
			size := copy(own[:], payload)
			f.have = copy(f.buf[:], f.buf[n:f.have])
			return op, own[:size], nil
		}
		n, err = f.Read(f.buf[f.have:])
		f.have += n
		if n == 0 && err != nil {
			return 0, nil, err
		}
	}
}

func (f *frames) send(op byte, payload []byte) error {
	var b [maxFrame]byte
	_, err := f.Write(appendFrame(b[:0], op, payload, !f.masked))
	return err
}

var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 1<<10) }}

// accept is the server's part of the handshake; with full it refuses.
func accept(c net.Conn, full func() bool) (*frames, error) {
	if err := c.SetDeadline(time.Now().Add(handshakeTime)); err != nil {
		return nil, err
	}
	r := readers.Get().(*bufio.Reader)
	defer readers.Put(r)
	r.Reset(io.LimitReader(c, 8<<10))
	q, err := http.ReadRequest(r)
	if err != nil {
		return nil, err
	}
	key := q.Header.Get("Sec-WebSocket-Key")
	if q.Method != http.MethodGet || !strings.EqualFold(q.Header.Get("Upgrade"), "websocket") || q.Header.Get("Sec-WebSocket-Version") != "13" || key == "" {
		_, _ = io.WriteString(c, "HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		return nil, errors.New("not a WebSocket handshake")
	}
	if full() {
		_, _ = io.WriteString(c, "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		return nil, errFull
	}
	f := &frames{Conn: c, masked: true}
	if n := r.Buffered(); n > 0 {
		if n > len(f.buf) {
			return nil, errFrame
		}
		f.have, _ = io.ReadFull(r, f.buf[:n])
	}
	if _, err := io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+acceptKey(key)+"\r\n\r\n"); err != nil {
		return nil, err
	}
	return f, c.SetDeadline(time.Time{})
}

// open is the client's part of the handshake. It closes c when it fails.
func open(c net.Conn, host string) (f *frames, err error) {
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	if err := c.SetDeadline(time.Now().Add(handshakeTime)); err != nil {
		return nil, err
	}
	// A key must be fresh where caches are in the way; here it only has to be one.
	const key = "dGhlIHNhbXBsZSBub25jZQ=="
	if _, err := io.WriteString(c, "GET /play HTTP/1.1\r\nHost: "+host+"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: "+key+"\r\nSec-WebSocket-Version: 13\r\n\r\n"); err != nil {
		return nil, err
	}
	r := readers.Get().(*bufio.Reader)
	defer readers.Put(r)
	r.Reset(io.LimitReader(c, 8<<10))
	a, err := http.ReadResponse(r, nil)
	if err != nil {
		return nil, err
	}
	a.Body.Close()
	switch {
	case a.StatusCode == http.StatusServiceUnavailable:
		return nil, errFull
	case a.StatusCode != http.StatusSwitchingProtocols || a.Header.Get("Sec-WebSocket-Accept") != acceptKey(key):
		return nil, fmt.Errorf("%s answered %s to a WebSocket handshake", host, a.Status)
	}
	f = &frames{Conn: c}
	if n := r.Buffered(); n > 0 {
		if n > len(f.buf) {
			return nil, errFrame
		}
		f.have, _ = io.ReadFull(r, f.buf[:n])
	}
	return f, c.SetDeadline(time.Time{})
}
