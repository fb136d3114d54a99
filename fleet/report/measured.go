package report

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"capmon/capacity"
)

// maxMeasured bounds a snapshot that is read back, in bytes: 10,000 hosts.
const maxMeasured = 64 << 20

// Measured is what a plan takes from a snapshot, or from one pool of it. What
// was not known there is unknown.
type Measured struct {
	Time        string
	Pool        string // empty when there is no other
	Hosts, All  int    // that are up, that there are
	Users, RPS  capacity.Num
	Cores       capacity.Num // of one host, the mean of those that know
	Least, Most capacity.Num // of the smallest and the largest
	CoresUsed   capacity.Num // of all
	PerServer   capacity.Num // connections one host holds, the mean; unknown where users are not connections
	Bound       string       // the nearest limit; empty when unknown
	Spare       int
	WarmUp      capacity.Num // seconds
	Target      capacity.Num
	// Cost is the CPU seconds of a request and Background the cores that a host
	// uses besides, where all hosts have learned them: the means, by cores.
	Cost, Background capacity.Num
}

// back is a snapshot that is read back, of any release.
type back struct {
	Schema string     `json:"schema"`
	Time   string     `json:"time"`
	Totals backLoad   `json:"totals"`
	Pools  []backPool `json:"pools"`
	Hosts  []backHost `json:"hosts"`
}

type backLoad struct {
	Hosts     int      `json:"hosts"`
	HostsUp   int      `json:"hosts_up"`
	Users     *float64 `json:"users"`
	UsersFrom string   `json:"users_from"`
	RPS       *float64 `json:"rps"`
	CoresUsed *float64 `json:"cores_used"`
}

type backPool struct {
	Name      string   `json:"name"`
	Bound     string   `json:"bound"`
	Users     *float64 `json:"users"`
	UsersFrom string   `json:"users_from"`
	RPS       *float64 `json:"rps"`
	Spare     int      `json:"spare"`
	WarmUp    *float64 `json:"warm_up_s"`
	Target    *float64 `json:"target"`
}

type backHost struct {
	State     string   `json:"state"`
	Pool      string   `json:"pool"`
	Counted   bool     `json:"counted"`
	Available *float64 `json:"cores_available"`
	CoresUsed *float64 `json:"cores_used"`
	Limits    []struct {
		Name     string   `json:"name"`
		Capacity *float64 `json:"capacity"`
	} `json:"limits"`
	Learned []struct {
		Limit      string   `json:"limit"`
		Port       *float64 `json:"port"`
		Trust      string   `json:"trust"`
		Cost       *float64 `json:"cost"`
		Background *float64 `json:"background"`
	} `json:"learned"`
}

// ReadMeasured reads back what JSON wrote: of the pool named, which may be left
// out where there is only one. Errors say what is wrong with it.
func ReadMeasured(r io.Reader, pool string) (Measured, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxMeasured+1))
	if err != nil {
		return Measured{}, err
	}
	if len(text) > maxMeasured {
		return Measured{}, fmt.Errorf("it is larger than %d MB", maxMeasured>>20)
	}
	var d back
	if err := json.Unmarshal(text, &d); err != nil {
		return Measured{}, fmt.Errorf("not a snapshot: %w", err)
	}
	if d.Schema != Schema {
		return Measured{}, fmt.Errorf("its schema is %q, want %q: make it with `capmon snapshot --format json`", d.Schema, Schema)
	}
	p, err := d.pool(pool)
	if err != nil {
		return Measured{}, err
	}
	m := Measured{Time: d.Time}
	load := d.Totals
	if len(d.Pools) > 1 {
		m.Pool = p.Name
		load = d.of(p)
	}
	m.Hosts, m.All = max(load.HostsUp, 0), max(load.Hosts, load.HostsUp, 0)
	m.Users, m.RPS, m.CoresUsed = measured(load.Users), measured(load.RPS), measured(load.CoresUsed)
	m.Bound, m.Spare, m.WarmUp = p.Bound, max(p.Spare, 0), measured(p.WarmUp)
	if t := measured(p.Target); t.OK && t.V > 0 && t.V <= 1 {
		m.Target = t
	}
	m.machines(d.Hosts)
	if load.UsersFrom == "little" {
		m.PerServer = capacity.Num{}
	}
	return m, nil
}

