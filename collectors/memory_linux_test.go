package collectors

import (
	"testing"
	"time"
)

func TestParseMeminfo(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want memoryUse
		bad  bool
	}{
		"today":                {"MemTotal:       24684092 kB\nMemFree:  1 kB\nMemAvailable:   20000000 kB\nHugePages_Total: 0\n", memoryUse{24684092 << 10, 4684092 << 10}, false},
		"before 3.14":          {"MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 50 kB\nCached: 250 kB\nSwapCached: 7 kB\n", memoryUse{1000 << 10, 600 << 10}, false},
		"more than all":        {"MemTotal: 1000 kB\nMemAvailable: 2000 kB\n", memoryUse{1000 << 10, 0}, false},
		"no total":             {"MemAvailable: 2000 kB\n", memoryUse{}, true},
		"a total of 0":         {"MemTotal: 0 kB\nMemAvailable: 0 kB\n", memoryUse{}, true},
		"a number out of hand": {"MemTotal: 99999999999999999999 kB\nMemAvailable: 1 kB\n", memoryUse{}, true},
		"empty":                {"", memoryUse{}, true},
	} {
		if got, err := parseMeminfo([]byte(c.text)); got != c.want || (err != nil) != c.bad {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestParseLoadavg(t *testing.T) {
	if l, err := parseLoadavg([]byte("0.50 1.25 300.00 1/200 4711\n")); l != (loadAvg{0.5, 1.25, 300}) || err != nil {
		t.Errorf("%v, %v", l, err)
	}
	for _, bad := range []string{"", "1 2", "1 2 x 1/2 3", "NaN 1 1", "-1 1 1", "1 1 1e30", "Inf 1 1"} {
		if l, err := parseLoadavg([]byte(bad)); err == nil {
			t.Errorf("%q: %v", bad, l)
		}
	}
}

func TestParseStatm(t *testing.T) {
	if n, err := parseStatm([]byte("3000 1234 500 1 0 900 0\n")); n != 1234 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	for _, bad := range []string{"", "3000", "a b", "1 99999999999999999999"} {
		if n, err := parseStatm([]byte(bad)); err == nil {
			t.Errorf("%q: %d", bad, n)
		}
	}
}

// TestBothRoadsToMemory: the two readings are some milliseconds apart.
func TestBothRoadsToMemory(t *testing.T) {
	fast := newMemorySource(Config{Proc: "/proc", Sys: t.TempDir()})
	defer fast.close()
	portable := newMemorySource(Config{Portable: true})
	a, err := fast.memory(t.Context(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	b, err := portable.memory(t.Context(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if a.total != b.total {
		t.Errorf("total %d and %d", a.total, b.total)
	}
	if d := float64(a.used) - float64(b.used); d > 0.1*float64(a.total) || d < -0.1*float64(a.total) {
		t.Errorf("used %d and %d", a.used, b.used)
	}
}

func FuzzMemory(f *testing.F) {
	f.Add([]byte("MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 50 kB\nCached: 250 kB\n"))
	f.Add([]byte("0.50 1.25 3.00 1/200 4711\n"))
	f.Add([]byte("3000 1234 500 1 0 900 0\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := parseMeminfo(b); err == nil && (m.used > m.total || m.total == 0) {
			t.Errorf("%+v", m)
		}
		if l, err := parseLoadavg(b); err == nil && !(l[0] >= 0 && l[1] >= 0 && l[2] >= 0) {
			t.Errorf("%v", l)
		}
		_, _ = parseStatm(b)
	})
}
