package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestWhoBalancesForWhom: HAProxy on one host before nginx on two others. Each
// agent tells its addresses and who holds the connections of its services: those
// of nginx are HAProxy's host, those of HAProxy the host of the people.
func TestWhoBalancesForWhom(t *testing.T) {
	t.Parallel()
	need(t, "ip", "haproxy", "nginx", "wrk")
	l := newLAN(t, 3)
	const port = 8080
	for _, i := range []int{2, 3} {
		dir := t.TempDir()
		conf := strings.ReplaceAll(nginxConf(dir, port, port+1, "worker_processes 2;"), fmt.Sprintf("listen 127.0.0.1:%d;", port), fmt.Sprintf("listen %d;", port))
		file := filepath.Join(dir, "nginx.conf")
		if err := os.WriteFile(file, []byte(conf), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		start(t, l.command(i, "nginx", "-p", dir, "-c", file))
	}
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(file, fmt.Appendf(nil, `global
  maxconn 2000
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  http-reuse never
frontend in
  bind :%[1]d
  default_backend web
backend web
  server web2 %[2]s:%[1]d
  server web3 %[3]s:%[1]d
`, port, l.addr(2), l.addr(3)), 0o644); err != nil {
		t.Fatal(err)
	}
	start(t, l.command(1, "haproxy", "-db", "-f", file))
	url := fmt.Sprintf("http://%s/", net.JoinHostPort(l.addr(1), strconv.Itoa(port)))
	until(t, "nginx to answer through HAProxy", 10*time.Second, func() bool {
		return l.command(0, "wrk", "-t", "1", "-c", "1", "-d", "1s", url).Run() == nil
	})
	const people = 40
	load := start(t, l.command(0, "wrk", "-t", "1", "-c", strconv.Itoa(people), "-d", "2m", url))
	var list []string
	for i := 1; i <= 3; i++ {
		l.agent(i)
		list = append(list, l.addr(i))
	}
	var s snapshotJSON
	until(t, "every service to tell its peers", 15*time.Second, func() bool {
		var said string
		var code int
		if s, said, code = snapshot(t, l.command(0, "capmon", "snapshot", "--pool", "lb="+list[0], "--pool", "web="+strings.Join(list[1:], ","))); code != exitOK {
			t.Fatalf("snapshot: exit %d, %s", code, said)
		}
		return !slices.ContainsFunc(s.Hosts, func(h snapshotHost) bool { return len(h.peersAt(port)) == 0 })
	})
	if e := s.Totals.Edge; e == nil || *e != "lb" || s.Totals.EdgeFrom == nil || !strings.Contains(*s.Totals.EdgeFrom, "of the connections of web") {
		t.Errorf("the edge is %v, %v", e, s.Totals.EdgeFrom)
	}
	if len(s.Pools) != 2 || s.Pools[0].Users == nil || s.Totals.Users == nil || *s.Totals.Users != *s.Pools[0].Users || s.Pools[1].Hosts != 2 || s.Pools[1].Need == nil {
		t.Errorf("pools %+v, %v users", s.Pools, s.Totals.Users)
	}
	for i, want := range []string{l.addr(0), l.addr(1), l.addr(1)} {
		h := s.Hosts[i]
		if pool := []string{"lb", "web", "web"}[i]; h.Pool != pool {
			t.Errorf("%s is of pool %q, want %s", h.Name, h.Pool, pool)
		}
		var all, held int
		for _, p := range h.peersAt(port) {
			all += p.Connections
			if p.Address == want {
				held += p.Connections
			}
		}
		t.Logf("%s: %v", h.Name, h.peersAt(port))
		if held < people/4 || 100*held < 80*all {
			t.Errorf("%s: %d of %d connections are %s's: %v", h.Name, held, all, want, h.peersAt(port))
		}
	}
	select {
	case <-load.done:
		t.Error("the load ended before the last look")
	default:
	}
}
