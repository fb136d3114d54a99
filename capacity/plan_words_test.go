package capacity

import "testing"

// Of people there is no half, of cores there is.
func TestLoadInWords(t *testing.T) {
	for _, c := range []struct {
		unit string
		load float64
		want string
	}{{"users", 17.9, "18"}, {"users", 18.0000000001, "18"}, {"users", 132_630, "132,630"}, {"cores", 2.5, "2.5"}, {"rps", 17.9, "17.9"}} {
		p := Plan{Unit: c.unit}
		if got := p.count(c.load); got != c.want {
			t.Errorf("%v %s: %q, want %q", c.load, c.unit, got, c.want)
		}
	}
}
