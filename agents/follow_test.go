package agents

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// zone is a Resolver whose answers change.
type zone struct {
	mu    sync.Mutex
	names map[string][]string // nil: it fails
	asked int
}

func newZone(names map[string][]string) *zone { return &zone{names: names} }

func (z *zone) set(name string, list ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.names[name] = list
}

func (z *zone) LookupNetIP(_ context.Context, _, name string) ([]netip.Addr, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.asked++
	list, ok := z.names[name]
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	if list == nil {
		return nil, &net.DNSError{Err: "server misbehaving", Name: name, IsTemporary: true}
	}
	var ips []netip.Addr
	for _, s := range list {
		ips = append(ips, netip.MustParseAddr(s))
	}
	return ips, nil
}

// follow runs a follower of dns:///web in a bubble; its hosts are never dialled,
// for every place among the dials is taken.
func follow(t *testing.T, z *zone, log *logbook) *ledger {
	sink := newLedger()
	v := NewViewer(ViewerOptions{Sink: sink, Resolver: z, Log: log.log()})
	for range maxDials {
		v.dials <- struct{}{}
	}
	background(t, func(ctx context.Context) error { return v.Run(ctx, []Target{target(t, "dns:///web:8000")}) })
	synctest.Wait()
	return sink
}

func (l *ledger) happened() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.order
	l.order = nil
	return list
}

func TestHostsFollowTheAddressesOfAName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logbook
		z := newZone(map[string][]string{"web": {"10.0.0.2", "10.0.0.1", "fd00::1"}})
		sink := follow(t, z, &log)
		step := func(what string, lookups int, want ...string) {
			t.Helper()
			for range lookups {
				time.Sleep(lookupEvery + lookupEvery/20)
				synctest.Wait()
			}
			if diff := cmp.Diff(want, sink.happened()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
		}
		step("at first", 0, "+10.0.0.1:8000", "+10.0.0.2:8000", "+[fd00::1]:8000")
		step("the same", 2)
		z.set("web", "10.0.0.1", "10.0.0.3", "::ffff:10.0.0.1")
		step("one comes", 1, "+10.0.0.3:8000")
		step("two go", 1, "-10.0.0.2:8000", "-[fd00::1]:8000")
		z.set("web") // fails
		step("no answer changes nothing", 5)
		z.set("web", "10.0.0.3")
		step("missing once", 1)
		z.set("web", "10.0.0.1", "10.0.0.3")
		step("and there again", 1)
		z.set("web", "10.0.0.3")
		step("missing once again", 1)
		text := log.String()
		if strings.Count(text, "server misbehaving") != 2 || !strings.Contains(text, "times=5") {
			t.Errorf("five failed lookups are not one line at the start and one at the end:\n%s", text)
		}
	})
}

func TestANameWithoutAddressesStandsForItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logbook
		z := newZone(map[string][]string{})
		sink := follow(t, z, &log)
		sink.read("dns:///web:8000", func(a *account) {
			if len(a.links) != 1 || a.links[0].Reason != "no address is known for web" || a.links[0].Do == "" {
				t.Errorf("links %+v", a.links)
			}
		})
		z.set("web", "10.0.0.1")
		time.Sleep(lookupEvery + lookupEvery/20)
		synctest.Wait()
		want := []string{"+dns:///web:8000", "-dns:///web:8000", "+10.0.0.1:8000"}
		if diff := cmp.Diff(want, sink.happened()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestAHostOfTwoEntriesIsFollowedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := newZone(map[string][]string{"web": {"10.0.0.1"}, "db": {"10.0.0.1", "10.0.0.2"}})
		sink := newLedger()
		v := NewViewer(ViewerOptions{Sink: sink, Resolver: z})
		for range maxDials {
			v.dials <- struct{}{}
		}
		background(t, func(ctx context.Context) error {
			return v.Run(ctx, []Target{target(t, "dns:///web"), target(t, "dns:///db"), target(t, "10.0.0.2")})
		})
		time.Sleep(time.Minute)
		z.set("db", "10.0.0.9")
		time.Sleep(time.Minute)
		synctest.Wait()
		counts := make(map[string]int)
		for _, e := range sink.happened() {
			counts[e]++
		}
		want := map[string]int{"+10.0.0.1": 1, "+10.0.0.2": 1, "+10.0.0.9": 1}
		if diff := cmp.Diff(want, counts); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// The hosts of a name are in the pool that the name is listed for; one that two
// pools come to stays in the first, which is said.
func TestThePoolTravelsWithTheHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logbook
		z := newZone(map[string][]string{"web": {"10.0.0.1"}, "db": {}})
		sink := newLedger()
		v := NewViewer(ViewerOptions{Sink: sink, Resolver: z, Log: log.log()})
		for range maxDials {
			v.dials <- struct{}{}
		}
		var l Lists
		for _, list := range [][2]string{{"web", "dns:///web"}, {"db", "dns:///db"}, {"", "10.0.0.9"}} {
			if err := l.Add(list[0], []string{list[1]}); err != nil {
				t.Fatal(err)
			}
		}
		background(t, func(ctx context.Context) error { return v.Run(ctx, l.Targets()) })
		time.Sleep(time.Second)
		pools := func() map[string]string {
			synctest.Wait()
			sink.mu.Lock()
			defer sink.mu.Unlock()
			out := make(map[string]string)
			for name, a := range sink.hosts {
				out[name] = a.pool
			}
			return out
		}
		if diff := cmp.Diff(map[string]string{"10.0.0.1": "web", "dns:///db": "db", "10.0.0.9": ""}, pools()); diff != "" {
			t.Errorf("at first (-want +got):\n%s", diff)
		}
		z.set("web", "10.0.0.1", "10.0.0.2")
		z.set("db", "10.0.0.2", "10.0.0.3", "10.0.0.1")
		time.Sleep(time.Minute)
		got := pools()
		if d := cmp.Diff(map[string]string{"10.0.0.1": "web", "10.0.0.2": got["10.0.0.2"], "10.0.0.3": "db", "10.0.0.9": ""}, got); d != "" || got["10.0.0.2"] == "" {
			t.Errorf("later (-want +got):\n%s", d)
		}
		if n := strings.Count(log.String(), "listed for two pools"); n != 2 {
			t.Errorf("%d words about two hosts in two pools:\n%s", n, log.String())
		}
	})
}
