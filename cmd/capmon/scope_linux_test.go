package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func init() { programs["small-server"] = smallServer }

// smallServer serves at the address of its argument, and ends with its parent.
func smallServer() {
	l, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Fprintln(os.Stderr, "serving")
	_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }))
}

// Servers of one machine with the same port, each with an agent of its own, are
// a fleet; and an agent whose server ends says so and ends too.
func TestScopedAgentsAreAFleet(t *testing.T) {
	t.Parallel()
	port := freePorts(t, 1)[0]
	listen := freePorts(t, 2)
	var servers, agents []*program
	var list []string
	for i, at := range listen {
		cmd := alone(t, "small-server", fmt.Sprintf("127.0.0.%d:%d", 2+i, port))
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { in.Close() })
		server := start(t, cmd)
		server.waitFor("serving")
		for range 3 + i {
			c, err := net.Dial("tcp", cmd.Args[1])
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
		}
		agent := alone(t, "capmon", "agent", "--listen", fmt.Sprintf("127.0.0.1:%d", at))
		// What the command line says, a variable can say.
		agent.Env = append(agent.Env, fmt.Sprintf("CAPMON_SCOPE=pid:%d", cmd.Process.Pid), "CAPMON_CORES=1.5")
		a := start(t, agent)
		a.waitFor(fmt.Sprintf("scope=pid:%d", cmd.Process.Pid))
		servers, agents = append(servers, server), append(agents, a)
		list = append(list, fmt.Sprintf("127.0.0.1:%d", at))
	}
	var s snapshotJSON
	var said string
	until(t, "both to have counted", 20*time.Second, func() bool {
		var code int
		if s, said, code = snapshot(t, alone(t, "capmon", "snapshot", "--agents", strings.Join(list, ","))); code != exitOK {
			t.Fatalf("exit code %d, said %s", code, said)
		}
		for i, h := range s.Hosts {
			if len(h.Services) != 1 || h.Services[0].Connections == nil || *h.Services[0].Connections != float64(3+i) || h.CPU == nil {
				return false
			}
		}
		return len(s.Hosts) == 2
	})
	for i, h := range s.Hosts {
		v := h.Services[0]
		if want := fmt.Sprintf("pid:%d", servers[i].cmd.Process.Pid); h.Labels["scope"] != want || v.Port != port || v.Name != "small-server" || len(h.Cores) != 2 {
			t.Errorf("%+v, want port %d of small-server, two cells, scope %s", h, port, want)
		}
	}
	if c := s.Totals.Cores; c == nil || *c != 3 {
		t.Errorf("%v cores in all, want 3", c)
	}
	servers[0].signal(syscall.SIGKILL)
	<-agents[0].done
	want := fmt.Sprintf("capmon: process %d (small-server) has ended, and with it what this agent reads\n", servers[0].cmd.Process.Pid)
	if code := agents[0].cmd.ProcessState.ExitCode(); code != exitFailed || !strings.HasSuffix(agents[0].errs.String(), want) {
		t.Errorf("exit code %d, said %s, want 1 and %s", code, agents[0].errs, want)
	}
	s, _, _ = snapshot(t, alone(t, "capmon", "snapshot", "--agents", strings.Join(list, ",")))
	if s.Totals.HostsUp != 1 || s.Hosts[0].State != "down" || s.Hosts[1].State != "up" {
		t.Errorf("%+v, want the first down and the second up", s.Hosts)
	}
}
