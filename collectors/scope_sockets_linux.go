package collectors

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"capmon/sample"
)

const (
	// dearestScope is the share of a core that counting the connections of a
	// scope may cost in the mean: there may be ten scopes on a machine. The walk
	// is over the sockets of the whole machine, of which the kernel shows those
	// of the scope.
	dearestScope = 0.0005

	// stillFor is how many readings in a row the open files have to be the same, for
	// a walk then to be sure; one that was not may be made again at ten times the
	// cost.
	stillFor = 2

	// scopeConditions bounds the addresses that the kernel is given to choose by;
	// with more it shows every socket.
	scopeConditions = 64
)

// scopeSockets lists the sockets that processes of a scope listen on, and
// counts what is connected to them at their addresses: servers of other scopes
// may have the same port at another.
//
// Between two walks, where the scope has one port, the number follows the open
// files of its processes, which the kernel knows: a connection is one. Any other
// file that is opened or closed meanwhile counts too until the next walk. A walk
// while connections come counts some that no process has accepted, which are no
// files yet: it is made again when the files stand still.
type scopeSockets struct {
	own     *ownConns
	members *scopeMembers
	proc    string
	diag    diag
	owners  *owners

	sockets []listenSocket // of the machine
	queues  []socketQueue
	turned  turnedAway
	mine    []listenSocket
	who     []owner
	pids    []int
	turn    uint64
	others  []listenSocket // at ports of the scope
	search  time.Time      // not before that are holders of sockets looked for
	pace    pace

	files      fileCounter
	open       []*member
	opened     int64 // open files of all, now
	known      bool  // opened is known
	walked     int64 // opened, when they were last walked
	walkedOK   bool
	before     int64     // opened, the reading before
	still      int       // for how many readings opened has been the same
	fresh      bool      // they were walked at the last reading
	unsure     bool      // the files moved about the last walk
	again      time.Time // not before that are they walked for it
	counted    uint32    // connections by the last walk, of the only port
	namespace  string    // of this process
	hidden     string    // why sockets are not seen; "" = they are
	hiddenTurn uint64
}

// newScopeConnections is the connections collector of a scope.
func newScopeConnections(c Config, own *ownConns, found *listeners, members *scopeMembers) *connections {
	s := &scopeSockets{own: own, members: members, proc: c.Proc, owners: newOwners(c.Proc, ownPID(c)), files: fileCounter{proc: c.Proc}}
	s.owners.among = func() []int { return s.pids }
	s.namespace, _ = os.Readlink(filepath.Join(c.Proc, "self/ns/net"))
	return &connections{source: s, found: found, table: new(portTable), scoped: true}
}

func (s *scopeSockets) close() { s.diag.close() }

func (s *scopeSockets) read(ctx context.Context, now time.Time, t *portTable) (bool, error) {
	t.network.source = sample.ConnectionSource_CONNECTION_SOURCE_SOCK_DIAG
	pids, turn, _ := s.members.get(now) // why there are none is said by who reads their use
	if turn != s.turn {
		s.pids, s.turn = pids, turn
		s.join(pids)
	}
	s.look()
	changed, err := s.listening(ctx, now, t)
	if err != nil {
		t.forget()
		return false, err
	}
	s.countFiles(ctx, now)
	err = s.count(ctx, now, t, changed)
	if s.hidden != "" {
		err = errors.Join(err, errors.New(s.hidden))
	}
	return true, err
}

// join takes other processes: one of them may hold a socket that nobody did.
func (s *scopeSockets) join(pids []int) {
	s.open = s.open[:0]
	for _, pid := range pids {
		s.open = append(s.open, &member{pid: pid, fd: filepath.Join(s.proc, strconv.Itoa(pid), "fd")})
	}
	for _, h := range s.owners.byID {
		if h.link == "" {
			h.tries, h.next = 0, time.Time{}
		} else {
			h.next = time.Unix(1, 0) // a worker may share it now
		}
	}
	s.walkedOK, s.search = false, time.Time{} // the files are others
}

// look finds out, for other processes, why their sockets are not seen.
func (s *scopeSockets) look() {
	if s.hiddenTurn == s.turn {
		return
	}
	s.hiddenTurn, s.hidden = s.turn, ""
	for _, pid := range s.pids {
		folder := filepath.Join(s.proc, strconv.Itoa(pid))
		d, err := os.Open(filepath.Join(folder, "fd"))
		if err == nil {
			d.Close()
		}
		if errors.Is(err, os.ErrPermission) {
			s.hidden = fmt.Sprintf("the open files of process %d may not be seen: its services are not shown: run the agent as its user or as root", pid)
			return
		}
		if name, err := os.Readlink(filepath.Join(folder, "ns/net")); err == nil && s.namespace != "" && name != s.namespace {
			s.hidden = fmt.Sprintf("process %d is in another network namespace: its services are not shown: run the agent inside (nsenter -n -t %d)", pid, pid)
			return
		}
	}
}

