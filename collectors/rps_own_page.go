package collectors

import (
	"bytes"
	"context"
	"io"
	"time"
)

// bounds are those of one request of a page.
type bounds struct {
	wait time.Duration
	most int64 // bytes
}

var (
	// probeBounds are for what nobody named, and for pages that are small.
	probeBounds = bounds{200 * time.Millisecond, 256 << 10}
	// pageBounds are for pages somebody named that may be large.
	pageBounds = bounds{400 * time.Millisecond, 8 << 20}
)

// ownPage is a server's page about its own requests, of which every poll is
// one.
type ownPage struct {
	page  *page
	parse func([]byte) (readout, error)
	buf   bytes.Buffer
	sent  uint64 // of page.sent, up to the last answer
}

// count implements counter.
func (o *ownPage) count(ctx context.Context) (readout, error) {
	err := o.page.get(ctx, probeBounds.wait, probeBounds.most, func(r io.Reader) error {
		o.buf.Reset()
		_, err := o.buf.ReadFrom(r)
		return err
	})
	if err != nil {
		return readout{}, err
	}
	got, err := o.parse(o.buf.Bytes())
	if err != nil {
		return readout{}, err
	}
	got.own = float64(o.page.sent - o.sent)
	o.sent = o.page.sent
	return got, nil
}

func (o *ownPage) close() { o.page.close() }
