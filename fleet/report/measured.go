package report

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"capmon/capacity"
)

// maxMeasured bounds a snapshot that is read back, in bytes: 10,000 hosts.
const maxMeasured = 64 << 20

// Measured is what a plan takes from a snapshot. What was not known there is
// unknown.
type Measured struct {
	Time        string
	Hosts, All  int // that are up, that there are
	Users, RPS  capacity.Num
	Cores       capacity.Num // of one host, the mean of those that know
	Least, Most capacity.Num // of the smallest and the largest
	CoresUsed   capacity.Num // of all
	PerServer   capacity.Num // connections one host holds, the mean
	Spare       int
	WarmUp      capacity.Num // seconds
}

// ReadMeasured reads back what JSON wrote. Errors say what is wrong with it.
func ReadMeasured(r io.Reader) (Measured, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxMeasured+1))
	if err != nil {
		return Measured{}, err
	}
	if len(text) > maxMeasured {
		return Measured{}, fmt.Errorf("it is larger than %d MB", maxMeasured>>20)
	}
	var d struct {
		Schema string `json:"schema"`
		Time   string `json:"time"`
		Totals struct {
			Hosts     int      `json:"hosts"`
			HostsUp   int      `json:"hosts_up"`
			Users     *float64 `json:"users"`
			RPS       *float64 `json:"rps"`
			CoresUsed *float64 `json:"cores_used"`
		} `json:"totals"`
		Pools []struct {
			Spare  int      `json:"spare"`
			WarmUp *float64 `json:"warm_up_s"`
		} `json:"pools"`
		Hosts []struct {
			State     string   `json:"state"`
			Available *float64 `json:"cores_available"`
			Limits    []struct {
				Name     string   `json:"name"`
				Capacity *float64 `json:"capacity"`
			} `json:"limits"`
		} `json:"hosts"`
	}
	if err := json.Unmarshal(text, &d); err != nil {
		return Measured{}, fmt.Errorf("not a snapshot: %w", err)
	}
	if d.Schema != Schema {
		return Measured{}, fmt.Errorf("its schema is %q, want %q: make it with `capmon snapshot --format json`", d.Schema, Schema)
	}
	m := Measured{
		Time: d.Time, Hosts: max(d.Totals.HostsUp, 0), All: max(d.Totals.Hosts, d.Totals.HostsUp, 0), Users: measured(d.Totals.Users), RPS: measured(d.Totals.RPS),
		CoresUsed: measured(d.Totals.CoresUsed),
	}
	if len(d.Pools) > 0 {
		m.Spare, m.WarmUp = max(d.Pools[0].Spare, 0), measured(d.Pools[0].WarmUp)
	}
	var cores, conns []float64
	for _, h := range d.Hosts {
		if v := measured(h.Available); v.OK && h.State == "up" {
			cores = append(cores, v.V)
		}
		for _, l := range h.Limits {
			if v := measured(l.Capacity); v.OK && l.Name == "conns" && h.State == "up" {
				conns = append(conns, v.V)
			}
		}
	}
	m.Cores, m.PerServer = measuredMean(cores), measuredMean(conns)
	if m.Cores.OK && slices.Min(cores) > 0 {
		m.Least, m.Most = capacity.Known(slices.Min(cores)), capacity.Known(slices.Max(cores))
	}
	return m, nil
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
	s := fmt.Sprintf("measured on %d of %d hosts at %s: %s", m.Hosts, m.All, at, strings.Join(what, ", "))
	if m.Hosts < m.All {
		s += "; the load of those that do not answer is not in it"
	}
	return s
}
