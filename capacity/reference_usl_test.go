package capacity_test

import (
	"maps"
	"math"

	"capmon/capacity"
)

func init() {
	maps.Copy(refKinds, map[string]func(*refCase){
		"fit3":             refFit,
		"fit3_residual_se": refFit,
		"fit3_refused":     refFit,
		"peak": func(c *refCase) {
			s := c.scalability()
			peak := s.Peak()
			c.isNum("n", peak)
			c.isNum("x", capacity.Known(s.At(peak.Or(math.NaN()))))
		},
		"limit": func(c *refCase) { c.isNum("x", c.scalability().Ceiling()) },
		"optimal": func(c *refCase) {
			s := c.scalability()
			c.is("n", s.Knee().V)
			c.is("x", s.At(s.Knee().V))
		},
		"value":               func(c *refCase) { c.is("x", c.scalability().At(c.num("n"))) },
		"observed_efficiency": func(c *refCase) { c.is("efficiency", c.num("x")/(c.num("n")*c.num("gamma"))) },
		"efficiency": func(c *refCase) {
			s, n := c.scalability(), c.num("n")
			c.is("efficiency", s.At(n)/(n*s.Gamma))
		},
		"overhead": func(c *refCase) {
			ideal, contention, coherency, err := c.scalability().Overhead(c.num("n"))
			if !c.refused(err) {
				c.is("ideal", ideal)
				c.is("contention", contention)
				c.is("coherency", coherency)
			}
		},
		"latency": func(c *refCase) {
			r, err := c.scalability().Latency(c.num("n"))
			if !c.refused(err) {
				c.is("r", r)
			}
		},
		"throughput_at_latency": func(c *refCase) {
			r := c.num("r")
			n, err := c.scalability().WorkersAtLatency(r)
			if !c.refused(err) {
				c.is("n", n)
				c.is("x", n/r)
			}
		},
		"concurrency_at_latency": func(c *refCase) {
			n, err := c.scalability().WorkersAtLatency(c.num("r"))
			if !c.refused(err) {
				c.is("n", n)
			}
		},
		"concurrency_at_latency_fit": func(c *refCase) {
			s, err := capacity.FitScalability(c.nums("n"), c.nums("x"))
			if c.refused(err) {
				return
			}
			var at []float64
			for _, r := range c.nums("r") {
				n, err := s.WorkersAtLatency(r)
				if err != nil {
					c.t.Fatal(err)
				}
				at = append(at, n)
			}
			c.isList("n_at", at)
		},
		"little": func(c *refCase) {
			// n at work, x a second: each takes n / x.
			r, err := capacity.RequestsOf(c.num("n"), 0, c.num("x"))
			if !c.refused(err) {
				c.is("r", r.V)
			}
		},
	})
}

func (c *refCase) scalability() capacity.Scalability {
	return capacity.Scalability{Alpha: c.num("alpha"), Beta: c.opt("beta", 0), Gamma: c.opt("gamma", 1)}
}

func refFit(c *refCase) {
	s, err := capacity.FitScalability(c.nums("n"), c.nums("x"))
	if c.refused(err) {
		return
	}
	c.is("alpha", s.Alpha)
	c.is("beta", s.Beta)
	c.is("gamma", s.Gamma)
	c.is("se", s.Error)
	c.isNum("peak", s.Peak())
}
