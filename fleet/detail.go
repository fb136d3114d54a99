package fleet

import (
	"capmon/capacity"
	"capmon/sample"
)

// detail is what the newest sample of a detail stream told. It is not changed.
type detail struct {
	parts   []CoreParts
	users   []CoreUser
	threads *Threads
}

// newDetail decodes it; nil where there is none.
func newDetail(s *sample.Sample) *detail {
	d := &detail{parts: coreParts(s), users: coreUsers(s), threads: threadsOf(s.GetDetail().GetProcess())}
	if d.parts == nil && d.users == nil && d.threads == nil {
		return nil
	}
	return d
}

// coreParts decodes Sample.core_parts; nil where there are none.
func coreParts(s *sample.Sample) []CoreParts {
	b := s.GetCoreParts()
	n := len(b) / sample.Parts
	if n == 0 || n > sample.MaxCores || len(b)%sample.Parts != 0 {
		return nil
	}
	parts := make([]CoreParts, n)
	for i := range parts {
		p, v := &parts[i], b[i*sample.Parts:]
		for j, field := range []*float64{&p.User, &p.System, &p.IRQ, &p.IOWait, &p.Steal} {
			*field = decode(v[j])
		}
	}
	return parts
}

// coreUsers are those of each core of Cpu.busy; nil where nobody looked.
func coreUsers(s *sample.Sample) []CoreUser {
	cpu := s.GetCpu()
	if s.GetDetail() == nil || len(cpu.GetBusy()) == 0 {
		return nil
	}
	place := make(map[uint32]int, len(cpu.GetBusy()))
	for i := range cpu.GetBusy() {
		place[uint32(i)] = i
	}
	if ids := cpu.GetIds(); len(ids) == len(cpu.GetBusy()) {
		clear(place)
		for i, id := range ids {
			place[id] = i
		}
	}
	users := make([]CoreUser, len(cpu.GetBusy()))
	for _, u := range s.GetDetail().GetCoreUsers() {
		if i, ok := place[u.GetCore()]; ok {
			users[i] = CoreUser{PID: int(u.GetPid()), TID: int(u.GetTid()), Name: u.GetName(), Run: cores1000(u.GetRun())}
		}
	}
	return users
}

// threadsOf are the threads of the process that was asked for; nil where none
// was.
func threadsOf(p *sample.ProcessThreads) *Threads {
	if p == nil {
		return nil
	}
	t := &Threads{PID: int(p.GetPid()), More: int(p.GetMore()), Reason: p.GetError()}
	for _, one := range p.GetThreads() {
		v := Thread{TID: int(one.GetTid()), Name: one.GetName(), State: byte(one.GetState())}
		v.Run, v.Wait = optional(one.Run, 1000), optional(one.Wait, 1000)
		v.Core, v.Voluntary, v.Involuntary = optional(one.Core, 1), optional(one.Voluntary, 10), optional(one.Involuntary, 10)
		t.List = append(t.List, v)
	}
	return t
}

// optional is a number in parts of one.
func optional(v *uint32, parts float64) capacity.Num {
	if v == nil {
		return capacity.Num{}
	}
	return capacity.Known(float64(*v) / parts)
}
