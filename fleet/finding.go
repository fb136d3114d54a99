package fleet

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"capmon/capacity"
	"capmon/sample"
)

// Verdicts of a finding: words of the JSON contract, and the flags of who has
// it.
const (
	SingleThread = "single-thread-bound" // one thread does the work and is full
	AboutOneCore = "about-one-core"      // about one core of demand, spread over threads (likely)
	WorkersFull  = "workers-full"        // n of n workers are full
	Pinned       = "pinned"              // waits for a core while others are idle
)

// Finding says what is full of a process or a service when its machine is not.
type Finding struct {
	Verdict string
	Owner   string // name of the service, or of the process
	Port    int    // of the service; 0: a process
	// The evidence: the thread with the highest demand, and its process.
	PID, TID int
	Thread   string // its name
	// Means of the last five seconds, in cores. Demand is run time and
	// run-queue wait: of the thread; of the process for AboutOneCore; of the
	// worker with the least for WorkersFull.
	Demand  float64
	Wait    float64 // the part of Demand that was waiting
	Idle    float64 // cores idle, of those it may use; of all for Pinned
	Allowed float64 // cores it may use
	Workers int     // hot threads; for WorkersFull all of them
}

// verdictWords are the words of the verdicts that are known.
var verdictWords = map[sample.Verdict]string{
	sample.Verdict_VERDICT_SINGLE_THREAD:  SingleThread,
	sample.Verdict_VERDICT_ABOUT_ONE_CORE: AboutOneCore,
	sample.Verdict_VERDICT_WORKERS_FULL:   WorkersFull,
	sample.Verdict_VERDICT_PINNED:         Pinned,
}

// finding takes over what a sample says; nil where it says nothing we know.
func finding(f *sample.Finding, owner string, port, pid int) *Finding {
	word, ok := verdictWords[f.GetVerdict()]
	if !ok {
		return nil
	}
	v := &Finding{
		Verdict: word, Owner: owner, Port: port, PID: int(f.GetPid()), TID: int(f.GetTid()), Thread: f.GetName(),
		Demand: cores1000(f.GetDemand()), Wait: cores1000(f.GetWait()), Idle: cores1000(f.GetIdle()),
		Allowed: float64(f.GetAllowed()), Workers: int(f.GetWorkers()),
	}
	if v.PID == 0 {
		v.PID = pid
	}
	return v
}

// cores1000 turns 1/1000 of a core into cores.
func cores1000(v uint32) float64 { return float64(v) / 1000 }

// Who names the one a finding is about: "node 4711", or the port where no name
// and no process is known.
func (f *Finding) Who() string {
	parts := make([]string, 0, 2)
	if f.Owner != "" {
		parts = append(parts, f.Owner)
	}
	switch {
	case f.PID > 0:
		parts = append(parts, strconv.Itoa(f.PID))
	case f.Port > 0:
		parts = append(parts, ":"+strconv.Itoa(f.Port))
	}
	return strings.Join(parts, " ")
}

// thread names the thread: its number, and its name where that tells more.
func (f *Finding) thread() string {
	s := "thread " + strconv.Itoa(f.TID)
	if f.Thread != "" && f.Thread != f.Owner {
		s += " (" + f.Thread + ")"
	}
	return s
}

// Say is the finding in one sentence: the evidence, and what helps.
func (f *Finding) Say() string { return f.Evidence() + "; " + f.Helps() }

// Evidence says in words what was seen.
func (f *Finding) Evidence() string {
	idle := " while " + capacity.Decimal(f.Idle, 1) + " cores idle"
	demand := capacity.Decimal(f.Demand, 2)
	switch f.Verdict {
	case SingleThread:
		return fmt.Sprintf("%s is single-thread bound: %s needs %s of one core%s", f.Who(), f.thread(), demand, idle)
	case AboutOneCore:
		return fmt.Sprintf("%s uses about one core and no more (%s)%s: one thread at a time, or a lock, is the limit (likely)", f.Who(), demand, idle)
	case WorkersFull:
		return fmt.Sprintf("%s: %d of %d workers are full, each needs %s of a core or more%s", f.Who(), f.Workers, f.Workers, demand, idle)
	}
	return fmt.Sprintf("%s waits for a core (%s of %s%s): it is pinned or limited", f.Who(), capacity.Decimal(f.Wait, 2), demand, idle)
}

