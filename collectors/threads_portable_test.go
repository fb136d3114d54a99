package collectors

import (
	"os"
	"testing"
	"time"

	"capmon/sample"
)

// TestPortableProcesses: the road of other systems sees what this process uses,
// and says what it does not see.
func TestPortableProcesses(t *testing.T) {
	c := &threads{source: new(portableProcs), found: newListeners(), rule: newRule(), work: newServiceWork()}
	defer c.Close()
	now := time.Now()
	first, err := c.Collect(t.Context(), now)
	if err == nil {
		t.Error("it does not say what it does not see")
	}
	s := new(sample.Sample)
	if first(s); s.FindingsPending {
		t.Error("a finding is pending where none can be made")
	}
	for began, cpu := time.Now(), 0; time.Since(began) < 200*time.Millisecond; {
		cpu++ // what is used up to here is of the interval
	}
	now = now.Add(time.Minute)
	r, err := c.Collect(t.Context(), now)
	if err == nil {
		t.Error("it says no more what it does not see")
	}
	r(new(sample.Sample))
	for _, p := range c.table.procs {
		if p.key.pid != os.Getpid() {
			continue
		}
		if p.run <= 0 || p.run > 1 {
			t.Errorf("this process used %v cores", p.run)
		}
		if name, n := c.source.describe(p); name == "" || n == 0 {
			t.Errorf("this process is called %q and has %d threads", name, n)
		}
		return
	}
	t.Error("this process is not in the list")
}
