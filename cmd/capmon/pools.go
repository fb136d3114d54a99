package main

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"capmon/agents"
	"capmon/fleet"
)

// maxPoolName bounds the name of a pool, in letters.
const maxPoolName = 32

// poolName refuses what is no name of a pool.
func poolName(name string) error {
	bad := func(r rune) bool {
		return r == unicode.ReplacementChar || !unicode.In(r, unicode.L, unicode.M, unicode.N) && !strings.ContainsRune("-_.", r)
	}
	if n := utf8.RuneCountInString(name); n < 1 || n > maxPoolName || strings.ContainsFunc(name, bad) {
		return usagef("%q is no name of a pool: want letters, digits, - _ . and at most %d of them", name, maxPoolName)
	}
	return nil
}

// poolTable is a [pool.NAME] of the config file.
type poolTable struct {
	name  string
	where string // file:line of its first line
	keys  []tableKey
}

type tableKey struct {
	name string // target
	fromFile
}

// settings are what a [pool.NAME] can hold: the policy of one pool, its hosts,
// and whether people reach it first.
type settings struct {
	policyFlags
	agents []string
	edge   bool
}

// keys defines a flag for each; what f holds already is its default.
func (f *settings) keys() *pflag.FlagSet {
	fs := pflag.NewFlagSet("pool", pflag.ContinueOnError)
	f.add(fs)
	fs.StringArrayVar(&f.agents, "agents", nil, "as of --pool NAME=LIST")
	fs.BoolVar(&f.edge, "edge", false, "people reach this pool first")
	return fs
}

// poolKeys are the names of what a [pool.NAME] can hold.
func poolKeys() []string {
	var names []string
	new(settings).keys().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	slices.Sort(names)
	return names
}

// settings are those of the table, with base where it says nothing. Errors are
// usage errors that name the line.
func (t poolTable) settings(base policyFlags) (settings, error) {
	s := settings{policyFlags: base}
	fs := s.keys()
	for _, k := range t.keys {
		if err := set(fs, k.name, t.key(k.name), k.fromFile); err != nil {
			return s, err
		}
		if err := s.check(fs.Changed); err != nil {
			return s, usagef("%s: %s: %w", k.where, t.key(k.name), err)
		}
	}
	if err := s.together(); err != nil {
		return s, usagef("%s: pool.%s: %w", t.where, t.name, err)
	}
	return s, nil
}

// key is a key's whole name.
func (t poolTable) key(name string) string { return "pool." + t.name + "." + name }

// list is where the hosts of a pool are named.
type list struct {
	pool  string // empty: none in particular
	where string // --pool web, or file:line and the key
	hosts []string
}

// lists are where hosts are named: by --agents, by --pool, else by the tables of
// the config file.
func (f *viewFlags) lists() ([]list, error) {
	var out []list
	if len(f.agents) > 0 {
		out = append(out, list{where: "--agents", hosts: f.agents})
	}
	for _, v := range f.pools {
		name, hosts, ok := strings.Cut(v, "=")
		if !ok {
			return nil, usagef("--pool %q: want NAME=LIST, as web=web-1,web-2", v)
		}
		if err := poolName(name); err != nil {
			return nil, usagef("--pool: %w", err)
		}
		if strings.TrimSpace(hosts) == "" {
			return nil, usagef("--pool %s=: no host is named: want NAME=LIST, as %s=web-1,web-2", name, name)
		}
		out = append(out, list{name, "--pool " + name, []string{hosts}})
	}
	for _, t := range f.tables {
		for _, k := range t.keys {
			if k.name == "agents" {
				out = append(out, list{t.name, k.where + ": " + t.key(k.name), k.values})
			}
		}
	}
	return out, nil
}

// targets are the hosts of all lists; none when none is named.
func (f *viewFlags) targets() ([]agents.Target, error) {
	lists, err := f.lists()
	if err != nil {
		return nil, err
	}
	var all agents.Lists
	for _, l := range lists {
		if err := all.Add(l.pool, l.hosts); err != nil {
			return nil, usagef("%s: %w", l.where, err)
		}
	}
	return all.Targets(), nil
}

// fleet is the policy of every pool, and of those that are named: one with a
// table of its own goes by that, and by the flags where the table says nothing.
func (f *viewFlags) fleet(given func(name string) bool) (fleet.Config, error) {
	if err := f.check(given); err != nil {
		return fleet.Config{}, err
	}
	if err := f.together(); err != nil {
		return fleet.Config{}, err
	}
	c := fleet.Config{Policy: f.policy()}
	lists, err := f.lists()
	if err != nil {
		return c, err
	}
	at := func(name string) *fleet.PoolPolicy {
		i := slices.IndexFunc(c.Pools, func(p fleet.PoolPolicy) bool { return p.Name == name })
		if i < 0 {
			i = len(c.Pools)
			c.Pools = append(c.Pools, fleet.PoolPolicy{Name: name, Policy: c.Policy})
		}
		return &c.Pools[i]
	}
	for _, l := range lists {
		if l.pool != "" {
			at(l.pool)
		}
	}
	edge, by := f.edge, "--edge "+f.edge
	for _, t := range f.tables {
		s, err := t.settings(f.policyFlags)
		if err != nil {
			return c, err
		}
		at(t.name).Policy = s.policy()
		if s.edge {
			if edge != "" && edge != t.name {
				return c, usagef("%s: edge = true, and %s: people reach one pool first: choose one", t.key("edge"), by)
			}
			edge, by = t.name, t.key("edge")+" = true"
		}
	}
	if edge != "" {
		if err := poolName(edge); err != nil {
			return c, usagef("--edge: %w", err)
		}
		at(edge).Edge = true
	}
	return c, nil
}
