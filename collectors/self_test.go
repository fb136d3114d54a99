package collectors

import (
	"context"
	"errors"
	"testing"
	"time"

	"capmon/sample"
)

// fakeSelf says what the test wants.
type fakeSelf struct {
	time   time.Duration
	memory uint64
	err    error
}

func (f *fakeSelf) cpu() (time.Duration, error)                    { return f.time, f.err }
func (f *fakeSelf) rss(context.Context, time.Time) (uint64, error) { return f.memory, f.err }
func (f *fakeSelf) close()                                         {}

func TestSelf(t *testing.T) {
	source := new(fakeSelf)
	c := &selfCollector{source: source}
	broken := errors.New("broken")
	for i, step := range []struct {
		fakeSelf
		want int64 // microseconds; -1 = unknown
	}{
		{fakeSelf{time: time.Second, memory: 5}, -1},
		{fakeSelf{time: time.Second + 980*time.Microsecond, memory: 5}, 980},
		{fakeSelf{time: 10 * time.Second, memory: 5, err: broken}, -1},
		{fakeSelf{time: 11 * time.Second, memory: 5}, -1},
		{fakeSelf{time: 3 * time.Hour, memory: 5}, 1<<32 - 1},
		{fakeSelf{time: time.Hour, memory: 5}, -1},
	} {
		*source = step.fakeSelf
		r, err := c.Collect(t.Context(), time.Now())
		if !errors.Is(err, step.err) {
			t.Errorf("step %d: error %v", i, err)
		}
		var s sample.Sample
		r(&s)
		got := int64(-1)
		if s.GetSelf().CpuUs != nil {
			got = int64(s.GetSelf().GetCpuUs())
		}
		if got != step.want {
			t.Errorf("step %d: %d µs, want %d", i, got, step.want)
		}
	}
}

// TestBothRoadsToSelf: the clock of the process only goes on, so a reading
// between two others lies between them.
func TestBothRoadsToSelf(t *testing.T) {
	fast, portable := newSelfSource(Config{}.withDefaults()), newSelfSource(Config{Portable: true})
	defer fast.close()
	defer portable.close()
	read := func(s selfSource) time.Duration {
		d, err := s.cpu()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	// The portable one is in whole microseconds and may lag by a tick.
	const lag = 20 * time.Millisecond
	before := read(fast)
	between := read(portable)
	if after := read(fast); between < before-lag || between > after+lag {
		t.Errorf("%v, %v, %v", before, between, after)
	}
	for name, s := range map[string]selfSource{"fast": fast, "portable": portable} {
		rss, err := s.rss(t.Context(), time.Now())
		if err != nil || rss < 1<<20 || rss > 1<<34 {
			t.Errorf("%s: %d bytes, %v", name, rss, err)
		}
	}
}