// pool is the one of that name, or the only one; a snapshot of the first
// releases may have none. Pools are tiers of one service: they are never added
// up.
func (d *back) pool(name string) (backPool, error) {
	var names []string
	for _, p := range d.Pools {
		if p.Name == name || name == "" && len(d.Pools) == 1 {
			return p, nil
		}
		names = append(names, strconv.Quote(p.Name))
	}
	const most = 10
	if len(names) > most {
		names = append(names[:most], fmt.Sprintf("and %d more", len(names)-most))
	}
	switch {
	case name == "" && len(names) == 0:
		return backPool{}, nil
	case name == "":
		return backPool{}, fmt.Errorf("there are several pools in it, which are not added up: name one with --pool: %s", strings.Join(names, ", "))
	case len(names) == 0:
		return backPool{}, fmt.Errorf("no pool %q in it: it has none", name)
	}
	return backPool{}, fmt.Errorf("no pool %q in it: it has %s", name, strings.Join(names, ", "))
}

// of is the load of one pool, and leaves only its hosts.
func (d *back) of(p backPool) backLoad {
	load := backLoad{Users: p.Users, UsersFrom: p.UsersFrom, RPS: p.RPS}
	d.Hosts = slices.DeleteFunc(d.Hosts, func(h backHost) bool { return h.Pool != p.Name })
	used := 0.0
	for _, h := range d.Hosts {
		load.Hosts++
		if h.State == "up" {
			load.HostsUp++
		}
		if v := measured(h.CoresUsed); v.OK && h.Counted {
			used += v.V
			load.CoresUsed = &used
		}
	}
	return load
}

// machines takes what is known of the hosts that are up.
func (m *Measured) machines(hosts []backHost) {
	var cores, conns, cost, background []float64
	up := 0
	for _, h := range hosts {
		if h.State != "up" {
			continue
		}
		up++
		available := measured(h.Available)
		if available.OK {
			cores = append(cores, available.V)
		}
		for _, l := range h.Limits {
			if v := measured(l.Capacity); v.OK && l.Name == "conns" {
				conns = append(conns, v.V)
			}
		}
		if c, b, ok := h.learned(); ok && available.OK {
			cost, background = append(cost, c*available.V), append(background, b*available.V)
		}
	}
	m.Cores, m.PerServer = measuredMean(cores), measuredMean(conns)
	if !m.Cores.OK || slices.Min(cores) <= 0 {
		return
	}
	m.Least, m.Most = capacity.Known(slices.Min(cores)), capacity.Known(slices.Max(cores))
	if len(cost) < up {
		return
	}
	if c := measuredMean(cost); c.OK {
		m.Cost = capacity.Known(c.V / m.Cores.V)
		m.Background = capacity.Known(measuredMean(background).Or(0) / m.Cores.V)
	}
}

// learned is what a request costs of the CPU of the host, and what the host uses
// besides, in cores: that of the whole host, else that of its only service.
func (h backHost) learned() (cost, background float64, ok bool) {
	services := 0
	for _, l := range h.Learned {
		c := measured(l.Cost)
		if l.Limit != "cpu" || l.Trust != capacity.Learned.String() || !(c.V > 0) {
			continue
		}
		cost, background = c.V, measured(l.Background).Or(0)
		if l.Port == nil {
			return cost, background, true
		}
		services++
	}
	return cost, background, services == 1
}

// measured takes null, and what can't be a measurement, as not known.
func measured(v *float64) capacity.Num {
	if v == nil || *v < 0 {
		return capacity.Num{}
	}
	return capacity.Known(*v)
}

// measuredMean is unknown for none, and for what is nothing at all.
func measuredMean(v []float64) capacity.Num {
	sum := 0.0
	for _, x := range v {
		sum += x / float64(len(v))
	}
	if !(sum > 0) || math.IsInf(sum, 0) {
		return capacity.Num{}
	}
	return capacity.Known(sum)
}

// String is what was measured, in a line.
func (m Measured) String() string {
	at := m.Time
	if _, err := time.Parse(time.RFC3339, at); err != nil {
		at = "an unknown time"
	}
	what := []string{}
	for _, v := range []struct {
		n    capacity.Num
		name string
	}{{m.Users, "users"}, {m.RPS, "rps"}, {m.CoresUsed, "cores used"}} {
		if v.n.OK {
			what = append(what, capacity.Amount(v.n.V)+" "+v.name)
		} else {
			what = append(what, "? "+v.name)
		}
	}
	of := ""
	if m.Pool != "" {
		of = " of pool " + strconv.Quote(m.Pool)
	}
	s := fmt.Sprintf("measured on %d of %d hosts%s at %s: %s", m.Hosts, m.All, of, at, strings.Join(what, ", "))
	if m.Cost.OK {
		s += fmt.Sprintf("; learned: %s CPU a request, and %s cores on each host besides", capacity.Span(m.Cost.V), capacity.Amount(m.Background.Or(0)))
	}
	if m.Bound == "thread" {
		s += "; a thread is its nearest limit, which is not counted here: say --workers"
	}
	if m.Hosts < m.All {
		s += "; the load of those that do not answer is not in it"
	}
	return s
}
