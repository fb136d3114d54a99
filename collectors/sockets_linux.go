package collectors

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"capmon/collectors/kernel"
	"capmon/sample"
)

// diagSource lists sockets by netlink. Those that listen are asked for each
// time, which is cheap: they are in a table of their own. The established ones
// are counted by a program in the kernel where that may be loaded (connCounter).
//
// Where it may not they are walked, only when the kernel's counters have moved,
// or after five seconds: even without a socket the walk takes 0.3 ms and more,
// because it is over a hash table sized for the machine's memory. The counters
// don't show one thing: a client that ends its half of a connection while the
// server keeps it open. Such a connection stays in the count for up to five
// seconds. On both roads it does not count once its end was seen.
type diagSource struct {
	config Config
	own    *ownConns
	diag   diag
	owners *owners
	snmp   kept

	sockets []listenSocket
	queues  []socketQueue
	turned  turnedAway
	who     []owner
	stamp   tcpStamp
	pace    pace
	tried   bool         // to load the kernel's program
	later   later        // when to
	counter *connCounter // nil = not allowed
	guests  guests
	network network
	// elsewhere is the portable road, taken where the kernel has no sock_diag.
	elsewhere socketSource
}

func newSocketSource(c Config, own *ownConns) socketSource {
	if c.Portable {
		return newTableSource(c, own)
	}
	return &diagSource{
		config: c, own: own,
		owners:  newOwners(c.Proc, ownPID(c)),
		snmp:    kept{path: c.Proc + "/net/snmp"},
		network: newNetwork(c.Proc),
		tried:   c.walkConns,
		later:   later{after: c.KernelAfter},
	}
}

func (d *diagSource) close() {
	d.diag.close()
	d.snmp.close()
	d.network.close()
	if d.counter != nil {
		_ = d.counter.counts.Close()
		d.counter = nil
	}
}

func (d *diagSource) read(ctx context.Context, now time.Time, t *portTable) (bool, error) {
	if d.elsewhere != nil {
		return d.elsewhere.read(ctx, now, t)
	}
	changed, err := d.listening(ctx, now, t)
	if noDiag(err) {
		d.close()
		d.elsewhere = newTableSource(d.config, d.own)
		return d.elsewhere.read(ctx, now, t)
	}
	if err != nil {
		t.forget()
		return false, err
	}
	if changed {
		d.guests.look(now)
	}
	if !d.tried && d.later.due(now) {
		d.tried = true
		d.counter = openCounter()
	}
	if d.counter != nil {
		err = d.readCounter(ctx, now, t)
	} else {
		err = d.walk(ctx, now, t, changed)
	}
	d.guests.apply(t.ports, now)
	return true, errors.Join(err, d.network.read(ctx, now, &d.diag, t))
}

// openCounter begins to count in the kernel; nil where that is not allowed,
// which the source named in the sample tells.
func openCounter() *connCounter {
	counts, err := kernel.OpenConns()
	if err != nil {
		return nil
	}
	return &connCounter{counts: counts}
}

// readCounter takes the numbers of the running counter, and holds it against
// the kernel's table when it is time for that.
func (d *diagSource) readCounter(ctx context.Context, now time.Time, t *portTable) error {
	t.network.source = sample.ConnectionSource_CONNECTION_SOURCE_EBPF
	var err error
	if d.counter.due(now) {
		t.own = d.own.snapshot(t.own[:0])
		runtime.LockOSThread()
		err = d.counter.check(now, t, func(each func(*diagSocket)) error {
			d.guests.begin(now, t)
			return d.diag.dump(1<<stateEstablished, ctx.Err, func(s *diagSocket) {
				if s.state == stateEstablished {
					each(s)
					d.guests.see(t, s)
				}
			})
		})
		runtime.UnlockOSThread()
		d.meet(ctx, now, t)
	}
	if !d.counter.begun {
		t.forget()
		return err
	}
	d.counter.fill(now, t, d.own)
	return errors.Join(err, d.meetEdges(now, t))
}

// walk counts by the kernel's table, as far as it is time for it.
func (d *diagSource) walk(ctx context.Context, now time.Time, t *portTable, changed bool) error {
	t.network.source = sample.ConnectionSource_CONNECTION_SOURCE_SOCK_DIAG
	stamp, err := d.counters()
	moved := err != nil || stamp != d.stamp
	if !d.pace.due(now, changed || moved) {
		return nil
	}
	d.stamp = stamp
	took, err := d.established(ctx, now, t)
	d.pace.counted(now, took, err == nil)
	d.meet(ctx, now, t)
	return err
}

// noDiag tells whether err says that this kernel has no sock_diag for TCP.
func noDiag(err error) bool {
	return errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.EAFNOSUPPORT) ||
		errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES)
}

// listening brings the ports of the table up to date and tells whether they
// changed.
func (d *diagSource) listening(ctx context.Context, now time.Time, t *portTable) (changed bool, err error) {
	err = d.twice(func() error {
		d.sockets, d.queues = d.sockets[:0], d.queues[:0]
		return d.diag.dump(1<<stateListen, ctx.Err, d.addListening)
	})
	if err != nil {
		return false, err
	}
	sortSockets(d.sockets)
	defer func() { d.turned.fill(t, d.queues) }()
	same := slices.Equal(d.sockets, t.sockets) && t.ports != nil
	if !d.owners.refresh(ctx, now, d.sockets) && same {
		return false, nil
	}
	d.who = d.owners.of(d.who[:0], d.sockets)
	t.listen(d.sockets, d.who)
	return !same, nil
}

func (d *diagSource) addListening(s *diagSocket) {
	if s.state == stateListen && s.sport != 0 {
		d.sockets = append(d.sockets, listenSocket{local: s.local(), id: uint64(s.inode)})
		drops, known := s.drops()
		d.queues = append(d.queues, socketQueue{id: uint64(s.inode), port: s.sport, now: s.queue, limit: s.limit, drops: drops, dropsKnown: known})
	}
}

// established counts, and tells how much CPU time it took.
func (d *diagSource) established(ctx context.Context, now time.Time, t *portTable) (time.Duration, error) {
	// The time of this thread is the kernel's work too: it is done inside the
	// calls.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	began := threadTime()
	add := func(s *diagSocket) {
		if s.state == stateEstablished {
			t.add(s.local(), s.remote())
			d.guests.see(t, s)
		}
	}
	err := d.twice(func() error {
		t.beginWalk(d.own)
		d.guests.begin(now, t)
		return d.diag.dump(1<<stateEstablished, ctx.Err, add)
	})
	if err != nil {
		t.forget()
	} else {
		t.endPeers()
	}
	return threadTime() - began, err
}

// twice repeats a dump once that was interrupted or overran its buffer.
func (d *diagSource) twice(dump func() error) error {
	err := dump()
	if incomplete(err) {
		err = dump()
	}
	return err
}

func incomplete(err error) bool {
	return errors.Is(err, errInterrupted) || errors.Is(err, unix.ENOBUFS)
}

func threadTime() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
