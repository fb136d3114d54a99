package capacity_test

import (
	"maps"
	"strconv"
	"strings"

	"capmon/capacity"
)

func init() {
	maps.Copy(refKinds, map[string]func(*refCase){
		"erlang_b": func(c *refCase) {
			v, err := capacity.ErlangB(c.int("servers"), c.num("load"))
			if !c.refused(err) {
				c.is("blocking", v)
			}
		},
		"erlang_c": func(c *refCase) {
			v, err := capacity.ErlangC(c.int("servers"), c.num("load"))
			if !c.refused(err) {
				c.is("wait_probability", v)
			}
		},
		"ln_erlang_b": func(c *refCase) {
			v, err := capacity.LnErlangB(c.int("servers"), c.num("load"))
			if !c.refused(err) {
				c.is("ln", v)
			}
		},
		"ln_erlang_c": func(c *refCase) {
			v, err := capacity.LnErlangC(c.int("servers"), c.num("load"))
			if !c.refused(err) {
				c.is("ln", v)
			}
		},
		"erlang_c_rates": func(c *refCase) {
			v, err := capacity.ErlangC(c.int("servers"), c.num("arrival_rate")/c.num("service_rate"))
			if !c.refused(err) {
				c.is("wait_probability", v)
			}
		},
		"service_level":                func(c *refCase) { c.queue(c.serviceTime()) },
		"mmc":                          func(c *refCase) { c.queue(c.serviceTime()) },
		"gross_up":                     refGrossUp,
		"min_servers_service_level":    refServiceLevel,
		"min_servers_blocking":         refServersFor("max_blocking", capacity.ServersForBlocking),
		"min_servers_wait_probability": refServersFor("max_wait_probability", capacity.ServersForWaiting),
		"inverse_erlang_b":             refInverseB,
		"max_utilisation":              refMaxUtilisation,
		"split_against_pooled":         refSplit,
		"gg_wait":                      refGG,
		"ps_response": func(c *refCase) {
			v, err := capacity.SharedResponse(c.opt("service_time", 1), c.num("utilisation"))
			if !c.refused(err) {
				c.is("response", v)
			}
		},
		"square_root_staffing": func(c *refCase) {
			v, err := capacity.SquareRootStaffing(c.num("load"), c.num("beta"))
			if !c.refused(err) {
				c.is("servers", v)
			}
		},
	})
}

func (c *refCase) serviceTime() float64 {
	if c.has("service_rate") {
		return 1 / c.num("service_rate")
	}
	return c.num("service_time")
}

// queue checks whatever a case wants of M/M/c.
func (c *refCase) queue(service float64) {
	q, err := capacity.NewQueue(c.int("servers"), c.num("arrival_rate"), service)
	if c.refused(err) {
		return
	}
	c.is("wait_probability", q.Waiting())
	c.is("occupancy", q.Occupancy())
	c.is("utilisation", q.Occupancy())
	c.is("wait", q.MeanWait())
	c.is("response", q.MeanResponse())
	c.is("queue_length", q.Length())
	c.is("in_system", q.Length()+c.num("arrival_rate")*service)
	if c.has("within") {
		t := c.num("within")
		c.is("service_level", q.ServedWithin(t))
		c.is("late_probability", q.WaitLonger(t))
		c.is("response_late_probability", q.ResponseLonger(t))
	}
}

func refGrossUp(c *refCase) {
	n, err := capacity.Servers(c.num("servers"), 1, 1-c.num("shrinkage"))
	if !c.refused(err) {
		c.is("servers", float64(n))
	}
}

func refServiceLevel(c *refCase) {
	n, err := capacity.ServersForServiceLevel(c.num("arrival_rate"), c.serviceTime(), c.num("within"), c.num("service_level"), c.opt("max_occupancy", 1))
	if c.refused(err) {
		return
	}
	c.is("raw_servers", float64(n))
	if c.has("shrinkage") {
		n, err = capacity.Servers(float64(n), 1, 1-c.num("shrinkage"))
		if c.refused(err) {
			return
		}
	}
	c.is("servers", float64(n))
}

func refServersFor(limit string, f func(load, most float64) (int, error)) func(*refCase) {
	return func(c *refCase) {
		n, err := f(c.num("load"), c.num(limit))
		if !c.refused(err) {
			c.is("servers", float64(n))
		}
	}
}

func refInverseB(c *refCase) {
	var loads []float64
	for _, b := range c.nums("blocking") {
		v, err := capacity.LoadForBlocking(c.int("servers"), b)
		if c.refused(err) {
			return
		}
		loads = append(loads, v)
	}
	c.isList("load", loads)
}

// A promise is named mean_wait_in_service_times, response_p99_in_service_times
// and alike.
func refMaxUtilisation(c *refCase) {
	p := capacity.Promise{Within: c.num("value")}
	name := c.str("promise")
	what, ok := strings.CutSuffix(name, "_in_service_times")
	a, b, two := strings.Cut(what, "_")
	if !ok || !two {
		c.t.Fatalf("promise %q is not known", name)
	}
	if a == "mean" {
		a, b = b, "mean"
	}
	switch a {
	case "wait":
		p.WaitOnly = true
	case "response":
	default:
		c.t.Fatalf("promise %q is not known", name)
	}
	if digits, isShare := strings.CutPrefix(b, "p"); isShare {
		v, err := strconv.ParseFloat("0."+digits, 64)
		if err != nil {
			c.t.Fatalf("promise %q is not known", name)
		}
		p.Share = v
	} else if b != "mean" {
		c.t.Fatalf("promise %q is not known", name)
	}
	w := capacity.Workers{Count: c.int("servers"), Service: 1, CA2: c.opt("ca2", 1), CS2: c.opt("cs2", 1)}
	r, err := capacity.MaxUtilisation(w, p)
	if !c.refused(err) {
		c.is("utilisation", r.V)
	}
}

func refSplit(c *refCase) {
	n, rho := c.int("servers"), c.num("utilisation")
	split, err := capacity.NewQueue(1, rho, 1)
	if c.refused(err) {
		return
	}
	pooled, err := capacity.NewQueue(n, rho*float64(n), 1)
	if c.refused(err) {
		return
	}
	c.is("split_wait", split.MeanWait())
	c.is("pooled_wait", pooled.MeanWait())
	c.is("ratio", split.MeanWait()/pooled.MeanWait())
}

func refGG(c *refCase) {
	// With one server Allen and Cunneen's is Kingman's.
	if f := c.str("formula"); f == "kingman" && c.int("servers") != 1 {
		c.t.Fatalf("formula %q of %d servers", f, c.int("servers"))
	}
	n, service := c.int("servers"), c.opt("service_time", 1)
	q, err := capacity.NewQueue(n, c.num("utilisation")*float64(n)/service, service)
	if c.refused(err) {
		return
	}
	q, err = q.Varied(c.num("ca2"), c.num("cs2"))
	if !c.refused(err) {
		c.is("wait", q.MeanWait())
	}
}
