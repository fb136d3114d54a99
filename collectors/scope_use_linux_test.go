package collectors

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Used is the clocks of all, and what was taken over of children that ended, none
// of it twice.
func TestATreeAddsUp(t *testing.T) {
	dir := t.TempDir()
	clocks := make(map[int]time.Duration)
	stat := func(pid int, clock, children time.Duration) {
		folder := filepath.Join(dir, fmt.Sprint(pid))
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("%d (x) S 1 1 1 0 -1 0 0 0 0 0 1 1 %d 0 20 0 1 0 1 1 10 0", pid, children/tick)
		if err := os.WriteFile(filepath.Join(folder, "stat"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		clocks[pid] = clock
	}
	u := newScopeUse(Config{Scope: Scope{pid: 1}, Proc: dir}, nil)
	u.cpu = func(pid int) (uint64, error) {
		v, ok := clocks[pid]
		if !ok {
			return 0, os.ErrNotExist
		}
		return uint64(v), nil
	}
	const s = time.Second
	for i, step := range []struct {
		do   func()
		pids []int
		want time.Duration // used
	}{
		{func() { stat(1, 5*s, 40*s) }, []int{1}, -1}, // the first is no interval
		{func() { stat(1, 6*s, 40*s) }, []int{1}, s},
		{func() { stat(1, 6*s, 40*s); stat(2, s/2, 0) }, []int{1, 2}, s / 2},
		{func() { stat(1, 6*s, 41*s); delete(clocks, 2) }, []int{1, 2}, s / 2}, // of its 1 s, half was counted
		{func() { stat(1, 6*s, 43*s) }, []int{1}, 2 * s},                       // began and ended in between
		{func() { stat(3, s, 0) }, []int{1, 3}, s},                             //
		{func() { delete(clocks, 3) }, []int{1}, 0},                            // ended just after its parent was read,
		{func() { stat(1, 6*s, 44*s+s/10) }, []int{1}, s / 10},                 // which takes it over now
		{func() { stat(4, s, 0) }, []int{1, 4}, s},                             //
		{func() { delete(clocks, 4) }, []int{1}, 0},                            // nobody waits for it
		{func() {}, []int{1}, 0},                                               //
		{func() { stat(1, 6*s, 46*s+s/10) }, []int{1}, 2*s - tick},             // another's, all but what ticks may hide
		{func() { stat(1, 7*s, 46*s+s/10); stat(5, 0, 0) }, []int{1, 5}, s},    //
		{func() { stat(1, 6*s, 46*s+s/10) }, []int{1, 5}, 0},                   // a clock that went back is no use
	} {
		step.do()
		at := u.at
		u.addUp(step.pids)
		used := time.Duration(u.cores * float64(u.at.Sub(at)))
		switch {
		case step.want < 0:
			if u.coresKnown {
				t.Errorf("step %d: %v cores, want unknown", i, u.cores)
			}
		case !u.coresKnown || (used-step.want).Abs() > time.Microsecond:
			t.Errorf("step %d: used %v, want %v", i, used, step.want)
		}
		if want := uint64(10 * len(u.procs) * os.Getpagesize()); u.resident != want {
			t.Errorf("step %d: %d bytes resident, want %d", i, u.resident, want)
		}
	}
}

func TestParseScopeStat(t *testing.T) {
	const line = "4242 (a) b (c) S 17 4242 4242 0 -1 4194560 100 2000 0 0 3 4 50 6 20 0 7 0 123456 1000000 321 18446744073709551615 1 1"
	f, ok := parseScopeStat([]byte(line))
	if !ok || f.children != 560*time.Millisecond || f.resident != 321*uint64(os.Getpagesize()) {
		t.Errorf("%+v %v", f, ok)
	}
	for _, bad := range []string{"", "1 (x) S", strings.Replace(line, " 50 ", " x ", 1), strings.Replace(line, " 321 ", " -1 ", 1)} {
		if _, ok := parseScopeStat([]byte(bad)); ok {
			t.Errorf("%q was read", bad)
		}
	}
}
