package collectors

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// procSelf reads the clock of this process and its statm.
type procSelf struct {
	statm kept
	page  uint64
}

func newSelfSource(c Config) selfSource {
	if c.Portable {
		return new(portableSelf)
	}
	return &procSelf{statm: kept{path: c.Proc + "/self/statm"}, page: uint64(os.Getpagesize())}
}

func (p *procSelf) close() { p.statm.close() }

func (p *procSelf) cpu() (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); err != nil {
		return 0, fmt.Errorf("clock_gettime: %w", err)
	}
	return time.Duration(t.Nano()), nil
}

func (p *procSelf) rss(context.Context, time.Time) (uint64, error) {
	b, err := p.statm.read(256)
	if err != nil {
		return 0, err
	}
	pages, err := parseStatm(b)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", p.statm.path, err)
	}
	return pages * p.page, nil
}

// parseStatm takes the second number: resident pages.
func parseStatm(b []byte) (pages uint64, err error) {
	if _, b, ok := cutNumber(b); ok {
		if pages, _, ok := cutNumber(b); ok && pages < 1<<44 {
			return pages, nil
		}
	}
	return 0, errors.New("no number of resident pages in it")
}
