package capacity_test

import (
	"maps"
	"math"
	"time"

	"capmon/capacity"
)

func init() {
	maps.Copy(refKinds, map[string]func(*refCase){
		"utilisation":          refUtilisation,
		"per_server_value":     refPerServer,
		"total_value":          refTotal,
		"total_average":        refAverage,
		"ratio":                refRatio,
		"bounds":               refBounds,
		"end_to_end":           refEndToEnd,
		"current_out_of_range": refOutOfRange,
		"multi":                refMulti,
		"rate":                 refRate,
		"rate_limit":           refRateLimit,
		"stabilise":            refStabilise,
		"window_max":           refWindow,
		"sequence":             refSequence,
		"warmup_add": func(c *refCase) {
			n, err := capacity.Warming(c.int("current"), c.int("policy_add"), c.int("already_warming"))
			if !c.refused(err) {
				c.is("capacity", float64(n))
			}
		},
	})
}

func (c *refCase) tolerance() capacity.Tolerance {
	both := c.opt("tolerance", 0.1)
	return capacity.Tolerance{Down: c.opt("tolerance_down", both), Up: c.opt("tolerance_up", both)}
}

type refPod struct {
	State    string   `json:"state"`
	RequestM float64  `json:"request_m"`
	UsageM   *float64 `json:"usage_m"`
	Value    *float64 `json:"value"`
}

// members are the pods that count. Readiness matters for CPU alone.
func (c *refCase) members(readiness bool, of func(refPod) (used *float64, full float64)) []capacity.Member {
	var pods []refPod
	c.read("pods", &pods)
	var out []capacity.Member
	for _, p := range pods {
		used, full := of(p)
		m := capacity.Member{Capacity: full}
		if used != nil {
			m.Used = capacity.Known(*used)
		}
		switch p.State {
		case "ready":
		case "unready":
			m.Apart = readiness
		case "pending":
			m.Apart, m.Used = true, capacity.Known(0)
		case "failed", "deleted":
			continue
		default:
			c.t.Fatalf("pod state %q is not known", p.State)
		}
		out = append(out, m)
	}
	return out
}

// follow tries whole numbers first, and whole percents, as Kubernetes cuts
// them, only where a case can't do without.
func (c *refCase) follow(members []capacity.Member, target float64, current int, wanted func(int) bool) (capacity.Tracked, error) {
	how := capacity.Tracking{Target: target, Tolerance: c.tolerance()}
	got, err := capacity.Follow(current, members, how)
	if err != nil || wanted(got.Servers) {
		return got, err
	}
	how.WholePercents = true
	c.t.Logf("needs whole percents: %d without", got.Servers)
	return capacity.Follow(current, members, how)
}

func (c *refCase) wantsReplicas(n int) bool {
	var want int
	if c.wants("replicas") {
		strict(c.t, "want.replicas", c.Want["replicas"], &want)
	}
	return want == n
}

func refUtilisation(c *refCase) {
	members := c.members(true, func(p refPod) (*float64, float64) { return p.UsageM, p.RequestM })
	if c.has("unmatched_usage_m") {
		c.nums("unmatched_usage_m") // of servers that nobody knows: nothing to add
	}
	got, err := c.follow(members, c.num("target_percent")/100, c.int("current"), c.wantsReplicas)
	if !c.refused(err) {
		c.is("replicas", float64(got.Servers))
		c.is("utilisation_percent", math.Floor(got.Utilisation*100+1e-9))
	}
}

func refPerServer(c *refCase) {
	target := c.num("target_value")
	members := c.members(false, func(p refPod) (*float64, float64) { return p.Value, target })
	got, err := capacity.Follow(c.int("current"), members, capacity.Tracking{Target: 1, Tolerance: c.tolerance()})
	if !c.refused(err) {
		c.is("replicas", float64(got.Servers))
		c.is("average", math.Floor(got.Utilisation*target+1e-9))
	}
}

