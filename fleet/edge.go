package fleet

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// When a pool is behind others, in percent. The listed connections of its
// services come from hosts of other pools nearly all, and are most of those there
// are: of the many small ones that are not listed nobody knows. A pool that holds
// few of them is a visitor.
const (
	fedListed = 80 // of what is listed
	fedAll    = 50 // of all connections
	feederMin = 10 // of what is listed, by one pool
)

// edgeOf tells which of pools people reach first, by who connects to whom: the
// one that is behind no other, and from whose hosts connections lead to every
// pool that is, directly or through others. A pool whose connections nobody in
// the fleet holds is not behind any, and stands apart.
//
// how says in words how it was found, and where edge is empty why it is not
// known; both are empty with fewer than two pools. Hosts without a sample count
// by their addresses alone. It is pure, and costs about a microsecond a host.
func edgeOf(hosts []Host, pools []string) (edge, how string) {
	if len(pools) < 2 {
		return "", ""
	}
	f := feeds(hosts, pools)
	var behind, fronts []int
	for i := range f {
		if len(f[i].feeders()) > 0 {
			behind = append(behind, i)
		}
	}
	if len(behind) == 0 {
		return "", notKnown("no pool is seen to hold the connections of another")
	}
	for i := range f {
		if !slices.Contains(behind, i) && reaches(f, i, behind) {
			fronts = append(fronts, i)
		}
	}
	names := func(list []int) string {
		var n []string
		for _, i := range list {
			n = append(n, pools[i])
		}
		return few(n)
	}
	switch {
	case len(fronts) == 1:
		return pools[fronts[0]], found(f, fronts[0], behind, names)
	case len(fronts) > 1:
		return "", notKnown(names(fronts) + " are each in front of " + names(behind))
	case len(behind) == len(pools):
		return "", notKnown("every pool is behind another")
	}
	return "", notKnown("no pool is in front of all of " + names(behind))
}

func notKnown(why string) string { return "not known: " + why }

// found is how the edge was found: what it holds of those right behind it, whom
// the others are behind, and who is not behind it.
func found(f []feed, edge int, behind []int, names func([]int) string) string {
	var near, apart []int
	var held, listed int
	var more []string
	for i := range f {
		switch feeders := f[i].feeders(); {
		case slices.Contains(feeders, edge):
			near = append(near, i)
			held, listed = held+f[i].from[edge], listed+f[i].listed
		case slices.Contains(behind, i):
			more = append(more, names([]int{i})+" is behind "+names(feeders))
		case i != edge:
			apart = append(apart, i)
		}
	}
	words := append([]string{fmt.Sprintf("its hosts hold %d%% of the connections of %s", percent(held, listed), names(near))}, more...)
	if len(apart) > 0 {
		words = append(words, "nobody is seen in front of "+names(apart))
	}
	return strings.Join(words, "; ")
}

// percent is a share in whole percent, rounded down.
func percent(part, all int) int { return int(100 * float64(part) / float64(max(all, 1))) }

// feed is where the connections of one pool come from.
type feed struct {
	all    int   // those of services whose peers are known, less what comes from the pool itself
	listed int   // those of them whose address is known
	from   []int // those of listed that come from hosts of each pool
}

// feeders are the pools that this one is behind; none when it is not.
func (f *feed) feeders() (list []int) {
	held := 0
	for i, n := range f.from {
		if n > 0 && percent(n, f.listed) >= feederMin {
			list = append(list, i)
			held += n
		}
	}
	if percent(held, f.listed) < fedListed || percent(held, f.all) < fedAll {
		return nil
	}
	return list
}

// feeds adds up who connects to the services of each pool. What hosts of a pool
// say to each other tells nothing, and a service behind another one of its
// machine has no connections but that one's.
func feeds(hosts []Host, pools []string) []feed {
	place := make(map[string]int, len(pools))
	f := make([]feed, len(pools))
	for i, name := range pools {
		place[name] = i
		f[i].from = make([]int, len(pools))
	}
	owner := owners(hosts, place)
	for i := range hosts {
		pool, ok := place[hosts[i].Pool]
		if !ok {
			continue
		}
		for j := range hosts[i].Services {
			if v := &hosts[i].Services[j]; v.Peers != nil && v.Behind == 0 {
				f[pool].add(v, pool, owner)
			}
		}
	}
	return f
}

// add counts the connections of one service of a pool.
func (f *feed) add(v *Service, pool int, owner map[string]int) {
	inside, listed := 0, 0
	for _, p := range v.Peers {
		n := max(p.Connections, 0)
		from, known := owner[p.Addr]
		if known && from == pool {
			inside += n
			continue
		}
		if known && from != nobody {
			f.from[from] += n
		}
		listed += n
	}
	f.listed += listed
	// The list may be older than the number.
	f.all += max(int(v.Connections.Or(0))-inside, listed)
}

// nobody owns an address that hosts of several pools have.
const nobody = -1

// owners tells which pool the host with an address is in: one it has, or the one
// it is reached at.
func owners(hosts []Host, place map[string]int) map[string]int {
	owner := make(map[string]int, 2*len(hosts))
	visits := visitors(hosts)
	for i := range hosts {
		h := &hosts[i]
		pool, ok := place[h.Pool]
		if !ok || visits[h.Pool] {
			continue
		}
		note := func(addr string) {
			before, ok := owner[addr]
			if ok && before != pool {
				owner[addr] = nobody
			} else {
				owner[addr] = pool
			}
		}
		for _, addr := range h.Machine.GetAddresses() {
			note(addr)
		}
		if to, err := netip.ParseAddrPort(h.Addr); err == nil {
			note(plain(to.Addr()).String())
		}
	}
	return owner
}

// visitors are the pools that serve nobody: hosts of theirs tell what listens on
// them, and nothing does, as on those that make load or fetch things. Nobody
// reaches them first; they are as far outside as those who are not watched.
func visitors(hosts []Host) map[string]bool {
	listens := map[string]bool{}
	for i := range hosts {
		if h := &hosts[i]; h.State == Up && h.Services != nil {
			listens[h.Pool] = listens[h.Pool] || len(h.Services) > 0
		}
	}
	for pool, does := range listens {
		listens[pool] = !does
	}
	return listens
}

// reaches tells whether connections lead from a pool to all of behind.
func reaches(f []feed, from int, behind []int) bool {
	seen := make([]bool, len(f))
	seen[from] = true
	for more := true; more; {
		more = false
		for _, i := range behind {
			if !seen[i] && slices.ContainsFunc(f[i].feeders(), func(by int) bool { return seen[by] }) {
				seen[i], more = true, true
			}
		}
	}
	return !slices.ContainsFunc(behind, func(i int) bool { return !seen[i] })
}
