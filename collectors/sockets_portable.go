package collectors

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/shirou/gopsutil/v3/net"
	"github.com/shirou/gopsutil/v3/process"

	"capmon/sample"
)

// tableSource lists sockets through gopsutil, which reads the system's whole
// table (macOS: runs lsof) and is counted at the pace that allows.
type tableSource struct {
	own  *ownConns
	self int
	list func(context.Context, string) ([]net.ConnectionStat, error)

	pace  pace
	names map[int32]string
	err   error // of the last count that was due
}

func newTableSource(c Config, own *ownConns) *tableSource {
	return &tableSource{own: own, self: ownPID(c), list: net.ConnectionsWithContext}
}

func (s *tableSource) close() {}

func (s *tableSource) read(ctx context.Context, now time.Time, t *portTable) (bool, error) {
	if !s.pace.due(now, true) {
		return s.err == nil, s.err
	}
	t.network.source = sample.ConnectionSource_CONNECTION_SOURCE_PORTABLE
	began := time.Now()
	all, err := s.list(ctx, "tcp")
	if err != nil {
		s.err = fmt.Errorf("list the TCP sockets: %w", err)
		t.forget()
	} else {
		s.err = nil
		s.take(ctx, all, t)
	}
	s.pace.counted(now, time.Since(began), s.err == nil)
	return s.err == nil, s.err
}

// take fills the table from one list of all sockets.
func (s *tableSource) take(ctx context.Context, all []net.ConnectionStat, t *portTable) {
	var sockets []listenSocket
	for _, c := range all {
		if local, ok := addressOf(c.Laddr, c.Family); ok && c.Status == "LISTEN" {
			sockets = append(sockets, listenSocket{local: local, id: uint64(c.Pid)})
		}
	}
	sortSockets(sockets)
	// A process and its children each show the socket they share.
	sockets = slices.Compact(sockets)
	if t.ports == nil || !slices.Equal(sockets, t.sockets) {
		t.listen(sockets, s.owners(ctx, sockets))
	}
	t.beginWalk(s.own)
	for _, c := range all {
		local, ok := addressOf(c.Laddr, c.Family)
		remote, ok2 := addressOf(c.Raddr, c.Family)
		if ok && ok2 && c.Status == "ESTABLISHED" {
			t.add(local, remote)
		}
	}
	t.endPeers()
}

// owners names the process of each socket; 0 is one that may not be seen.
func (s *tableSource) owners(ctx context.Context, sockets []listenSocket) []owner {
	old := s.names
	s.names = make(map[int32]string, len(old))
	who := make([]owner, len(sockets))
	for i, l := range sockets {
		pid := int32(l.id)
		if pid <= 0 {
			continue
		}
		name, ok := s.names[pid]
		if !ok {
			if name, ok = old[pid]; !ok {
				name = portableName(ctx, pid)
			}
			s.names[pid] = name
		}
		who[i] = owner{name: name, root: int(pid), own: int(pid) == s.self}
	}
	return who
}

// portableName is the name of a process, or empty when it may not be seen.
func portableName(ctx context.Context, pid int32) string {
	p, err := process.NewProcessWithContext(ctx, pid)
	if err != nil {
		return ""
	}
	comm, err := p.NameWithContext(ctx)
	if err != nil {
		return ""
	}
	exe, err := p.ExeWithContext(ctx)
	if err != nil {
		exe = ""
	}
	return programName(comm, exe)
}

// addressOf reads an address as gopsutil writes it; lsof writes * for every
// address.
func addressOf(a net.Addr, family uint32) (netip.AddrPort, bool) {
	if a.Port == 0 || a.Port > 65535 {
		return netip.AddrPort{}, false
	}
	ip, err := netip.ParseAddr(a.IP)
	if err != nil {
		if a.IP != "*" && a.IP != "" {
			return netip.AddrPort{}, false
		}
		ip = netip.IPv6Unspecified()
		if family == syscall.AF_INET {
			ip = netip.IPv4Unspecified()
		}
	}
	return plain(netip.AddrPortFrom(ip, uint16(a.Port))), true
}