func refTotal(c *refCase) {
	current, target, total := c.int("current"), c.num("target_total"), c.num("total")
	ready := int(c.opt("ready", float64(current)))
	ratio := total / target
	n := current
	var err error
	switch {
	case current == 0:
		n, err = capacity.Scale(0, ratio, c.tolerance())
	case !c.tolerance().Holds(ratio):
		n, err = capacity.Servers(float64(ready)*total, target, 1) // only those that are ready are multiplied
	}
	c.tolerance()
	if !c.refused(err) {
		c.is("replicas", float64(n))
	}
}

func refAverage(c *refCase) {
	current, target, total := c.int("current"), c.num("target_average"), c.num("total")
	n := current
	var err error
	if current == 0 || !c.tolerance().Holds(total/(target*float64(current))) {
		n, err = capacity.Servers(total, target, 1)
	}
	c.tolerance()
	if c.refused(err) {
		return
	}
	c.is("replicas", float64(n))
	c.is("average_ceil", math.Ceil(total/float64(max(current, 1))))
}

func refRatio(c *refCase) {
	n, err := capacity.Scale(c.int("current"), c.num("metric")/c.num("target"), c.tolerance())
	if !c.refused(err) {
		c.is("replicas", float64(n))
	}
}

func (c *refCase) rule() capacity.Rule {
	return capacity.Rule{Target: 1, Min: c.optInt("min", 0), Max: c.optInt("max", 0)}
}

var refReasons = map[string]string{"min": "TooFewReplicas", "max": "TooManyReplicas", "": "DesiredWithinRange"}

// The fixed rule of Kubernetes without behaviour: at most twice as many, or 4.
func refBounds(c *refCase) {
	current, desired, rule := c.int("current"), c.int("desired"), c.rule()
	n, bound := rule.Bound(desired)
	reason := refReasons[bound]
	if most := max(2*current, 4); n > most {
		n, reason = most, "ScaleUpLimit"
	}
	c.is("replicas", float64(n))
	c.isText("reason", reason)
}

func refOutOfRange(c *refCase) {
	current := c.int("current")
	n, _ := c.rule().Bound(current)
	if current == 0 {
		n = 0 // switched off by a person
	}
	c.is("replicas", float64(n))
}

func refMulti(c *refCase) {
	var list []*float64
	c.read("proposals", &list)
	proposals := make([]capacity.Num, len(list))
	for i, p := range list {
		if p != nil {
			proposals[i] = capacity.Known(*p)
		}
	}
	n := capacity.Agree(c.int("current"), proposals)
	c.is("replicas", float64(n))
}

type refRules struct {
	Policies []struct {
		Type    string  `json:"type"`
		Value   float64 `json:"value"`
		PeriodS float64 `json:"period_s"`
	} `json:"policies"`
	Select string `json:"select"`
}

