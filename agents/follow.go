package agents

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"time"
)

// Resolver looks up the addresses of a name; *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

const (
	lookupEvery = 10 * time.Second
	lookupTime  = 5 * time.Second
	// lookupsGone is how many good answers in a row without an address it takes
	// to let it go: some name servers give a part of a long list each time.
	lookupsGone = 2
	// maxAddresses bounds the hosts of one name.
	maxAddresses = 2000
)

// follower keeps the hosts of a viewer as the addresses of one name.
type follower struct {
	viewer  *Viewer
	target  Target
	missing map[netip.Addr]int // the addresses that are followed, and how often each was missing
	asking  bool               // the name itself stands among the hosts, for want of an address
}

func (f *follower) run(ctx context.Context) {
	f.missing = make(map[netip.Addr]int)
	for {
		f.look(ctx)
		if !sleep(ctx, lookupEvery-lookupEvery/20+rand.N(lookupEvery/10)) {
			break
		}
	}
	for _, ip := range sorted(f.missing) {
		f.viewer.leave(f.one(ip).Name, false)
	}
}

// look asks once. Without an answer nothing changes.
func (f *follower) look(ctx context.Context) {
	name, _, _ := net.SplitHostPort(f.target.Addr)
	asked, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	list, err := f.viewer.options.Resolver.LookupNetIP(asked, "ip", name)
	if ctx.Err() != nil {
		return
	}
	if err == nil && len(list) == 0 {
		err = &net.DNSError{Err: "no address", Name: name, IsNotFound: true}
	}
	if err != nil {
		f.failed(name, err)
		return
	}
	f.viewer.faults.end(f.target.Name)
	if f.asking {
		f.asking = false
		f.viewer.options.Sink.Leave(f.target.Name)
	}
	if len(list) > maxAddresses {
		f.viewer.faults.report(f.target.Name, fmt.Sprintf("%s has more than %d addresses", name, maxAddresses),
			"do", "the others are left out: name them in several lists")
		list = list[:maxAddresses]
	}
	f.update(ctx, name, list)
}

// update joins and leaves hosts after a good answer.
func (f *follower) update(ctx context.Context, name string, list []netip.Addr) {
	now := make(map[netip.Addr]int, len(list))
	for _, ip := range list {
		now[ip.Unmap()] = 0
	}
	for _, ip := range sorted(f.missing) {
		if _, ok := now[ip]; ok {
			f.missing[ip] = 0
			continue
		}
		if f.missing[ip]++; f.missing[ip] >= lookupsGone {
			delete(f.missing, ip)
			f.viewer.leave(f.one(ip).Name, true)
		}
	}
	for _, ip := range sorted(now) {
		if _, ok := f.missing[ip]; !ok && len(f.missing) < maxAddresses {
			f.missing[ip] = 0
			f.viewer.join(ctx, f.one(ip), name)
		}
	}
}

// failed reports a lookup without an answer. As long as no address is known the
// name itself stands among the hosts, with the reason.
func (f *follower) failed(name string, err error) {
	reason := Link{
		Reason: fmt.Sprintf("the name server gives no address for %s: %s", name, sanitize(err.Error())),
		Do:     "check the name and the DNS of this machine; it is asked again every 10 s",
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		reason.Reason = "no address is known for " + name
	} else if ok {
		reason.Reason = fmt.Sprintf("the name server gives no address for %s: %s", name, dnsCause(dns))
	}
	f.viewer.faults.report(f.target.Name, reason.Reason, "do", reason.Do)
	if len(f.missing) > 0 {
		return
	}
	sink := f.viewer.options.Sink
	if !f.asking {
		f.asking = true
		sink.Join(f.target.Name, f.target.Addr, f.target.Pool)
	}
	sink.Link(f.target.Name, reason)
}

// one is the target of one address.
func (f *follower) one(ip netip.Addr) Target {
	_, port, _ := net.SplitHostPort(f.target.Addr)
	return Target{Name: hostName(ip.String(), port), Addr: net.JoinHostPort(ip.String(), port), Pool: f.target.Pool}
}

func sorted(m map[netip.Addr]int) []netip.Addr {
	return slices.SortedFunc(maps.Keys(m), netip.Addr.Compare)
}