// listening brings the ports of the table up to date and tells whether they
// changed.
func (s *scopeSockets) listening(ctx context.Context, now time.Time, t *portTable) (changed bool, err error) {
	dump := func() error {
		s.sockets, s.queues = s.sockets[:0], s.queues[:0]
		return s.diag.dump(1<<stateListen, ctx.Err, s.add)
	}
	if err = dump(); incomplete(err) {
		err = dump()
	}
	if err != nil {
		return false, err
	}
	sortSockets(s.sockets)
	if !now.Before(s.search) {
		// Every socket that somebody opens on this machine is looked for once.
		took := onThisThread(func() { s.owners.refresh(ctx, now, s.sockets) })
		s.search = now.Add(atMost(dearestScope, took))
	}
	var mine, others []listenSocket
	for _, l := range s.sockets {
		if h := s.owners.byID[l.id]; h != nil && len(h.pids) > 0 {
			mine = append(mine, l)
		}
	}
	for _, l := range s.sockets {
		if !slices.Contains(mine, l) && slices.ContainsFunc(mine, func(m listenSocket) bool { return m.local.Port() == l.local.Port() }) {
			others = append(others, l)
		}
	}
	who := s.owners.of(nil, mine)
	changed = !slices.Equal(mine, s.mine) || !slices.Equal(others, s.others) || !slices.Equal(who, s.who) || t.ports == nil
	if changed {
		s.mine, s.others, s.who = mine, others, who
		t.listen(mine, who)
		for i := range t.ports {
			t.ports[i].among(others)
		}
	}
	s.queues = slices.DeleteFunc(s.queues, func(q socketQueue) bool {
		return !slices.ContainsFunc(mine, func(l listenSocket) bool { return l.id == q.id })
	})
	s.turned.fill(t, s.queues)
	return changed, nil
}

func (s *scopeSockets) add(d *diagSocket) {
	if d.state == stateListen && d.sport != 0 {
		s.sockets = append(s.sockets, listenSocket{local: d.local(), id: uint64(d.inode)})
		drops, known := d.drops()
		s.queues = append(s.queues, socketQueue{id: uint64(d.inode), port: d.sport, now: d.queue, limit: d.limit, drops: drops, dropsKnown: known})
	}
}

// countFiles reads how many files the processes have open, where the kernel
// knows.
func (s *scopeSockets) countFiles(ctx context.Context, now time.Time) {
	s.opened, s.known = 0, false
	if len(s.open) == 0 || len(s.open) > sizesAtOnce {
		return
	}
	s.files.count(ctx, now, s.open)
	for _, m := range s.open {
		if !s.files.bySize || !m.counted {
			return
		}
		s.opened += int64(m.used)
	}
	s.known = true
}

// count counts the connections, as far as it is time for it, and follows the
// open files in between.
func (s *scopeSockets) count(ctx context.Context, now time.Time, t *portTable, changed bool) error {
	if s.still++; !s.known || s.opened != s.before {
		s.still = 0
	}
	s.unsure = s.unsure || s.fresh && s.still == 0
	s.before, s.fresh = s.opened, false
	moved := !s.known || !s.walkedOK || s.opened != s.walked
	again := s.unsure && s.still >= stillFor && !now.Before(s.again)
	if !s.pace.due(now, changed || moved) && !again {
		s.follow(t)
		return nil
	}
	if len(t.ports) == 0 {
		t.begin(s.own)
		s.pace.counted(now, 0, true)
		return nil
	}
	var err error
	took := onThisThread(func() {
		if err = s.walk(ctx, t); incomplete(err) {
			err = s.walk(ctx, t)
		}
	})
	s.pace.earliest = now.Add(atMost(dearestScope, took))
	s.pace.last, s.again = now, now.Add(atMost(10*dearestScope, took))
	s.fresh, s.unsure = true, s.still == 0
	s.walked, s.walkedOK = s.opened, err == nil && s.known
	if err != nil {
		s.pace.last = time.Time{}
		t.forget()
		return err
	}
	for i := range t.ports {
		p := &t.ports[i]
		p.counted = !p.mixed // those of others are among them
		if len(t.ports) == 1 {
			s.counted = p.clients
		}
	}
	return nil
}

// follow moves the number of the only port with the open files.
func (s *scopeSockets) follow(t *portTable) {
	if len(t.ports) != 1 || !s.known || !s.walkedOK || !t.ports[0].counted {
		return
	}
	t.ports[0].clients = uint32(max(0, int64(s.counted)+s.opened-s.walked))
}

// walk counts them all.
func (s *scopeSockets) walk(ctx context.Context, t *portTable) error {
	t.beginWalk(s.own)
	err := s.diag.dumpOf(1<<stateEstablished, conditionsOf(t.ports), ctx.Err, func(d *diagSocket) {
		if d.state == stateEstablished {
			t.add(d.local(), d.remote())
		}
	})
	if err == nil {
		t.endPeers()
	}
	return err
}
