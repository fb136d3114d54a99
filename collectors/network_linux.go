package collectors

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"time"
)

const (
	// portsEvery is how often local ports are counted while they may run out,
	// and portsAfter how long after it came to that: not in the same second as
	// all connections.
	portsEvery = 30 * time.Second
	portsAfter = 3 * time.Second

	// maxRemotes bounds the remote addresses that are told apart. One that holds
	// a large share of all sockets is among the first thousands of them: the
	// kernel's table is in no order.
	maxRemotes = 4096

	stateSynSent  = 2
	stateTimeWait = 6
	stateClosing  = 11

	// connected are the states in which a socket keeps its local port from
	// being used towards the same remote address: all but closed and listening.
	connected = 1<<(stateClosing+1) - 1 - 1 - 1<<7 - 1<<stateListen
)

// network reads what concerns all connections together: those in TIME_WAIT, and
// whether local ports run out.
//
// A connection to one remote address and port needs a local port of its own,
// for a minute after its end too. They are counted only when half of them could
// be taken at all, because for that every socket has to be walked.
type network struct {
	sockstat, portRange kept
	next                time.Time
	used                *uint32
}

func newNetwork(proc string) network {
	return network{
		sockstat:  kept{path: proc + "/net/sockstat"},
		portRange: kept{path: proc + "/sys/net/ipv4/ip_local_port_range"},
	}
}

func (n *network) close() {
	n.sockstat.close()
	n.portRange.close()
}

func (n *network) read(ctx context.Context, now time.Time, d *diag, t *portTable) error {
	t.network.timeWait, t.network.portsUsed, t.network.portsLimit = nil, nil, nil
	b, err := n.sockstat.read(1 << 10)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // not told here
	}
	if err != nil {
		return err
	}
	waiting, err := parseSockstat(b)
	if err != nil {
		return err
	}
	t.network.timeWait = &waiting
	b, err = n.portRange.read(64)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	first, last, err := parsePortRange(b)
	if err != nil {
		return err
	}
	limit := uint32(last-first) + 1
	if !t.known || t.made()+waiting < limit/2 {
		n.used, n.next = nil, now.Add(portsAfter)
		return nil
	}
	if !now.Before(n.next) {
		if err := n.count(ctx, now, d, t, first, last); err != nil {
			return err
		}
	}
	if n.used != nil {
		t.network.portsUsed, t.network.portsLimit = n.used, &limit
	}
	return nil
}

// count finds the remote address that most local ports are taken towards.
func (n *network) count(ctx context.Context, now time.Time, d *diag, t *portTable, first, last uint16) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	began := threadTime()
	type remote struct {
		addr [16]byte
		port uint16
	}
	remotes := make(map[remote]uint32)
	most := uint32(0)
	err := d.dump(connected, ctx.Err, func(s *diagSocket) {
		if s.sport < first || s.sport > last || t.index[s.sport] != 0 {
			return
		}
		to := remote{s.dst, s.dport}
		c, ok := remotes[to]
		if !ok && len(remotes) == maxRemotes {
			return
		}
		remotes[to] = c + 1
		most = max(most, c+1)
	})
	n.next = now.Add(max(portsEvery, atMost(dearestCompare, threadTime()-began)))
	n.used = nil
	if err != nil {
		return fmt.Errorf("count the local ports taken: %w", err)
	}
	n.used = &most
	return nil
}

// parseSockstat reads the number of sockets in TIME_WAIT:
// "TCP: inuse 5 orphan 0 tw 3 alloc 8 mem 1".
func parseSockstat(b []byte) (timeWait uint32, err error) {
	for len(b) > 0 {
		var line []byte
		line, b, _ = bytes.Cut(b, newline)
		line, ok := bytes.CutPrefix(line, []byte("TCP: "))
		if !ok {
			continue
		}
		for len(line) > 0 {
			var name []byte
			name, line = nextField(line)
			if string(name) != "tw" {
				continue
			}
			v, _, ok := cutNumber(line)
			if !ok || v > 1<<31 {
				return 0, errors.New("no number of sockets in TIME_WAIT in /proc/net/sockstat")
			}
			return uint32(v), nil
		}
	}
	return 0, errors.New("no sockets in TIME_WAIT in /proc/net/sockstat")
}

// parsePortRange reads "32768	60999".
func parsePortRange(b []byte) (first, last uint16, err error) {
	from, rest, ok := cutNumber(b)
	to, _, ok2 := cutNumber(rest)
	if !ok || !ok2 || from == 0 || to < from || to > 65535 {
		return 0, 0, fmt.Errorf("%.32q in ip_local_port_range is no range of ports", b)
	}
	return uint16(from), uint16(to), nil
}