func (c *refCase) pace(name string, other capacity.Pace) capacity.Pace {
	if !c.has(name) {
		return other
	}
	var r refRules
	c.read(name, &r)
	p := capacity.Pace{}
	switch r.Select {
	case "max", "":
	case "min":
		p.Least = true
	case "disabled":
		p.Off = true
	default:
		c.t.Fatalf("select %q is not known", r.Select)
	}
	for _, v := range r.Policies {
		policy := capacity.PacePolicy{Period: seconds(v.PeriodS)}
		switch v.Type {
		case "pods":
			policy.Servers = int(v.Value)
		case "percent":
			policy.Share = v.Value / 100
		default:
			c.t.Fatalf("policy %q is not known", v.Type)
		}
		p.Policies = append(p.Policies, policy)
	}
	return p
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

var refNow = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func (c *refCase) events(name string) []capacity.Changed {
	if !c.has(name) {
		return nil
	}
	var list []struct {
		Change int     `json:"change"`
		AgeS   float64 `json:"age_s"`
	}
	c.read(name, &list)
	var out []capacity.Changed
	for _, e := range list {
		out = append(out, capacity.Changed{At: refNow.Add(-seconds(e.AgeS)), Servers: e.Change})
	}
	return out
}

// The defaults of Kubernetes: up by 4 or to twice as many, down to none, each
// 15 s.
var (
	refUp = capacity.Pace{Policies: []capacity.PacePolicy{
		{Servers: 4, Period: 15 * time.Second}, {Share: 1, Period: 15 * time.Second},
	}}
	refDown = capacity.Pace{Policies: []capacity.PacePolicy{{Share: 1, Period: 15 * time.Second}}}
)

// paced is desired within pace and bounds, and what held it back.
func (c *refCase) paced(desired int) (int, string) {
	current, rule := c.int("current"), c.rule()
	up, down := c.pace("up", refUp), c.pace("down", refDown)
	came, went := c.events("up_events"), c.events("down_events")
	switch {
	case desired > current:
		limit, err := up.Limit(current, true, came, went, refNow)
		if err != nil {
			c.t.Fatal(err)
		}
		switch {
		case (rule.Max == 0 || limit < rule.Max) && desired > limit:
			return limit, "ScaleUpLimit"
		case rule.Max > 0 && desired > rule.Max:
			return rule.Max, "TooManyReplicas"
		}
	case desired < current:
		limit, err := down.Limit(current, false, came, went, refNow)
		if err != nil {
			c.t.Fatal(err)
		}
		if least := max(limit, rule.Min); desired < least {
			if limit > rule.Min {
				return least, "ScaleDownLimit"
			}
			return least, "TooFewReplicas"
		}
	}
	return desired, "DesiredWithinRange"
}

func refRate(c *refCase) {
	n, reason := c.paced(c.int("desired"))
	c.is("replicas", float64(n))
	c.isText("reason", reason)
}

func refRateLimit(c *refCase) {
	n, err := c.pace("rules", capacity.Pace{}).Limit(c.int("current"), c.up(), c.events("up_events"), c.events("down_events"), refNow)
	if !c.refused(err) {
		c.is("limit", float64(n))
	}
}

func (c *refCase) up() bool {
	d := c.str("direction")
	if d != "up" && d != "down" {
		c.t.Fatalf("direction %q is not known", d)
	}
	return d == "up"
}

func refEndToEnd(c *refCase) {
	members := c.members(true, func(p refPod) (*float64, float64) { return p.UsageM, p.RequestM })
	bounded := func(n int) int {
		n, _ = c.paced(n)
		n, _ = c.rule().Bound(n)
		return n
	}
	got, err := c.follow(members, c.num("target_percent")/100, c.int("current"), func(n int) bool { return c.wantsReplicas(bounded(n)) })
	if !c.refused(err) {
		c.is("replicas", float64(bounded(got.Servers)))
	}
}

func (c *refCase) history() []capacity.Recommended {
	var list []struct {
		Replicas int     `json:"replicas"`
		AgeS     float64 `json:"age_s"`
	}
	c.read("history", &list)
	var out []capacity.Recommended
	for _, r := range list {
		out = append(out, capacity.Recommended{At: refNow.Add(-seconds(r.AgeS)), Servers: r.Replicas})
	}
	return out
}

func refStabilise(c *refCase) {
	s := capacity.Steadiness{Up: seconds(c.opt("up_window_s", 0)), Down: seconds(c.opt("down_window_s", 300))}
	c.is("replicas", float64(s.Stabilise(c.int("desired"), c.int("current"), c.history(), refNow)))
}

func refWindow(c *refCase) {
	c.is("replicas", float64(capacity.Highest(c.int("desired"), c.history(), seconds(c.num("window_s")), refNow)))
}

func refSequence(c *refCase) {
	n, want, up, step := c.int("start"), c.int("want"), c.up(), seconds(c.num("step_s"))
	rules := c.pace("rules", capacity.Pace{})
	var came, went []capacity.Changed
	var got []float64
	for now := refNow; n != want && len(got) < 100; now = now.Add(step) {
		limit, err := rules.Limit(n, up, came, went, now)
		if c.refused(err) {
			return
		}
		next := max(limit, want)
		if up {
			next = min(limit, want)
			came = append(came, capacity.Changed{At: now, Servers: next - n})
		} else {
			went = append(went, capacity.Changed{At: now, Servers: n - next})
		}
		if next == n && len(got) > 0 {
			break
		}
		n = next
		got = append(got, float64(n))
	}
	c.isList("sequence", got)
}
