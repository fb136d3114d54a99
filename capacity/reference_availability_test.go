package capacity_test

import (
	"maps"
	"regexp"
	"strconv"
	"time"

	"capmon/capacity"
)

func init() {
	maps.Copy(refKinds, map[string]func(*refCase){
		"mtbf": func(c *refCase) {
			v, err := capacity.Availability(c.num("mtbf"), c.num("mttr"))
			if !c.refused(err) {
				c.is("availability", v)
			}
		},
		"k_of_n": func(c *refCase) {
			v, err := capacity.AtLeastUp(c.int("k"), c.int("n"), c.num("a"))
			if !c.refused(err) {
				c.is("availability", v)
			}
		},
		"min_replicas_any": func(c *refCase) {
			n, err := capacity.ServersForSLA(1, c.num("a"), c.num("target"))
			if !c.refused(err) {
				c.is("n", float64(n))
			}
		},
		"min_n": func(c *refCase) {
			n, err := capacity.ServersForSLA(c.int("k"), c.num("a"), c.num("target"))
			if !c.refused(err) {
				c.is("n", float64(n))
			}
		},
		"exactly_down": func(c *refCase) {
			p, err := capacity.ExactlyDown(c.int("n"), c.int("down"), c.num("p_down"))
			if !c.refused(err) {
				c.is("p", p)
			}
		},
		"largest_k": func(c *refCase) {
			k, err := capacity.MostUp(c.int("n"), c.num("a"), c.num("target"))
			if !c.refused(err) {
				c.is("k", float64(k))
			}
		},
		"series": func(c *refCase) {
			v, err := capacity.InSeries(c.nums("a")...)
			if !c.refused(err) {
				c.is("availability", v)
			}
		},
		"parallel": func(c *refCase) {
			v, err := capacity.InParallel(c.nums("a")...)
			if !c.refused(err) {
				c.is("availability", v)
			}
		},
		"downtime_minutes": refDowntime,
		"util_servers": func(c *refCase) {
			n, err := capacity.Servers(c.num("load"), c.num("per_server"), c.opt("utilisation", 1))
			if !c.refused(err) {
				c.is("servers", float64(n))
			}
		},
		"zones": func(c *refCase) {
			per, total, err := capacity.Zones(c.int("needed"), c.int("zones"), c.optInt("lose", 1))
			if !c.refused(err) {
				c.is("per_zone", float64(per))
				c.is("total", float64(total))
			}
		},
		"zone_overprovision": func(c *refCase) {
			v, err := capacity.ZoneExtra(c.int("zones"), c.int("lose"))
			if !c.refused(err) {
				c.is("extra", v)
			}
		},
		"extra_nine": func(c *refCase) {
			v, err := capacity.ForDependency(c.num("service"))
			if !c.refused(err) {
				c.is("dependency", v)
			}
		},
	})
}

var refDays = regexp.MustCompile(`^[a-z]+_([0-9.]+)d$`)

// Periods are named week, day, hour, or by their days: month_30d.
func refDowntime(c *refCase) {
	const day = 24 * time.Hour
	for name := range c.Want {
		period := map[string]time.Duration{"week": 7 * day, "day": day, "hour": time.Hour}[name]
		if m := refDays.FindStringSubmatch(name); m != nil {
			days, err := strconv.ParseFloat(m[1], 64)
			if err != nil {
				continue // it is not known, and said to be
			}
			period = time.Duration(days * float64(day))
		}
		if period == 0 {
			continue
		}
		d, err := capacity.Downtime(c.num("slo"), period)
		if c.refused(err) {
			return
		}
		c.is(name, d.Minutes())
	}
}
