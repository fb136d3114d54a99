package collectors

import (
	"testing"
	"time"
)

func TestSelfMeterCountsThisProcess(t *testing.T) {
	m := NewSelfMeter()
	defer m.Close()
	before, rss, err := m.Read(t.Context(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if rss < 1<<20 {
		t.Errorf("a Go process is resident with %d bytes", rss)
	}
	for after := before; after < before+20*time.Millisecond; {
		if after, _, err = m.Read(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
}
