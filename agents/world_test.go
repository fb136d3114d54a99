package agents

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"capmon/sample"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// machine64 is a Source of the sample DESIGN sets a budget for: 64 cores, 3
// services, 5 threads.
type machine64 struct {
	mu     sync.Mutex
	taken  int
	closed bool
	took   time.Duration // what a sample takes
	spoil  func(*sample.Sample)
}

func (m *machine64) Sample(ctx context.Context, _ time.Time) *sample.Sample {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.taken++
	if m.took > 0 {
		sleep(ctx, m.took)
	}
	s := typical(m.taken)
	if m.spoil != nil {
		m.spoil(s)
	}
	return s
}

func (m *machine64) Names() []string { return []string{"cpu", "memory", "tcp", "rps", "self"} }

func (m *machine64) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

func typical(n int) *sample.Sample {
	s := &sample.Sample{
		Cpu: &sample.Cpu{
			Busy: make([]byte, 64),
			User: proto.Uint32(4100), System: proto.Uint32(900), Irq: proto.Uint32(210),
			Iowait: proto.Uint32(12), Steal: proto.Uint32(3),
			Available: proto.Float32(64), AvailableFrom: sample.Bound_BOUND_ONLINE, Used: proto.Float32(33.4),
			Load1: proto.Float32(30.1), Load5: proto.Float32(28.7), Load15: proto.Float32(22.2),
		},
		Memory:      &sample.Memory{Total: proto.Uint64(256 << 30), Used: proto.Uint64(64 << 30)},
		Connections: &sample.Connections{Established: proto.Uint32(88_500), Served: proto.Uint32(88_420)},
		CollectorUs: []uint32{31, 12, 640, 210, 9},
		Self:        &sample.Self{CpuUs: proto.Uint32(980), Rss: proto.Uint64(13 << 20)},
		CoreParts:   make([]byte, 64*sample.Parts),
	}
	for i := range s.Cpu.Busy {
		s.Cpu.Busy[i] = byte((i + n) * 37 % (sample.Full + 1))
	}
	for i, name := range []string{"haproxy", "node", "sshd"} {
		s.Services = append(s.Services, &sample.Service{
			Port: uint32(8080 + i), Name: name, Connections: proto.Uint32(29_473),
			Rps: proto.Float32(100), Responses: proto.Uint64(912_345_678), RpsSource: sample.RpsSource_RPS_SOURCE_NGINX,
		})
	}
	for i := range 5 {
		s.Threads = append(s.Threads, &sample.Thread{
			Pid: uint32(221_100 + i), Tid: uint32(221_105 + i), Name: "node", Run: 870, Wait: 140,
		})
	}
	return s
}

// newAgent is an agent with a past of n samples, one a second up to now.
func newAgent(t testing.TB, c Config, past int) *Agent {
	t.Helper()
	if c.Source == nil {
		c.Source = &machine64{}
	}
	if c.Hostname == "" {
		c.Hostname = "web-1"
	}
	a, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	a.Remember(pastOf(past, time.Now()))
	return a
}

func pastOf(n int, end time.Time) []*sample.Sample {
	list := make([]*sample.Sample, n)
	for i := range list {
		list[i] = typical(i)
		list[i].TimeMs = end.Add(time.Duration(i-n) * time.Second).UnixMilli()
	}
	return list
}

