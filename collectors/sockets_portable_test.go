package collectors

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	gonet "github.com/shirou/gopsutil/v3/net"
)

func stat(family uint32, status string, pid int32, lip string, lport uint32, rip string, rport uint32) gonet.ConnectionStat {
	return gonet.ConnectionStat{
		Family: family, Status: status, Pid: pid,
		Laddr: gonet.Addr{IP: lip, Port: lport}, Raddr: gonet.Addr{IP: rip, Port: rport},
	}
}

// TestPortableTable reads what other systems say: lsof's stars, a socket shown
// once for each process that shares it, addresses with a zone, nonsense.
func TestPortableTable(t *testing.T) {
	const v4, v6 = syscall.AF_INET, syscall.AF_INET6
	me := int32(os.Getpid())
	calls := 0
	var failure error
	s := newTableSource(Config{countOwn: true}, new(ownConns))
	s.list = func(context.Context, string) ([]gonet.ConnectionStat, error) {
		calls++
		return []gonet.ConnectionStat{
			stat(v4, "LISTEN", me, "*", 80, "", 0),
			stat(v4, "LISTEN", 0, "*", 80, "", 0),
			stat(v6, "LISTEN", 0, "*", 443, "", 0),
			stat(v6, "LISTEN", 0, "fe80::1%lo0", 631, "", 0),
			stat(v4, "LISTEN", 0, "nonsense", 99, "", 0),
			stat(v4, "LISTEN", 0, "*", 0, "", 0),
			stat(v4, "LISTEN", 0, "*", 70000, "", 0),
			stat(v4, "ESTABLISHED", me, "10.0.0.1", 80, "10.0.0.2", 5000),
			stat(v6, "ESTABLISHED", me, "::ffff:10.0.0.1", 443, "::ffff:10.0.0.2", 5000),
			stat(v6, "ESTABLISHED", me, "fe80::1%lo0", 631, "fe80::2%lo0", 5000),
			stat(v4, "TIME_WAIT", 0, "10.0.0.1", 80, "10.0.0.2", 5001),
			stat(v4, "ESTABLISHED", me, "10.0.0.1", 50000, "10.0.0.2", 443),
		}, failure
	}
	table := new(portTable)
	now := time.Now()
	if fresh, err := s.read(t.Context(), now, table); !fresh || err != nil {
		t.Fatalf("fresh %v, %v", fresh, err)
	}
	got := counts(table)
	if diff := cmp.Diff([]string{"80 " + got[0][3:len(got[0])-2] + " 1", "443  1", "631  1"}, got); diff != "" || !strings.Contains(got[0], "collectors") {
		t.Errorf("%v (-want +got):\n%s", got, diff)
	}
	if table.established != 4 || table.served() != 3 {
		t.Errorf("established %d, served %d", table.established, table.served())
	}
	failure = errors.New("lsof: no")
	fresh, err := s.read(t.Context(), now.Add(time.Minute), table)
	if fresh || err == nil || table.known || calls != 2 {
		t.Errorf("failed: fresh %v, %v, known %v, %d calls", fresh, err, table.known, calls)
	}
}

// TestPortableTableIsPaced: a list that is dear is asked for seldom, and the
// last one stands meanwhile.
func TestPortableTableIsPaced(t *testing.T) {
	calls := 0
	s := newTableSource(Config{}, new(ownConns))
	s.list = func(context.Context, string) ([]gonet.ConnectionStat, error) {
		calls++
		return []gonet.ConnectionStat{stat(syscall.AF_INET, "LISTEN", 0, "127.0.0.1", 80, "", 0)}, nil
	}
	table := new(portTable)
	start := time.Now()
	for i := range 10 {
		now := start.Add(time.Duration(i) * time.Second)
		if fresh, err := s.read(t.Context(), now, table); !fresh || err != nil || len(table.ports) != 1 {
			t.Fatalf("second %d: fresh %v, %v, %v", i, fresh, err, counts(table))
		}
		if i == 0 {
			s.pace.counted(now, 80*time.Millisecond, true) // 4 s at 2% of a core
		}
	}
	if calls != 7 {
		t.Errorf("listed %d times in ten seconds, want at 0 and from 4 on", calls)
	}
}
