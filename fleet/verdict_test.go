package fleet

import (
	"strings"
	"testing"

	"capmon/capacity"
)

// A pool's thread limit is a mean over hosts: where one of them is far from it,
// the words say which.
func TestMeanOfThreadsNamesTheFullest(t *testing.T) {
	on := func(used ...float64) (hosts []viewed, of capacity.Limit) {
		of = capacity.Limit{Name: "thread", Unit: "core", Capacity: float64(len(used))}
		for i, u := range used {
			v := viewed{Host: &Host{}}
			v.Name, v.State = "web-"+string(rune('1'+i)), Up
			v.Limits = []capacity.Limit{{Name: "cpu", Used: 8, Capacity: 8}, {Name: "thread", Used: u, Capacity: 1}}
			of.Used += u
			hosts = append(hosts, v)
		}
		return hosts, of
	}
	for _, c := range []struct {
		used []float64
		want string
	}{
		{[]float64{0.02, 1.0, 0.03}, " in the mean, 100% on web-2"},
		{[]float64{0.5, 0.52, 0.51}, ""},
	} {
		hosts, of := on(c.used...)
		if got := most(hosts, of); got != c.want {
			t.Errorf("%v: %q, want %q", c.used, got, c.want)
		}
	}
	hosts, _ := on(0.1, 0.9)
	pool := Pool{Target: 0.5, Limits: []capacity.Limit{{Name: "thread", Unit: "core", Used: 1, Capacity: 2}}, Need: capacity.Known(2), Run: capacity.Known(2)}
	v := verdict(pool, Policy{}, Totals{Hosts: 2, Up: 2}, hosts)
	if want := "nearest limit: thread 50% in the mean, 90% on web-2"; !strings.HasSuffix(v.Do[0], want) {
		t.Errorf("do %q, want %q at its end", v.Do[0], want)
	}
	if want := "thread 50% of 2 cores in the mean, 90% on web-2"; !strings.Contains(v.Why[0], want) {
		t.Errorf("why %q lacks %q", v.Why[0], want)
	}
}

// With hosts missing every form of the words tells both needs, as the table of
// the pools tells the larger.
func TestBothNeedsAreTold(t *testing.T) {
	for _, have := range []int{1, 3} {
		pool := Pool{
			Target: 0.8, Limits: []capacity.Limit{{Name: "cpu", Unit: "cores", Used: 1.5 * float64(have), Capacity: 2 * float64(have)}},
			Need: capacity.Known(4), NeedNow: capacity.Known(2), Run: capacity.Known(4),
		}
		hosts := make([]viewed, have+2)
		for i := range hosts {
			hosts[i].Host = &Host{}
			if i < have {
				hosts[i].State = Up
			}
		}
		for _, do := range verdict(pool, Policy{}, Totals{Hosts: have + 2, Up: have}, hosts).Do {
			if !strings.Contains(do, "2..4") && !strings.Contains(do, "2, 4 with the missing full") {
				t.Errorf("%d up: %q", have, do)
			}
		}
	}
}
