package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"capmon/agents"
	"capmon/demo"
)

func init() { programs["capmon-hosts"] = hostsMain }

// hostsMain is `capmon-hosts HOSTS CORES PORT SECONDS`: that many simulated
// hosts, each a real agent on a port of its own of the loopback, from PORT up,
// with so many seconds behind it, until it is told to end. They are in a process
// of their own so that a viewer's cost is the viewer's alone.
func hostsMain() {
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, "capmon-hosts:", err)
			os.Exit(exitFailed)
		}
	}
	var n [4]int
	for i := range n {
		v, err := strconv.Atoi(os.Args[1+i])
		fail(err)
		n[i] = v
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	f, err := demo.NewFleet(demo.FleetConfig{Hosts: n[0], Cores: n[1], Seed: 1})
	fail(err)
	group, ctx := errgroup.WithContext(ctx)
	for i := range f.Hosts() {
		a, err := agents.New(agents.Config{
			Source: f.Source(i), Interval: time.Second, Hostname: f.Machine(i).GetHostname(), Version: version(), Simulated: true,
		})
		fail(err)
		a.Remember(f.Past(i, time.Now(), n[3]))
		lis, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(n[2]+i)))
		fail(err)
		group.Go(func() error { return a.Run(ctx) })
		group.Go(func() error { return agents.Serve(ctx, lis, a, agents.Plain(), nil) })
	}
	fmt.Println("ready")
	if err := group.Wait(); ctx.Err() == nil {
		fail(err)
	}
}

// BenchmarkManyHosts: what a viewer of 50 and of 1,000 hosts of 64 cores costs,
// whole process, with the streams of their agents, which run in another; and
// while a key is held that goes from host to host.
func BenchmarkManyHosts(b *testing.B) {
	program := build(b)
	for _, c := range []struct {
		hosts, past int
		keys        string
	}{{50, 900, ""}, {1000, 60, ""}, {1000, 60, "j"}} {
		const port = 21000
		others := exec.Command("capmon-hosts", strconv.Itoa(c.hosts), "64", strconv.Itoa(port), strconv.Itoa(c.past))
		others.Stderr = os.Stderr
		ready, err := others.StdoutPipe()
		if err != nil {
			b.Fatal(err)
		}
		if err := others.Start(); err != nil {
			b.Fatal(err)
		}
		if line, err := bufio.NewReader(ready).ReadString('\n'); err != nil {
			b.Fatalf("capmon-hosts said %q: %v", line, err)
		}
		var list []string
		for i := range c.hosts {
			list = append(list, "127.0.0.1:"+strconv.Itoa(port+i))
		}
		name := fmt.Sprintf("capmon-%d-hosts", c.hosts)
		if c.keys != "" {
			name += "-key-held"
		}
		viewer := bench(name, program, "--agents", strings.Join(list, ","))
		viewer.keys = c.keys
		viewer.cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+b.TempDir())
		race(b, 120, 40, []*contender{viewer})
		_ = others.Process.Signal(syscall.SIGTERM)
		_ = others.Wait()
	}
}
