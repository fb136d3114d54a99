package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"capmon/capacity"
	"capmon/fleet"
)

// maxMeasured bounds a snapshot that is read back, in bytes: 10,000 hosts.
const maxMeasured = 64 << 20

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
	Limits    []struct {
		Name       string   `json:"name"`
		Used       *float64 `json:"used"`
		Capacity   *float64 `json:"capacity"`
		Unit       string   `json:"unit"`
		From       string   `json:"from"`
		Servers    int      `json:"servers"`
		Least      *float64 `json:"least"`
		Most       *float64 `json:"most"`
		Target     *float64 `json:"target"`
		Background *float64 `json:"background"`
	} `json:"limits"`
}

type backHost struct {
	State     string   `json:"state"`
	Pool      string   `json:"pool"`
	Counted   bool     `json:"counted"`
	Available *float64 `json:"cores_available"`
	CoresUsed *float64 `json:"cores_used"`
	Limits    []struct {
		Name     string   `json:"name"`
		Used     *float64 `json:"used"`
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
func ReadMeasured(r io.Reader, pool string) (fleet.Measured, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxMeasured+1))
	if err != nil {
		return fleet.Measured{}, err
	}
	if len(text) > maxMeasured {
		return fleet.Measured{}, fmt.Errorf("it is larger than %d MB", maxMeasured>>20)
	}
	var d back
	if err := json.Unmarshal(text, &d); err != nil {
		return fleet.Measured{}, fmt.Errorf("not a snapshot: %w", err)
	}
	if d.Schema != Schema {
		return fleet.Measured{}, fmt.Errorf("its schema is %q, want %q: make it with `capmon snapshot --format json`", d.Schema, Schema)
	}
	p, err := d.pool(pool)
	if err != nil {
		return fleet.Measured{}, err
	}
	m := fleet.Measured{Time: d.Time, Sized: p.sized()}
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
	m.Hosted(machines(d.Hosts))
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

// machines are what is known of the hosts that are up.
func machines(hosts []backHost) []fleet.MeasuredHost {
	var out []fleet.MeasuredHost
	for _, h := range hosts {
		if h.State != "up" {
			continue
		}
		v := fleet.MeasuredHost{Cores: measured(h.Available)}
		for _, l := range h.Limits {
			if c := measured(l.Capacity); c.OK && l.Name == "conns" {
				v.PerServer, v.Conns = c, measured(l.Used)
			}
		}
		if c, b, ok := h.learned(); ok {
			v.Cost, v.Background = capacity.Known(c), capacity.Known(b)
		}
		out = append(out, v)
	}
	return out
}

// sized are the limits behind the number of servers, without what can't be one.
func (p *backPool) sized() []capacity.PoolLimit {
	var out []capacity.PoolLimit
	for _, l := range p.Limits {
		used, full, target := measured(l.Used), measured(l.Capacity), measured(l.Target)
		if !used.OK || !(full.V > 0) || l.Servers < 1 || l.Servers > capacity.MaxServers || target.V > 1 {
			continue
		}
		per := full.V / float64(l.Servers)
		v := capacity.PoolLimit{
			Limit:   capacity.Limit{Name: l.Name, Used: used.V, Capacity: full.V, Unit: l.Unit, From: l.From},
			Servers: l.Servers, Least: measured(l.Least).Or(per), Most: measured(l.Most).Or(per), Target: target.Or(0),
		}
		if b := measured(l.Background).Or(0); b < per*v.Target {
			v.Background = b
		}
		out = append(out, v)
	}
	return out
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
