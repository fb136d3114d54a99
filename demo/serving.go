package demo

import (
	"cmp"
	"slices"

	"capmon/sample"
)

// The services of every host, in the order of their ports.
const (
	nginx = iota
	node
	ws
)

var servicePorts = [3]uint32{80, 3000, 8080}

// fillServices makes three services: two that count their requests and a
// websocket server that does not, and has nearly all the connections.
func (p *profile) fillServices(b *block, users uint32, t int64) {
	b.svcConns = [3]uint32{users / 50, users / 100, users - users/50 - users/100}
	for i := range b.services {
		s := &b.services[i]
		s.Connections, s.Queue, s.Pid = &b.svcConns[i], &b.queue[i], p.pid(i)
		b.list[i] = s
	}
	for i, perUser := range [2]float64{nginxPerUser, nodePerUser} {
		s := &b.services[i]
		b.responses[i] = p.responses(t, uint64(i), perUser)
		b.rps[i] = float32(b.responses[i] - p.responses(t-1, uint64(i), perUser))
		s.Rps, s.Responses = &b.rps[i], &b.responses[i]
		n := b.responses[i]
		b.status[i] = [sample.StatusClasses]uint64{n / 25, n / 90, n / 1000 * p.errors}
		s.Status = b.status[i][:]
		slow := 1 + b.used/b.available // the fuller, the slower
		mean := uint32(float32(1200*(i+1)) * slow)
		l := &b.latency[i]
		l.MeanUs, l.P50Us, l.P95Us, l.P99Us = mean, mean*7/10, mean*3, mean*8
		s.Latency = l
	}
	b.accepts = float32(users) / 100
	b.services[ws].Accepts = &b.accepts
	b.queue[ws] = users / 4000
	for i, named := range [3]struct {
		port       uint32
		name, note string
		source     sample.RpsSource
	}{
		{servicePorts[nginx], "nginx", "", sample.RpsSource_RPS_SOURCE_NGINX},
		{servicePorts[node], "node", "", sample.RpsSource_RPS_SOURCE_PROMETHEUS},
		{servicePorts[ws], "ws", "connections but no requests: it speaks websocket", 0},
	} {
		s := &b.services[i]
		s.Port, s.Name, s.RpsNote, s.RpsSource = named.port, named.name, named.note, named.source
		if t%8 == 0 { // as an agent does
			s.Limits = limitsOf(i, b.svcConns[i])
		}
	}
	b.sample.Services = b.list[:]
}

// limitsOf is what a service can hold.
func limitsOf(service int, conns uint32) *sample.ServiceLimits {
	l := &sample.ServiceLimits{Queue: new(uint32(4096)), FilesUsed: new(conns + 60), Files: new(uint64(65_536))}
	if service == nginx {
		l.Queue, l.Connections, l.ConnectionsFrom = new(uint32(511)), new(uint64(4096*2)), "worker_connections 4096 x 2"
	}
	return l
}

// pid is the process of a service.
func (p *profile) pid(service int) uint32 { return uint32(1600+p.key%1000) + uint32(200*service) }

// fillProcesses shares the cores used among the processes of the services and a
// database; where one thread does the work, that of ws has most of a core and
// the finding that goes with it.
func (p *profile) fillProcesses(b *block, noise uint64) {
	used := uint32(b.used * 1000)
	run := p.runs(used, 0)
	threads := [4]uint32{1, 11, 11, 4}
	if p.thread {
		hot := 985 + uint32(noise>>4%8)
		wait := uint32(noise >> 8 % 7)
		b.sample.Threads = p.threads(hot, wait, noise)
		run = p.runs(used, hot)
		b.processes[ws].Wait = wait
		if idle := uint32(b.available*1000) - used; idle >= 750 {
			f := &b.finding
			f.Verdict, f.Pid, f.Tid = sample.Verdict_VERDICT_SINGLE_THREAD, p.pid(ws), p.pid(ws)
			f.Demand, f.Wait, f.Idle, f.Allowed, f.Workers = hot+wait, wait, idle, uint32(b.available), 1
			b.processes[ws].Finding, b.services[ws].Finding = f, f
		}
	}
	p.fillWork(b, run)
	for i, name := range [4]string{"nginx", "node", "ws", "redis-server"} {
		v := &b.processes[i]
		v.Pid, v.Name, v.Run, v.Threads = p.pid(i), name, run[i], threads[i]
	}
	for i := range b.procs {
		b.procs[i] = &b.processes[i]
	}
	slices.SortStableFunc(b.procs[:], func(a, b *sample.Process) int { return cmp.Compare(b.Run+b.Wait, a.Run+a.Wait) })
	b.sample.Processes = b.procs[:]
}

// runs shares cores among the processes, all in 1/1000 of a core; hot is that of
// the one thread where that does the work.
func (p *profile) runs(used, hot uint32) [4]uint32 {
	if p.thread {
		rest := used - min(used, 1040)
		return [4]uint32{rest * 30 / 100, rest * 40 / 100, hot + 40, rest * 10 / 100}
	}
	return [4]uint32{used * 15 / 100, used * 22 / 100, used * 48 / 100, used * 6 / 100}
}

// workers are the processes of nginx and of node, each with one thread that
// works: as many as suit the cores.
func workers(service, cores int) int {
	if service == nginx {
		return max(2, (cores+3)/4)
	}
	return max(2, (cores+1)/2)
}

// topOf is the share of a service's run time that its busiest thread has.
func topOf(service, cores int) float64 {
	const uneven = 1.06
	return uneven / float64(workers(service, cores))
}

// fillWork says what the processes of each service ran. That of ws is one
// thread's where one does the work, and spread over its threads elsewhere.
func (p *profile) fillWork(b *block, run [4]uint32) {
	for i := range b.services {
		b.run[i], b.one[i] = run[i]*1000, true
		switch {
		case i != ws:
			b.top[i] = uint32(float64(b.run[i]) * topOf(i, int(b.available)))
		case p.thread:
			b.top[i] = b.run[i] - 40*1000 // less its helpers
		default:
			b.top[i], b.one[i] = b.run[i]/6, false
		}
		b.top[i] = min(b.top[i], sample.MaxTop)
		s := &b.services[i]
		s.RunUs, s.TopUs, s.OneThread = &b.run[i], &b.top[i], &b.one[i]
	}
}

// threads are those of a host on which one thread does the work.
func (p *profile) threads(hot, wait uint32, noise uint64) []*sample.Thread {
	return []*sample.Thread{
		{Pid: p.pid(ws), Tid: p.pid(ws), Run: hot, Wait: wait},
		{Pid: p.pid(ws), Tid: p.pid(ws) + 7, Name: "libuv-worker", Run: 30 + uint32(noise>>12%20)},
		{Pid: p.pid(nginx), Tid: p.pid(nginx), Run: 20 + uint32(noise>>16%9)},
	}
}
