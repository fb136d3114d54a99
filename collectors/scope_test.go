package collectors

import (
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestParseScope(t *testing.T) {
	for text, wrong := range map[string]string{
		"pid:1": "", "pid:4194304": "", "cgroup:/": "", "cgroup:/a/b c": "", "cgroup:x": "", "cgroup:/sys/fs/cgroup/x": "",
		"": "want pid:N or cgroup:PATH", "pid": "no process", "pid:": "no process", "pid:0": "no process", "pid:-1": "no process",
		"pid:x": "no process", "pid:99999999999": "no process", "cgroup:": "want the path", "host:1": "want pid:N",
		"cgroup:/a/../b": "without ..", "cgroup:\x00": "want the path", "PID:1": "want pid:N",
	} {
		s, err := ParseScope(text)
		switch {
		case wrong == "" && (err != nil || s.String() != text || s.Whole()):
			t.Errorf("%q: %q, %v", text, s, err)
		case wrong != "" && (err == nil || !strings.Contains(err.Error(), wrong)):
			t.Errorf("%q: %v, want %q", text, err, wrong)
		}
	}
	for cores, fine := range map[float64]bool{0.5: true, 1024: true, 0: false, -1: false, 1025: false, math.NaN(): false, math.Inf(1): false} {
		if _, err := (Scope{pid: 1}).WithCores(cores); (err == nil) != fine {
			t.Errorf("%v cores: %v", cores, err)
		}
	}
	if !(Scope{}).Whole() || (Scope{}).String() != "" {
		t.Error("no scope is not the whole machine")
	}
}

func FuzzParseScope(f *testing.F) {
	for _, text := range []string{"pid:1", "pid:0x1", "cgroup:/a", "cgroup:..", "cgroup", ":", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseScope(text)
		if err != nil {
			if len(err.Error()) > 500 {
				t.Errorf("%d bytes of error", len(err.Error()))
			}
			return
		}
		again, err := ParseScope(s.String())
		if err != nil || again != s || s.Whole() {
			t.Errorf("%q is %q and then %q, %v", text, s, again, err)
		}
	})
}

func TestCells(t *testing.T) {
	for _, c := range []struct {
		n    int
		runs []float64
		used float64
		want []float64
	}{
		{4, []float64{1}, 1, []float64{1, 0, 0, 0}},
		{4, nil, 1, []float64{0.25, 0.25, 0.25, 0.25}},
		{2, []float64{0.9, 0.5, 0.4}, 1.8, []float64{0.9, 0.9}},
		{2, []float64{0.9}, 1.5, []float64{0.9, 0.6}},
		{2, []float64{0.9}, 1.9, []float64{0.95, 0.95}},
		{1, []float64{1, 1}, 2, []float64{1}},
		{3, []float64{2}, 2, []float64{1, 0.5, 0.5}}, // two readings of a thread may be a little apart
		{2, []float64{1}, 0.5, []float64{0.5, 0}},
		{2, nil, 0, []float64{0, 0}},
		{0, []float64{0.5}, 1, nil},
	} {
		got := cells(c.n, c.runs, c.used)
		if !slices.EqualFunc(got, c.want, func(a, b float64) bool { return math.Abs(a-b) < 1e-6 }) {
			t.Errorf("%d cells of %v with %v: %v, want %v", c.n, c.used, c.runs, got, c.want)
		}
	}
}

// Whatever the threads did, the cells hold what was used as far as there is
// room, and no cell more than a core.
func FuzzCells(f *testing.F) {
	f.Add(uint8(2), 0.5, 0.25, 1.0)
	f.Fuzz(func(t *testing.T, n uint8, a, b, used float64) {
		if !(a >= b && b >= 0 && a <= 1 && used >= 0 && used <= 1e3) {
			return
		}
		sum := 0.0
		for _, v := range cells(int(n), []float64{a, b}, used) {
			if v < 0 || v > 1+1e-6 {
				t.Fatalf("a cell of %v", v)
			}
			sum += v
		}
		if want := min(used, float64(n)); math.Abs(sum-want) > 1e-5 {
			t.Errorf("%d cells hold %v of %v", n, sum, used)
		}
	})
}

func TestOthersAtThePortOfAScope(t *testing.T) {
	at := func(list ...string) (out []listenSocket) {
		for _, a := range list {
			out = append(out, listenSocket{local: netip.MustParseAddrPort(a)})
		}
		return out
	}
	for name, c := range map[string]struct {
		mine, others  []listenSocket
		only          string
		shared, mixed bool
		takes, not    string
	}{
		"alone":                {at("127.0.0.2:80"), nil, "127.0.0.2", false, false, "127.0.0.2", "127.0.0.3"},
		"an address each":      {at("127.0.0.2:80"), at("127.0.0.3:80"), "127.0.0.2", true, false, "127.0.0.2", "127.0.0.3"},
		"others take the rest": {at("127.0.0.2:80"), at("0.0.0.0:80"), "127.0.0.2", true, false, "127.0.0.2", "127.0.0.1"},
		"it takes the rest":    {at("0.0.0.0:80"), at("127.0.0.3:80"), "", true, false, "127.0.0.1", "127.0.0.3"},
		"all, and a rest":      {at("[::]:80"), at("127.0.0.3:80"), "", true, false, "127.0.0.1", "127.0.0.3"},
		"the same address":     {at("127.0.0.2:80"), at("127.0.0.2:80"), "127.0.0.2", true, true, "127.0.0.2", "127.0.0.3"},
		"both take all":        {at("0.0.0.0:80"), at("0.0.0.0:80"), "", true, true, "127.0.0.2", "::1"},
		"two addresses":        {at("127.0.0.2:80", "127.0.0.4:80"), nil, "", false, false, "127.0.0.4", "127.0.0.3"},
		"another port":         {at("127.0.0.2:80"), at("127.0.0.2:81"), "127.0.0.2", false, false, "127.0.0.2", "127.0.0.3"},
		"IPv6":                 {at("[::1]:80"), nil, "", false, false, "::1", "127.0.0.1"},
	} {
		table := new(portTable)
		table.listen(c.mine, make([]owner, len(c.mine)))
		p := &table.ports[0]
		p.among(c.others)
		only := ""
		if a := p.only(); a.IsValid() {
			only = a.String()
		}
		if only != c.only || p.shared != c.shared || p.mixed != c.mixed {
			t.Errorf("%s: at %q, shared %v, mixed %v", name, only, p.shared, p.mixed)
		}
		if !p.takes(netip.MustParseAddr(c.takes)) || p.takes(netip.MustParseAddr(c.not)) {
			t.Errorf("%s: takes %s %v, %s %v", name, c.takes, p.takes(netip.MustParseAddr(c.takes)), c.not, p.takes(netip.MustParseAddr(c.not)))
		}
	}
}