// background runs f until the test ends, and fails the test with its error.
func background(t testing.TB, f func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

// listen is a listener on a free port of loopback.
func listen(t testing.TB) net.Listener {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return lis
}

// serve runs and serves an agent and returns its address.
func serve(t testing.TB, a *Agent, sec Security, log *slog.Logger) (addr string, stop func()) {
	t.Helper()
	lis := listen(t)
	stopRun := background(t, a.Run)
	stopServe := background(t, func(ctx context.Context) error { return Serve(ctx, lis, a, sec, log) })
	return lis.Addr().String(), func() { stopServe(); stopRun() }
}

func target(t testing.TB, addr string) Target {
	t.Helper()
	list, err := listed([]string{addr})
	if err != nil {
		t.Fatal(err)
	}
	return list[0]
}

// ledger is a Sink that keeps everything. Its methods wake wait.
type ledger struct {
	mu      sync.Mutex
	changed chan struct{}
	hosts   map[string]*account
	order   []string // joined and left, in words
}

type account struct {
	addr     string
	pool     string
	machines []*sample.Machine
	seqs     map[uint64][]uint64 // by epoch, in the order of arrival
	samples  []*sample.Sample
	points   map[uint64][]*sample.Point
	details  []*sample.Sample
	dropped  uint64
	links    []Link
}

func newLedger() *ledger {
	return &ledger{hosts: make(map[string]*account), changed: make(chan struct{}, 1)}
}

func (l *ledger) note(host string, f func(*account)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.hosts[host]
	if a == nil {
		panic("a call for " + host + ", which has not joined")
	}
	f(a)
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

func (l *ledger) Join(host, addr, pool string) {
	l.mu.Lock()
	l.hosts[host] = &account{addr: addr, pool: pool, seqs: map[uint64][]uint64{}, points: map[uint64][]*sample.Point{}}
	l.order = append(l.order, "+"+host)
	l.mu.Unlock()
	l.note(host, func(*account) {})
}

func (l *ledger) Leave(host string) {
	l.note(host, func(*account) { l.order = append(l.order, "-"+host); delete(l.hosts, host) })
}

func (l *ledger) Machine(host string, m *sample.Machine) {
	l.note(host, func(a *account) { a.machines = append(a.machines, m) })
}

func (l *ledger) Samples(host string, epoch uint64, s []*sample.Sample) {
	l.note(host, func(a *account) {
		for _, one := range s {
			a.seqs[epoch] = append(a.seqs[epoch], one.GetSeq())
			a.samples = append(a.samples, one)
		}
	})
}

func (l *ledger) Points(host string, epoch uint64, p []*sample.Point) {
	l.note(host, func(a *account) { a.points[epoch] = append(a.points[epoch], p...) })
}

func (l *ledger) Detail(host string, s *sample.Sample) {
	l.note(host, func(a *account) { a.details = append(a.details, s) })
}

func (l *ledger) Dropped(host string, n uint64) {
	l.note(host, func(a *account) { a.dropped += n })
}

func (l *ledger) Link(host string, k Link) {
	l.note(host, func(a *account) { a.links = append(a.links, k) })
}

// wait returns when ok holds for the host; a test that hangs here is ended by
// the time limit, with what was missing.
func (l *ledger) wait(t testing.TB, host, what string, ok func(*account) bool) {
	t.Helper()
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	for {
		l.mu.Lock()
		a := l.hosts[host]
		done := a != nil && ok(a)
		l.mu.Unlock()
		if done {
			return
		}
		select {
		case <-l.changed:
		case <-limit.C:
			l.mu.Lock()
			defer l.mu.Unlock()
			t.Fatalf("%s: never saw %s; links %+v", host, what, l.linksOf(host))
		}
	}
}

func (l *ledger) linksOf(host string) []Link {
	if a := l.hosts[host]; a != nil {
		return a.links
	}
	return nil
}

// read gives f the account of a host.
func (l *ledger) read(host string, f func(*account)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(l.hosts[host])
}

// watch runs a viewer with sec over the targets.
func watch(t testing.TB, sec Security, sink Sink, log *slog.Logger, targets ...Target) (*Viewer, func()) {
	t.Helper()
	v := NewViewer(ViewerOptions{Security: sec, Sink: sink, Log: log})
	return v, background(t, func(ctx context.Context) error { return v.Run(ctx, targets) })
}

// logbook is a log to look into.
type logbook struct {
	mu    sync.Mutex
	lines strings.Builder
}

func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.Write(b)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.String()
}

func (l *logbook) log() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// whole says what is wrong with the seqs from first to last: a gap, a
// duplicate; empty when nothing is.
func whole(seqs []uint64, first, last uint64) string {
	got := slices.Sorted(slices.Values(seqs))
	want := first
	for _, s := range got {
		if s != want {
			return fmt.Sprintf("sample %d where %d should be, of %d..%d", s, want, first, last)
		}
		want++
	}
	if want != last+1 {
		return fmt.Sprintf("the last is %d, not %d", want-1, last)
	}
	return ""
}
