package fleet

import (
	"cmp"
	"slices"

	"capmon/capacity"
	"capmon/sample"
)

// processCollector is the collector of an agent that tells its processes.
const processCollector = "threads"

// processes are those of the newest sample, with the demands of their threads
// as far as those are among the ones sent; nil where the agent did not look.
func (h *host) processes() []Process {
	s := h.newest
	var list []Process
	if h.read(processCollector) {
		list = []Process{} // none that uses much
	}
	for _, p := range s.GetProcesses() {
		if p == nil {
			continue
		}
		v := Process{
			PID: int(p.GetPid()), Name: p.GetName(), CoresUsed: cores1000(p.GetRun()), Waiting: cores1000(p.GetWait()),
			Threads: capacity.Num{V: float64(p.GetThreads()), OK: p.GetThreads() > 0},
			Finding: finding(p.GetFinding(), p.GetName(), 0, int(p.GetPid())),
		}
		for _, t := range s.GetThreads() {
			if t != nil && t.GetPid() == p.GetPid() {
				v.Demands = append(v.Demands, demand(t))
			}
		}
		slices.SortFunc(v.Demands, func(a, b float64) int { return cmp.Compare(b, a) })
		list = append(list, v)
	}
	return list
}

// read says whether a collector of the host gave its reading in the newest
// sample.
func (h *host) read(collector string) bool {
	at := slices.Index(h.machine.GetCollectors(), collector)
	return at >= 0 && !slices.ContainsFunc(h.newest.GetErrors(), func(e *sample.CollectorError) bool { return int(e.GetCollector()) == at })
}

// demand is the run time and run-queue wait of a thread, in cores.
func demand(t *sample.Thread) float64 { return (float64(t.GetRun()) + float64(t.GetWait())) / 1000 }

// threadName is the name of a thread, which is that of its process where it
// has none of its own; empty when that is not known either.
func threadName(s *sample.Sample, t *sample.Thread) string {
	if t.GetName() != "" {
		return t.GetName()
	}
	for _, p := range s.GetProcesses() {
		if p.GetPid() == t.GetPid() {
			return p.GetName()
		}
	}
	for _, v := range s.GetServices() {
		if v.GetPid() == t.GetPid() {
			return v.GetName()
		}
	}
	return ""
}
