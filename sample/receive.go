package sample

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
)

// Limits of what is accepted from a peer. They are far above what a real
// machine sends and keep a hostile one from filling the memory of a viewer.
const (
	MaxBytes      = 64 << 10 // one encoded Sample
	MaxCores      = 4096
	MaxServices   = 256
	MaxThreads    = 64
	MaxProcesses  = 64
	MaxCollectors = 64
	MaxLabels     = 32
	MaxName       = 128 // bytes of a name, a label, a version
	MaxText       = 512 // bytes of an error or a note
	MaxPeers      = 8   // of one service
	MaxAddress    = 64  // bytes of an IP address
	MaxAddresses  = 64  // of one machine
	MaxDetailed   = 256 // threads of the one process that is looked into

	// MaxCoresUsed bounds the cores one machine may claim.
	MaxCoresUsed = 1 << 16
	// MaxCoreID bounds the kernel's number of a core, a socket, a NUMA node.
	MaxCoreID = 1 << 16
	// MaxWaiting bounds the threads that may wait for a core at once.
	MaxWaiting = 1 << 20
	// MaxRate bounds a rate per second.
	MaxRate = 1e9
	// MaxUsers bounds the people active on one machine.
	MaxUsers = 1e12
	// MaxRun and MaxTop bound Service.run_us and top_us: the processes of a
	// service may have all the cores there can be, a thread one.
	MaxRun = MaxCores * 1_000_000
	MaxTop = 1_000_000
	// MaxPointServices bounds the services of one point.
	MaxPointServices = 3
)

// Unknown marks a core in Cpu.busy that has no reading.
const Unknown = 255

// Full is the value of a byte of Cpu.busy for a core that was busy all the
// time.
const Full = 250

// ErrLimit is what every refused message wraps.
var ErrLimit = errors.New("message outside its limits")

// Receive decodes one Sample of a peer, checks its limits and takes control
// characters out of its names, so that nothing in it can move a terminal's
// cursor. Errors wrap ErrLimit, or tell what protobuf could not read.
func Receive(b []byte) (*Sample, error) {
	if len(b) > MaxBytes {
		return nil, fmt.Errorf("sample of %d bytes: %w (at most %d)", len(b), ErrLimit, MaxBytes)
	}
	s := new(Sample)
	if err := proto.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("sample of %d bytes: %w", len(b), err)
	}
	if err := s.Check(); err != nil {
		return nil, err
	}
	s.clean()
	return s, nil
}

// Check refuses a sample with more entries, longer names or other numbers than
// a machine can have. Errors wrap ErrLimit.
func (s *Sample) Check() error {
	var c checker
	if s.GetSeq() == 0 {
		c.refuse("seq is 0")
	}
	c.within("time_ms", s.GetTimeMs(), 0, 1<<43)
	c.within("interval_ms", int64(s.GetIntervalMs()), 0, 1<<31)
	c.cpu(s.GetCpu())
	if m := s.GetMemory(); m.GetUsed() > m.GetTotal() && m.Used != nil && m.Total != nil {
		c.refuse("memory used %d of %d bytes", m.GetUsed(), m.GetTotal())
	}
	if u := s.GetUsers(); s.Users != nil && !(u >= 0 && u <= MaxUsers) {
		c.refuse("%v users, not 0..%v", u, float64(MaxUsers))
	}
	c.count("services", len(s.GetServices()), MaxServices)
	for _, v := range s.GetServices() {
		c.service(v)
	}
	c.count("processes", len(s.GetProcesses()), MaxProcesses)
	for _, p := range s.GetProcesses() {
		c.name("process name", p.GetName(), MaxName)
		c.demand("process", p.GetRun(), p.GetWait())
		c.finding(p.GetFinding())
	}
	c.count("threads", len(s.GetThreads()), MaxThreads)
	for _, t := range s.GetThreads() {
		c.name("thread name", t.GetName(), MaxName)
		c.demand("thread", t.GetRun(), t.GetWait())
	}
	c.count("collector_us", len(s.GetCollectorUs()), MaxCollectors)
	c.count("errors", len(s.GetErrors()), MaxCollectors)
	for _, e := range s.GetErrors() {
		c.within("collector", int64(e.GetCollector()), 0, MaxCollectors-1)
		c.name("error", e.GetText(), MaxText)
	}
	c.detail(s.GetDetail())
	if n, cores := len(s.GetCoreParts()), len(s.GetCpu().GetBusy()); n != 0 && n != Parts*cores {
		c.refuse("core_parts has %d bytes for %d cores", n, cores)
	}
	return c.err
}

// Check refuses a machine with more labels or longer names than there can be.
// Errors wrap ErrLimit.
func (m *Machine) Check() error {
	var c checker
	if m.GetEpoch() == 0 {
		c.refuse("epoch is 0")
	}
	for _, v := range []string{m.GetHostname(), m.GetOs(), m.GetArch(), m.GetKernel(), m.GetVersion()} {
		c.name("machine", v, MaxName)
	}
	c.within("interval_ms", int64(m.GetIntervalMs()), 1, 60_000)
	c.count("labels", len(m.GetLabels()), MaxLabels)
	for _, l := range m.GetLabels() {
		c.name("label", l.GetKey(), MaxName)
		c.name("label", l.GetValue(), MaxName)
	}
	c.count("collectors", len(m.GetCollectors()), MaxCollectors)
	for _, v := range m.GetCollectors() {
		c.name("collector", v, MaxName)
	}
	c.count("addresses", len(m.GetAddresses()), MaxAddresses)
	for _, v := range m.GetAddresses() {
		c.name("address", v, MaxAddress)
	}
	c.topology(m.GetTopology())
	return c.err
}

// Clean takes control characters out of every text of m.
func (m *Machine) Clean() {
	for _, p := range []*string{&m.Hostname, &m.Os, &m.Arch, &m.Kernel, &m.Version} {
		*p = Printable(*p)
	}
	for _, l := range m.GetLabels() {
		l.Key, l.Value = Printable(l.GetKey()), Printable(l.GetValue())
	}
	for i, v := range m.GetCollectors() {
		m.Collectors[i] = Printable(v)
	}
	for i, v := range m.GetAddresses() {
		m.Addresses[i] = Printable(v)
	}
}

// Check refuses a point with numbers that can't be. Errors wrap ErrLimit.
func (p *Point) Check() error {
	var c checker
	c.within("point time", p.GetTime(), 0, 1<<33)
	if p.GetTime()%10 != 0 {
		c.refuse("point time %d is no multiple of ten seconds", p.GetTime())
	}
	c.within("point samples", int64(p.GetSamples()), 1, 1000)
	c.number("point cpu", p.Cpu, MaxCoresUsed)
	c.number("point available", p.Available, MaxCoresUsed)
	c.number("point hottest", p.Hottest, 1)
	c.number("point rps", p.Rps, MaxRate)
	c.number("point served", p.Served, math.MaxUint32)
	c.number("point memory", p.Memory, 1)
	c.number("point steal", p.Steal, 1)
	c.number("point throttled", p.Throttled, 1)
	c.count("services of a point", len(p.GetServices()), MaxPointServices)
	last := uint32(0)
	for _, v := range p.GetServices() {
		c.within("port", int64(v.GetPort()), 1, 65535)
		if v.GetPort() <= last {
			c.refuse("port %d after %d", v.GetPort(), last)
		}
		last = v.GetPort()
		c.number("service rps", v.Rps, MaxRate)
		c.number("service run", v.Run, MaxCoresUsed)
		c.number("service top", v.Top, 1)
	}
	return c.err
}

// Parts is how many bytes of Sample.core_parts belong to one core: user,
// system, irq, iowait, steal.
const Parts = 5

// StatusClasses is how many entries Service.status has where it is known: 3xx,
// 4xx and 5xx.
const StatusClasses = 3

// Printable returns s without control and formatting characters, which could
// move a terminal's cursor or turn the writing direction.
func Printable(s string) string {
	if strings.IndexFunc(s, unprintable) < 0 && utf8.ValidString(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if unprintable(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

func (s *Sample) clean() {
	for _, v := range s.GetServices() {
		v.Name, v.RpsNote = Printable(v.GetName()), Printable(v.GetRpsNote())
		v.GetFinding().clean()
		if l := v.GetLimits(); l != nil {
			l.ConnectionsFrom = Printable(l.GetConnectionsFrom())
		}
		for _, p := range v.GetPeers() {
			p.Address = Printable(p.GetAddress())
		}
	}
	for _, t := range s.GetThreads() {
		t.Name = Printable(t.GetName())
	}
	for _, p := range s.GetProcesses() {
		p.Name = Printable(p.GetName())
		p.GetFinding().clean()
	}
	for _, e := range s.GetErrors() {
		e.Text = Printable(e.GetText())
	}
	d := s.GetDetail()
	for _, u := range d.GetCoreUsers() {
		u.Name = Printable(u.GetName())
	}
	if p := d.GetProcess(); p != nil {
		p.Error = Printable(p.GetError())
		for _, t := range p.GetThreads() {
			t.Name = Printable(t.GetName())
		}
	}
}

func (f *Finding) clean() {
	if f != nil {
		f.Name = Printable(f.GetName())
	}
}

// checker keeps the first thing that was wrong.
type checker struct{ err error }

func (c *checker) refuse(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), ErrLimit)
	}
}

func (c *checker) count(what string, n, most int) {
	if n > most {
		c.refuse("%d %s, at most %d", n, what, most)
	}
}

func (c *checker) name(what, s string, most int) {
	if len(s) > most {
		c.refuse("%s of %d bytes, at most %d", what, len(s), most)
	}
}

// demand checks two times in 1/1000 of a core: a process may have many cores,
// and its threads may all wait.
func (c *checker) demand(what string, run, wait uint32) {
	const mostRun, mostWait = 1000 * MaxCoresUsed, 1000 * MaxWaiting
	if run > mostRun || wait > mostWait {
		c.refuse("%s runs %d and waits %d, at most %d and %d", what, run, wait, mostRun, mostWait)
	}
}

func (c *checker) service(v *Service) {
	c.within("port", int64(v.GetPort()), 1, 65535)
	c.name("service name", v.GetName(), MaxName)
	c.name("rps note", v.GetRpsNote(), MaxText)
	c.number("rps", v.Rps, MaxRate)
	c.number("accepts", v.Accepts, MaxRate)
	if n := len(v.GetStatus()); n != 0 && n != StatusClasses {
		c.refuse("%d classes of status, not %d", n, StatusClasses)
	}
	c.within("behind", int64(v.GetBehind()), 0, 65535)
	c.name("limit", v.GetLimits().GetConnectionsFrom(), MaxText)
	c.within("run_us", int64(v.GetRunUs()), 0, MaxRun)
	c.within("top_us", int64(v.GetTopUs()), 0, MaxTop)
	c.count("peers", len(v.GetPeers()), MaxPeers)
	for _, p := range v.GetPeers() {
		c.name("address", p.GetAddress(), MaxAddress)
	}
	c.finding(v.GetFinding())
}

func (c *checker) finding(f *Finding) {
	if f == nil {
		return
	}
	c.name("thread name", f.GetName(), MaxName)
	c.demand("finding", f.GetDemand(), f.GetWait())
	c.within("idle", int64(f.GetIdle()), 0, 1000*MaxCoresUsed)
}

// topology refuses lists that don't belong together and numbers of what there
// can't be more of than of cores.
func (c *checker) topology(t *Topology) {
	if t == nil {
		return
	}
	n := 0
	for _, list := range [][]uint32{t.GetIds(), t.GetSockets(), t.GetNodes(), t.GetCaches(), t.GetPhysical()} {
		switch {
		case len(list) == 0:
			continue
		case n != 0 && len(list) != n:
			c.refuse("topology of %d cores and of %d", n, len(list))
		}
		n = len(list)
		c.within("place of a core", int64(slices.Max(list)), 0, MaxCoreID)
	}
	c.count("cores of a topology", n, MaxCores)
	for i, id := range t.GetIds() {
		if i > 0 && id <= t.GetIds()[i-1] {
			c.refuse("core %d after core %d", id, t.GetIds()[i-1])
			return
		}
	}
}

func (c *checker) detail(d *Detail) {
	c.count("users of cores", len(d.GetCoreUsers()), MaxCores)
	for _, u := range d.GetCoreUsers() {
		c.name("thread name", u.GetName(), MaxName)
		c.demand("thread", u.GetRun(), 0)
		c.within("core", int64(u.GetCore()), 0, MaxCoreID)
	}
	p := d.GetProcess()
	c.name("error", p.GetError(), MaxText)
	c.count("threads of a process", len(p.GetThreads()), MaxDetailed)
	for _, t := range p.GetThreads() {
		c.name("thread name", t.GetName(), MaxName)
		c.demand("thread", t.GetRun(), t.GetWait())
		c.within("core", int64(t.GetCore()), 0, MaxCoreID)
		if s := t.GetState(); s != 0 && (s < '!' || s > '~') {
			c.refuse("state %d of a thread is no letter", s)
		}
	}
}

func (c *checker) within(what string, v, low, high int64) {
	if v < low || v > high {
		c.refuse("%s is %d, not %d..%d", what, v, low, high)
	}
}

func (c *checker) number(what string, v *float32, most float64) {
	if v == nil {
		return
	}
	if f := float64(*v); math.IsNaN(f) || f < 0 || f > most {
		c.refuse("%s is %v, not 0..%v", what, f, most)
	}
}

func (c *checker) cpu(p *Cpu) {
	if p == nil {
		return
	}
	c.count("cores", len(p.GetBusy()), MaxCores)
	for _, b := range p.GetBusy() {
		if b > Full && b != Unknown {
			c.refuse("core busy %d of %d", b, Full)
			break
		}
	}
	if n := len(p.GetIds()); n != 0 && n != len(p.GetBusy()) {
		c.refuse("%d core numbers for %d cores", n, len(p.GetBusy()))
	}
	for _, v := range []*uint32{p.User, p.System, p.Irq, p.Iowait, p.Steal, p.Throttled} {
		if v != nil && *v > 10_000 {
			c.refuse("cpu share %d of 10000", *v)
		}
	}
	for _, v := range []*float32{p.Available, p.Used, p.Load1, p.Load5, p.Load15} {
		c.number("cpu", v, MaxCoresUsed)
	}
	if p.Available != nil && *p.Available == 0 {
		c.refuse("no cores available")
	}
}
