package fleet

import (
	"net/netip"
	"slices"

	"capmon/capacity"
	"capmon/sample"
)

// heard is what the last samples of a run said of its services. It holds no more
// services than a sample can.
type heard struct {
	seqs     []uint64 // of the last samples, rising
	services []heardService
}

// heardService is one service: the seconds of it, and what most samples don't
// repeat.
type heardService struct {
	port    uint32
	name    string
	n       int
	seconds [maxRecent]second // by seq, rising

	limitsSeq uint64 // of the sample that last told limits
	limits    *sample.ServiceLimits
	peersSeq  uint64 // of the sample that last told peers
	peers     []Peer // who held most of its connections, never changed again; nil: it was never said
}

// second is what one sample said of a service.
type second struct {
	seq               uint64
	ms                int64 // its label
	responses, errors uint64
	interval          uint32 // milliseconds, as the sample says
	rps               float32
	run, top          uint32 // microseconds a second
	has               numbers
}

// numbers are those of a second that are known.
type numbers uint8

const (
	hasRPS numbers = 1 << iota
	hasRun
	hasTop
	hasErrors
)

// remember takes what s says. newest is the newest sample of the run.
func (h *heard) remember(s, newest *sample.Sample) {
	seq := s.GetSeq()
	i, found := slices.BinarySearch(h.seqs, seq)
	last := !found && (i > 0 || len(h.seqs) < maxRecent)
	if last {
		if len(h.seqs) == maxRecent {
			copy(h.seqs, h.seqs[1:i])
			h.seqs[i-1] = seq
		} else {
			h.seqs = slices.Insert(h.seqs, i, seq)
		}
	}
	for i, v := range s.GetServices() {
		if v == nil || !last && len(v.GetPeers()) == 0 {
			continue
		}
		at := h.find(v, i)
		if at == nil {
			h.services = append(h.services, heardService{port: v.GetPort(), name: v.GetName()})
			at = &h.services[len(h.services)-1]
		}
		if len(v.GetPeers()) > 0 && seq >= at.peersSeq {
			at.peersSeq, at.peers = seq, peersOf(v)
		}
		if last {
			at.add(newSecond(s, v))
			if v.Limits != nil && seq >= at.limitsSeq {
				at.limitsSeq, at.limits = seq, v.Limits
			}
		}
	}
	if len(h.services) > sample.MaxServices {
		h.services = slices.DeleteFunc(h.services, func(at heardService) bool {
			return !slices.ContainsFunc(newest.GetServices(), at.is)
		})
	}
}

// find is what was heard of a service, which stands at place in its sample; nil:
// nothing.
func (h *heard) find(v *sample.Service, place int) *heardService {
	if place < len(h.services) && h.services[place].is(v) {
		return &h.services[place]
	}
	for i := range h.services {
		if h.services[i].is(v) {
			return &h.services[i]
		}
	}
	return nil
}

func (at *heardService) is(v *sample.Service) bool {
	return at.port == v.GetPort() && at.name == v.GetName()
}

func newSecond(s *sample.Sample, v *sample.Service) second {
	out := second{seq: s.GetSeq(), ms: s.GetTimeMs(), interval: s.GetIntervalMs(), rps: v.GetRps(), run: v.GetRunUs(), top: v.GetTopUs()}
	if v.Rps != nil && *v.Rps >= 0 {
		out.has |= hasRPS
	}
	if v.RunUs != nil {
		out.has |= hasRun
	}
	if v.TopUs != nil {
		out.has |= hasTop
	}
	if v.Responses != nil && len(v.GetStatus()) == sample.StatusClasses {
		out.has |= hasErrors
		out.responses, out.errors = *v.Responses, v.GetStatus()[sample.StatusClasses-1]
	}
	return out
}

// add puts a second in its place; the first of too many goes.
func (at *heardService) add(v second) {
	i := at.n
	for i > 0 && at.seconds[i-1].seq > v.seq {
		i--
	}
	if i > 0 && at.seconds[i-1].seq == v.seq {
		return // named twice in one sample
	}
	if at.n < maxRecent {
		copy(at.seconds[i+1:at.n+1], at.seconds[i:at.n])
		at.n++
	} else if i--; i < 0 {
		return
	} else {
		copy(at.seconds[:i], at.seconds[1:i+1])
	}
	at.seconds[i] = v
}

// recent are the seconds since a label, of those among the last samples.
func (h *heard) recent(at *heardService, since int64) []second {
	list := at.seconds[:at.n]
	for len(list) > 0 && (list[0].seq < h.seqs[0] || list[0].ms <= since) {
		list = list[1:]
	}
	return list
}

// limitsOf are the newest limits that one of the last samples told.
func (h *heard) limitsOf(at *heardService) *sample.ServiceLimits {
	if at.limits == nil || at.limitsSeq < h.seqs[0] {
		return nil
	}
	return at.limits
}

func (h *heard) clone() heard {
	return heard{slices.Clone(h.seqs), slices.Clone(h.services)}
}

// rates are the means of a service over some seconds, of what is known: requests
// a second, and cores that it runs on, all of it and its busiest thread.
func (h *host) rates(list []second) (rps, run, top capacity.Num) {
	var r, all, one mean
	for i := range list {
		v := &list[i]
		ms := float64(h.covered(v.interval))
		if v.has&hasRPS != 0 {
			r.add(float64(v.rps), ms)
		}
		if v.has&hasRun != 0 {
			all.add(float64(v.run)/1e6, ms)
		}
		if v.has&hasTop != 0 {
			one.add(float64(v.top)/1e6, ms)
		}
	}
	return capacity.Known(r.value()), capacity.Known(all.value()), capacity.Known(one.value())
}

// failures is the share of 5xx among the responses of some seconds. A counter
// that went back is begun anew; no response has no share.
func failures(list []second) capacity.Num {
	var was *second
	var errors, all uint64
	for i := range list {
		v := &list[i]
		if v.has&hasErrors == 0 {
			continue
		}
		if was != nil && v.responses >= was.responses && v.errors >= was.errors {
			all += v.responses - was.responses
			errors += v.errors - was.errors
		}
		was = v
	}
	if all == 0 || errors > all {
		return capacity.Num{}
	}
	return capacity.Known(float64(errors) / float64(all))
}

// peersOf reads a message. An entry without an address says that nobody holds
// many; what is no address is left out.
func peersOf(v *sample.Service) []Peer {
	list := make([]Peer, 0, len(v.GetPeers()))
	for _, p := range v.GetPeers() {
		if a, err := netip.ParseAddr(p.GetAddress()); err == nil {
			list = append(list, Peer{plain(a).String(), int(p.GetConnections())})
		}
	}
	return list
}

// plain is an address as it is compared: IPv4 as such, and without a zone.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }
