package collectors

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"capmon/sample"
)

// httpCounter counts HTTP/1 responses in the kernel, by local port.
type httpCounter interface {
	// Watch counts a port from zero; one that is watched goes on. The port of a
	// scope is counted at its own addresses, or refused.
	Watch(p *servicePort) error
	Unwatch(port uint16)
	// Read returns the responses by the first digit of their status, and the
	// sends in which none begins; false where the port is not watched.
	Read(port uint16) (class [6]uint64, other uint64, ok bool)
	// Latency are the response times of the last ten seconds, nil = not known.
	Latency(port uint16, now time.Time) *sample.Latency
	// Caveat says what this kernel does not tell apart; "" = nothing.
	Caveat() string
	Close() error
}

// kernelPorts are the ports that are watched in the kernel. Safe for concurrent
// use: a port is watched by whoever finds it.
type kernelPorts struct {
	open  func() (httpCounter, error)
	own   *ownConns
	later later // when to open
	lazy  bool  // not before there is a port to watch

	mu      sync.Mutex
	tried   bool
	err     error // why there is no counter
	counter httpCounter
	ports   map[uint16]*kernelPort
}

// kernelPort is one of them.
type kernelPort struct {
	account
	own     [6]uint64 // responses to capmon when the port was first watched
	place   kernelPlace
	err     error // why it is not watched
	state   kernelState
	seen    [6]uint64 // responses at the last reading, capmon's own included
	other   uint64    // sends at the last reading that were none
	latency *sample.Latency
}

// kernelPlace is where the port of a scope is counted: when it changes, so does
// what may be counted.
type kernelPlace struct {
	only          netip.Addr
	shared, mixed bool
}

// kernelState is what the kernel has seen of a port.
type kernelState int

const (
	kernelNothing kernelState = iota // not watched
	kernelSilent                     // it has sent nothing but answers to capmon
	kernelOpaque                     // it sends, and never a response of HTTP/1
	kernelCounts
)

func newKernelPorts(own *ownConns, open func() (httpCounter, error)) *kernelPorts {
	return &kernelPorts{open: open, own: own, ports: make(map[uint16]*kernelPort)}
}

// start opens the counter, once and when it is time: what a kernel refuses it
// refuses again. The error is why there is none.
func (k *kernelPorts) start(ports []servicePort, now time.Time) error {
	k.mu.Lock()
	if !k.tried && (len(ports) > 0 || !k.lazy) && k.later.due(now) {
		k.tried = true
		k.counter, k.err = k.open()
	}
	err := k.err
	k.mu.Unlock()
	k.watch(ports)
	return err
}

// watch watches these ports and no others.
func (k *kernelPorts) watch(ports []servicePort) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.counter == nil {
		return
	}
	here := make(map[uint16]bool, len(ports))
	for _, p := range ports {
		here[p.port] = true
		place := kernelPlace{p.only(), p.shared, p.mixed}
		if w := k.ports[p.port]; w != nil {
			if w.place == place && (w.err == nil || p.scoped) || w.goesOn(place, &p, k.counter) {
				continue
			}
			if w.place != place {
				k.counter.Unwatch(p.port)
			}
		}
		w := &kernelPort{own: k.own.answers(p.port), state: kernelSilent, place: place}
		if w.err = k.counter.Watch(&p); w.err != nil {
			w.state = kernelNothing
		}
		w.fromZero(time.Now())
		k.ports[p.port] = w
	}
	for port := range k.ports {
		if !here[port] {
			k.counter.Unwatch(port)
			delete(k.ports, port)
		}
	}
}

// goesOn tells whether a port that is counted at the same address as before may
// be counted on, though others listen on it now, or no longer.
func (w *kernelPort) goesOn(place kernelPlace, p *servicePort, counter httpCounter) bool {
	if w.err != nil || w.place.only != place.only || counter.Watch(p) != nil {
		return false
	}
	w.place = place
	return true
}

// read takes the counts of all ports.
func (k *kernelPorts) read(now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for port, w := range k.ports {
		if w.err != nil {
			continue
		}
		class, other, ok := k.counter.Read(port)
		if !ok {
			w.state, w.err = kernelNothing, fmt.Errorf("port %d is no longer watched", port)
			continue
		}
		t := tally{classes: true}
		polls := k.own.answers(port)
		for c := 2; c < len(class); c++ {
			// capmon's own are never more than all: one that is not counted yet
			// will be.
			n := class[c] - min(class[c], polls[c]-w.own[c])
			t.add(100*c, float64(n))
		}
		// A send that is no response, in a second in which nothing else was sent:
		// not the rest of a page that capmon asked for.
		strange := other > w.other && class == w.seen
		w.seen, w.other = class, other
		w.see(t, strange, now)
		w.latency = k.counter.Latency(port, now)
	}
}

// see notes a count. It does not go back when a poll of capmon is counted a
// moment after it was answered.
func (w *kernelPort) see(t tally, strange bool, now time.Time) {
	t.count = max(t.count, w.last.count)
	for i := range t.class {
		t.class[i] = max(t.class[i], w.last.class[i])
	}
	// The count is never refused: it is a whole number below 2^53.
	_ = w.take(t, now)
	switch {
	case t.count > 0:
		w.state = kernelCounts
	case strange:
		w.state = kernelOpaque
	}
}

// of is what the kernel says about a port.
func (k *kernelPorts) of(port uint16) (w kernelPort, account *account) {
	if k == nil {
		return kernelPort{}, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if w := k.ports[port]; w != nil {
		return *w, &w.account
	}
	return kernelPort{err: k.err}, nil
}

// running tells whether there is a counter.
func (k *kernelPorts) running() bool {
	if k == nil {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.counter != nil
}

// awaited tells whether there may be a counter soon.
func (k *kernelPorts) awaited() bool {
	if k == nil {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.tried
}

// caveat is what the counter can't tell apart, in words; "" = nothing.
func (k *kernelPorts) caveat() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.counter == nil {
		return ""
	}
	return k.counter.Caveat()
}

// why is the reason for not counting in the kernel, nil = it counts.
func (k *kernelPorts) why() error {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}

func (k *kernelPorts) close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.tried = true
	if k.counter == nil {
		return nil
	}
	err := k.counter.Close()
	k.counter = nil
	return err
}