// Helps says what to do about it.
func (f *Finding) Helps() string {
	if f.Verdict == Pinned {
		return "look at its CPU affinity and quota"
	}
	return "more workers help, a bigger machine does not"
}

// Brief is the evidence in few words.
func (f *Finding) Brief() string {
	l := f.limit()
	what := map[string]string{SingleThread: "one thread", AboutOneCore: "about one core,", WorkersFull: "all workers,"}[f.Verdict]
	if what == "" {
		return f.Who() + ": pinned or limited"
	}
	return fmt.Sprintf("%s: %s %s of %s %s", f.Who(), what, capacity.Decimal(l.Used, 2), capacity.Amount(l.Capacity), l.Unit)
}

// limit is the finding as a limit: threads that are used and that there are. A
// thread cannot use more than one core; what is measured beyond is noise.
func (f *Finding) limit() capacity.Limit {
	n := 1
	from := "one thread: " + f.Who()
	switch f.Verdict {
	case WorkersFull:
		n = max(f.Workers, 1)
		from = fmt.Sprintf("%d of %d workers: %s", n, n, f.Who())
	case AboutOneCore:
		from = "about one core: " + f.Who()
	case Pinned:
		from = "pinned or limited: " + f.Who()
	}
	l := capacity.Limit{Name: "thread", Used: min(f.Demand, 1) * float64(n), Capacity: float64(n), Unit: "cores", From: from}
	if n == 1 {
		l.Unit = "core"
	}
	return l
}

// findings are those of the services and of the processes that serve nothing,
// the fullest first: a finding of a service is not said once more of the
// processes that have it.
func (v *viewed) findings() []Finding {
	var list []Finding
	for i := range v.Services {
		if f := v.Services[i].Finding; f != nil {
			list = append(list, *f)
		}
	}
	for i := range v.Processes {
		f := v.Processes[i].Finding
		if f == nil || slices.ContainsFunc(list, f.within) {
			continue
		}
		list = append(list, *f)
	}
	slices.SortStableFunc(list, func(a, b Finding) int {
		x, y := a.limit(), b.limit()
		switch {
		case x.Ratio() > y.Ratio():
			return -1
		case x.Ratio() < y.Ratio():
			return 1
		}
		return 0
	})
	return list
}

// within says whether the finding of a process is part of that of a service:
// the process is its evidence, or one of its workers.
func (f *Finding) within(s Finding) bool {
	worker := s.Verdict == WorkersFull && (s.Owner == f.Owner || f.Verdict == WorkersFull && f.Workers == s.Workers)
	return s.Port > 0 && (s.PID == f.PID || worker)
}

// cpuFull says whether the cores of the host are used up.
func (v *viewed) cpuFull() bool { return v.CPU.OK && v.CPU.V >= fullAt }

// settle gives the findings to the host, and their words as flags to the host
// and to who has them. On a machine that is full itself none stands: there more
// threads would not help.
func (v *viewed) settle() {
	full := v.cpuFull()
	flags := func(f **Finding) []string {
		if full {
			*f = nil
		}
		if *f == nil {
			return []string{}
		}
		return []string{(*f).Verdict}
	}
	for i := range v.Services {
		v.Services[i].Flags = flags(&v.Services[i].Finding)
	}
	for i := range v.Processes {
		v.Processes[i].Flags = flags(&v.Processes[i].Finding)
	}
	v.Findings = v.findings()
	for _, f := range v.Findings {
		if !slices.Contains(v.Flags, f.Verdict) {
			v.Flags = append(v.Flags, f.Verdict)
		}
	}
}
