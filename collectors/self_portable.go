package collectors

import (
	"context"
	"os"
	"time"

	"github.com/shirou/gopsutil/v3/process"
)

// rssEvery is how often resident memory is asked for on the portable road: a
// macOS build without cgo runs ps for it.
const rssEvery = 10 * time.Second

// portableSelf reads this process through the system's own call for CPU time
// and gopsutil for memory.
type portableSelf struct {
	read time.Time // of the last answer
	last uint64
}

func (p *portableSelf) close() {}

func (p *portableSelf) cpu() (time.Duration, error) { return processTime() }

func (p *portableSelf) rss(ctx context.Context, now time.Time) (uint64, error) {
	if !p.read.IsZero() && now.Sub(p.read) < rssEvery {
		return p.last, nil
	}
	p.read, p.last = now, 0
	own, err := process.NewProcessWithContext(ctx, int32(os.Getpid()))
	if err != nil {
		return 0, err
	}
	m, err := own.MemoryInfoWithContext(ctx)
	if err != nil {
		return 0, err
	}
	p.last = m.RSS
	return p.last, nil
}
