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
	since := h.newest.GetTimeMs() - rpsWindow.Milliseconds()
	for i, now := range h.newest.GetServices() {
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
		if said := h.heard.find(now, i); said != nil {
			last := h.heard.recent(said, since)
			v.RPS, v.Run, v.Top = h.rates(last)
			v.Errors, v.Peers = failures(last), said.peers
			v.limits(h.heard.limitsOf(said))
		}
		if v.RPS.OK {
			v.RPSNote = ""
		}
		v.RPSSource = rpsSources[now.GetRpsSource()]
		v.OneThread, v.ThreadsKnown = now.GetOneThread(), now.OneThread != nil
		v.Counted = !now.CountedBy(h.newest.GetServices())
		list = append(list, v)
	}
	return list
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

// rpsSources and connectionSources are the words of what an agent counts with.
var (
	rpsSources        = words[sample.RpsSource](sample.RpsSource_name, "RPS_SOURCE_")
	connectionSources = words[sample.ConnectionSource](sample.ConnectionSource_name, "CONNECTION_SOURCE_")
)

func words[E ~int32](names map[int32]string, prefix string) map[E]string {
	out := make(map[E]string, len(names))
	for n, name := range names {
		if n != 0 { // not said
			out[E(n)] = strings.ToLower(strings.TrimPrefix(name, prefix))
		}
	}
	return out
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
