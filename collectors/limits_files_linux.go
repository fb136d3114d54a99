package collectors

import (
	"bytes"
	"context"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// sizesAtOnce is how many processes are asked for their open files in one
	// second where the kernel knows the number (2 µs each); more take turns.
	sizesAtOnce = 32

	// namesPrice is the share of a core that counting the names may cost where
	// it does not, and namesMost the files of one process that are counted.
	namesPrice = 0.002
	namesMost  = 1 << 16
)

// fileCounter counts the open files of processes. Since Linux 6.2 the size of
// /proc/PID/fd is their number; before it was 0 and the names have to be
// counted, which takes about a microsecond each.
type fileCounter struct {
	proc     string
	asked    bool
	bySize   bool
	turn     int
	earliest time.Time // of the next count of names
	walk     walker
}

// count brings the number of open files of the processes up to date, as far as
// it is time for it.
func (c *fileCounter) count(ctx context.Context, now time.Time, all []*member) {
	if !c.asked {
		var own unix.Stat_t
		err := unix.Stat(filepath.Join(c.proc, "self/fd"), &own)
		c.asked, c.bySize = true, err == nil && own.Size > 0
	}
	if c.bySize {
		n := min(len(all), sizesAtOnce)
		for range n {
			c.turn = (c.turn + 1) % len(all)
			m := all[c.turn]
			m.used, m.counted = m.size()
		}
		return
	}
	if now.Before(c.earliest) {
		return
	}
	took := onThisThread(func() {
		for _, m := range all {
			m.used, m.counted = c.names(ctx, m)
		}
	})
	c.earliest = now.Add(time.Duration(float64(took) / namesPrice))
}

// onThisThread tells how much CPU time work took, the kernel's part included.
func onThisThread(work func()) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	began := threadTime()
	work()
	return threadTime() - began
}

// size asks the kernel for the number.
func (m *member) size() (uint32, bool) {
	var st unix.Stat_t
	if err := unix.Stat(m.fd, &st); err != nil || st.Size < 0 || st.Size > 1<<30 {
		return 0, false
	}
	return uint32(st.Size), true
}

// names counts them; not known where there are too many, or none may be seen.
func (c *fileCounter) names(ctx context.Context, m *member) (n uint32, ok bool) {
	if c.walk.buf == nil {
		c.walk.buf = make([]byte, 8<<10)
	}
	c.walk.ctx = ctx
	c.walk.eachName(m.fd, func(int, string) bool {
		n++
		return n <= namesMost
	})
	return n, n > 0 && n <= namesMost && ctx.Err() == nil
}

// fewest are the open files of the process that has the fewest left.
func fewest(members []*member) openFiles {
	var f openFiles
	for _, m := range members {
		if !m.counted || m.limit == 0 {
			continue
		}
		if f.limit == 0 || left(m.used, m.limit) < left(f.used, f.limit) {
			f = openFiles{used: m.used, limit: m.limit}
		}
	}
	return f
}

// left is 0 for a process whose limit was lowered below what it has open.
func left(used uint32, limit uint64) uint64 { return limit - min(limit, uint64(used)) }

// readFileLimit reads the soft limit of open files of a process; anyone may,
// where prlimit wants the same user.
func readFileLimit(proc string, pid int) uint64 {
	b, err := readBounded(filepath.Join(proc, strconv.Itoa(pid), "limits"))
	if err != nil {
		return 0
	}
	return parseFileLimit(b)
}

// parseFileLimit finds the soft limit in /proc/PID/limits; 0 = unlimited or not
// there.
func parseFileLimit(b []byte) uint64 {
	for len(b) > 0 {
		line, rest, _ := bytes.Cut(b, newline)
		b = rest
		if v, ok := bytes.CutPrefix(line, []byte("Max open files")); ok {
			n, _, _ := cutNumber(v)
			return n
		}
	}
	return 0
}
