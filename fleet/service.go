package fleet

import (
	"slices"
	"strings"

	"capmon/capacity"
	"capmon/sample"
)

// services are those of the newest sample, with what is the mean of ten
// seconds or was told in one of the samples before.
func (h *host) services() []Service {
	list := make([]Service, 0, len(h.newest.GetServices()))
	var room [maxRecent]second
	last := room[:]
	for _, now := range h.newest.GetServices() {
		if now == nil {
			continue
		}
		v := Service{
			Port: int(now.GetPort()), Name: now.GetName(), PID: int(now.GetPid()), RPSNote: now.GetRpsNote(),
			Behind: int(now.GetBehind()), Status: statusOf(now), Latency: latencyOf(now.GetLatency()),
			Accepts: real32(now.Accepts), Queue: whole32(now.Queue), Drops: whole64(now.Drops),
			Connections: whole32(now.Connections), Responses: whole64(now.Responses),
			Finding: finding(now.GetFinding(), now.GetName(), int(now.GetPort()), int(now.GetPid())),
		}
		last = h.before(now, last)
		v.RPS, v.Errors = serviceRPS(last), serviceErrors(last)
		if v.RPS.OK {
			v.RPSNote = ""
		}
		if src := now.GetRpsSource(); src != sample.RpsSource_RPS_SOURCE_UNSPECIFIED {
			v.RPSSource = strings.ToLower(strings.TrimPrefix(src.String(), "RPS_SOURCE_"))
		}
		v.Run = serviceMean(last, func(v *sample.Service) *uint32 { return v.RunUs })
		v.Top = serviceMean(last, func(v *sample.Service) *uint32 { return v.TopUs })
		v.OneThread, v.ThreadsKnown = now.GetOneThread(), now.OneThread != nil
		v.limits(h.serviceLimits(now))
		v.Peers = h.peers.of(now)
		v.Counted = !now.CountedBy(h.newest.GetServices())
		list = append(list, v)
	}
	return list
}

// same says whether two samples tell of one service.
func same(a, b *sample.Service) bool {
	return a != nil && a.GetPort() == b.GetPort() && a.GetName() == b.GetName()
}

// second is a service in one sample, and the milliseconds that this covers.
type second struct {
	*sample.Service
	ms uint32
}

// before is what the samples of the last ten seconds say of a service, oldest
// first, in list if it has the room.
func (h *host) before(now *sample.Service, list []second) []second {
	list = list[:0]
	since := h.newest.GetTimeMs() - rpsWindow.Milliseconds()
	for _, s := range h.recent {
		if s.GetTimeMs() <= since {
			continue
		}
		for _, v := range s.GetServices() {
			if same(v, now) {
				list = append(list, second{v, h.covered(s.GetIntervalMs())})
			}
		}
	}
	return list
}

// serviceRPS is the mean of what is known.
func serviceRPS(last []second) capacity.Num {
	var m mean
	for _, v := range last {
		if v.Rps != nil && v.GetRps() >= 0 {
			m.add(float64(v.GetRps()), float64(v.ms))
		}
	}
	return capacity.Known(m.value())
}

// serviceMean is a time in microseconds a second as cores, the mean of what is
// known.
func serviceMean(last []second, of func(*sample.Service) *uint32) capacity.Num {
	var m mean
	for _, v := range last {
		if us := of(v.Service); us != nil {
			m.add(float64(*us)/1e6, float64(v.ms))
		}
	}
	return capacity.Known(m.value())
}

// serviceErrors is the share of 5xx among the responses. A counter that went
// back is begun anew; no response has no share.
func serviceErrors(last []second) capacity.Num {
	var was *sample.Service
	var errors, all uint64
	for _, v := range last {
		if v.Responses == nil || len(v.GetStatus()) != sample.StatusClasses {
			continue
		}
		const server = sample.StatusClasses - 1
		if was != nil && v.GetResponses() >= was.GetResponses() && v.GetStatus()[server] >= was.GetStatus()[server] {
			all += v.GetResponses() - was.GetResponses()
			errors += v.GetStatus()[server] - was.GetStatus()[server]
		}
		was = v.Service
	}
	if all == 0 || errors > all {
		return capacity.Num{}
	}
	return capacity.Known(float64(errors) / float64(all))
}

// serviceLimits are the newest there are: most samples don't repeat them.
func (h *host) serviceLimits(now *sample.Service) *sample.ServiceLimits {
	for _, s := range slices.Backward(h.recent) {
		for _, v := range s.GetServices() {
			if same(v, now) && v.GetLimits() != nil {
				return v.GetLimits()
			}
		}
	}
	return nil
}

func (v *Service) limits(l *sample.ServiceLimits) {
	if l == nil {
		return
	}
	v.QueueLimit, v.FilesUsed, v.Files = whole32(l.Queue), whole32(l.FilesUsed), whole64(l.Files)
	v.ConnectionsLimit, v.ConnectionsFrom = whole64(l.Connections), l.GetConnectionsFrom()
}

// statusOf splits the responses by class; unknown where the source does not.
func statusOf(v *sample.Service) (classes [4]capacity.Num) {
	if v.Responses == nil || len(v.GetStatus()) != sample.StatusClasses {
		return classes
	}
	rest := v.GetResponses()
	for i, n := range v.GetStatus() {
		if n > rest {
			return [4]capacity.Num{} // more than all of them
		}
		rest -= n
		classes[i+1] = capacity.Known(float64(n))
	}
	classes[0] = capacity.Known(float64(rest))
	return classes
}

func latencyOf(l *sample.Latency) Latency {
	if l == nil {
		return Latency{}
	}
	s := func(us uint32) capacity.Num { return capacity.Known(float64(us) / 1e6) }
	return Latency{Mean: s(l.GetMeanUs()), P50: s(l.GetP50Us()), P95: s(l.GetP95Us()), P99: s(l.GetP99Us())}
}

// sources joins where the RPS of the services that make up the host's comes
// from, or says why there is none.
func sources(list []Service, knownRPS bool) (source, note string) {
	var names []string
	for _, v := range list {
		if v.RPS.OK && v.Counted && v.RPSSource != "" && !slices.Contains(names, v.RPSSource) {
			names = append(names, v.RPSSource)
		}
		if note == "" {
			note = v.RPSNote
		}
	}
	switch {
	case knownRPS:
		return strings.Join(names, "+"), ""
	case note == "" && len(list) == 0:
		return "", "nothing listens here"
	case note == "":
		return "", "no service tells its requests: name one with --rps"
	}
	return "", note
}

// Optional numbers of a message, as they are kept.

func whole32(v *uint32) capacity.Num {
	if v == nil {
		return capacity.Num{}
	}
	return capacity.Known(float64(*v))
}

func whole64(v *uint64) capacity.Num {
	if v == nil {
		return capacity.Num{}
	}
	return capacity.Known(float64(*v))
}

func real32(v *float32) capacity.Num {
	if v == nil || *v < 0 {
		return capacity.Num{}
	}
	return capacity.Known(float64(*v))
}
