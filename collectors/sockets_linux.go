package collectors

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// diagSource lists sockets by netlink. Those that listen are asked for each
// time, which is cheap: they are in a table of their own. The established ones
// are walked only when the kernel's counters have moved, or after five seconds:
// even without a socket the walk takes 0.3 ms and more, because it is over a
// hash table sized for the machine's memory.
//
// The counters don't show one thing: a client that ends its half of a
// connection while the server keeps it open. Such a connection stays in the
// count for up to five seconds.
type diagSource struct {
	config Config
	own    *ownConns
	diag   diag
	owners *owners
	snmp   kept

	sockets []listenSocket
	who     []owner
	stamp   tcpStamp
	pace    pace
	// elsewhere is the portable road, taken where the kernel has no sock_diag.
	elsewhere socketSource
}

func newSocketSource(c Config, own *ownConns) socketSource {
	if c.Portable {
		return newTableSource(c, own)
	}
	return &diagSource{
		config: c, own: own,
		owners: newOwners(c.Proc, ownPID(c)),
		snmp:   kept{path: c.Proc + "/net/snmp"},
	}
}

func (d *diagSource) close() {
	d.diag.close()
	d.snmp.close()
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
	stamp, err := d.counters()
	moved := err != nil || stamp != d.stamp
	if !d.pace.due(now, changed || moved) {
		return true, nil
	}
	d.stamp = stamp
	took, err := d.established(ctx, t)
	d.pace.counted(now, took, err == nil)
	return true, err
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
		d.sockets = d.sockets[:0]
		return d.diag.dump(1<<stateListen, ctx.Err, d.addListening)
	})
	if err != nil {
		return false, err
	}
	sortSockets(d.sockets)
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
	}
}

// established counts, and tells how much CPU time it took.
func (d *diagSource) established(ctx context.Context, t *portTable) (time.Duration, error) {
	// The time of this thread is the kernel's work too: it is done inside the
	// calls.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	began := threadTime()
	add := func(s *diagSocket) {
		if s.state == stateEstablished {
			t.add(s.local(), s.remote())
		}
	}
	err := d.twice(func() error {
		t.begin(d.own)
		return d.diag.dump(1<<stateEstablished, ctx.Err, add)
	})
	if err != nil {
		t.forget()
	}
	return threadTime() - began, err
}

// twice repeats a dump once that was interrupted or overran its buffer.
func (d *diagSource) twice(dump func() error) error {
	err := dump()
	if errors.Is(err, errInterrupted) || errors.Is(err, unix.ENOBUFS) {
		err = dump()
	}
	return err
}

func threadTime() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// tcpStamp is what moves in /proc/net/snmp when a connection is made or ended.
type tcpStamp struct{ active, passive, resets, established uint64 }

func (d *diagSource) counters() (tcpStamp, error) {
	b, err := d.snmp.read(4 << 10)
	if err != nil {
		return tcpStamp{}, err
	}
	return parseSnmp(b)
}

// parseSnmp reads the Tcp lines: a line of names, then one of numbers.
func parseSnmp(b []byte) (tcpStamp, error) {
	var s tcpStamp
	_, b, ok := bytes.Cut(b, []byte("\nTcp:"))
	names, b, ok2 := bytes.Cut(b, []byte("\nTcp:"))
	if !ok || !ok2 || bytes.IndexByte(names, '\n') >= 0 {
		return s, errors.New("no two Tcp lines in /proc/net/snmp")
	}
	found := 0
	for len(names) > 0 {
		var name, value []byte
		name, names = nextField(names)
		value, b = nextField(b)
		var to *uint64
		switch string(name) {
		case "ActiveOpens":
			to = &s.active
		case "PassiveOpens":
			to = &s.passive
		case "EstabResets":
			to = &s.resets
		case "CurrEstab":
			to = &s.established
		default:
			continue
		}
		v, _, ok := cutNumber(value)
		if !ok {
			return s, errors.New("no number for " + string(name) + " in /proc/net/snmp")
		}
		*to = v
		found++
	}
	if found != 4 {
		return s, errors.New("counters of connections missing in /proc/net/snmp")
	}
	return s, nil
}

// nextField takes the next word of a line off b.
func nextField(b []byte) (word, rest []byte) {
	i := 0
	for i < len(b) && b[i] == ' ' {
		i++
	}
	begin := i
	for i < len(b) && b[i] != ' ' && b[i] != '\n' {
		i++
	}
	return b[begin:i], b[i:]
}
