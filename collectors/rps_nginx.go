package collectors

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"
)

const (
	nginxWait = 200 * time.Millisecond
	nginxMost = 256 << 10
)

// nginxCounter reads the requests of an nginx from its stub_status page. They
// are those of the whole nginx, all its ports together.
type nginxCounter struct {
	page *page
	buf  bytes.Buffer
	sent uint64 // of page.sent, up to the last answer
}

// count implements counter. Every poll is a request itself: own are those since
// the last answer, of which the page counts this one too.
func (n *nginxCounter) count(ctx context.Context) (count, own float64, err error) {
	err = n.page.get(ctx, nginxWait, nginxMost, func(r io.Reader) error {
		n.buf.Reset()
		_, err := n.buf.ReadFrom(r)
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	requests, err := parseStubStatus(n.buf.Bytes())
	if err != nil {
		return 0, 0, err
	}
	sent := n.page.sent - n.sent
	n.sent = n.page.sent
	return float64(requests), float64(sent), nil
}

// parseStubStatus takes the number of requests from a stub_status page:
//
//	Active connections: 291
//	server accepts handled requests
//	 16630948 16630948 31070465
//	Reading: 6 Writing: 179 Waiting: 106
func parseStubStatus(b []byte) (requests uint64, err error) {
	errNot := errors.New("not a stub_status page")
	first, b, _ := bytes.Cut(b, newline)
	second, b, _ := bytes.Cut(b, newline)
	third, _, _ := bytes.Cut(b, newline)
	if !bytes.HasPrefix(first, []byte("Active connections: ")) || !bytes.HasPrefix(second, []byte("server accepts handled requests")) {
		return 0, errNot
	}
	_, third, ok := cutNumber(third)
	_, third, ok2 := cutNumber(third)
	requests, _, ok3 := cutNumber(third)
	if !ok || !ok2 || !ok3 || requests > maxCount {
		return 0, errNot
	}
	return requests, nil
}
