package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"capmon/agents"
	"capmon/demo"
	"capmon/fleet"
)

func newDemo() *cobra.Command {
	var class classFlags
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "The classroom: one thread, many processes, many threads on this machine",
		Long: "Five lessons on the cores of this machine: one busy loop; several processes, and the\n" +
			"port they all want; one process with several threads, then with one lock; users before\n" +
			"three kinds of server; a group of servers that follows the load. Each asks what will\n" +
			"happen, runs it, and shows what was measured and what that means.\n\n" +
			"A run is nice 10, ends by itself after a minute (a story after four), and with this\n" +
			"screen, whatever ends that. Nothing else of this machine is touched.",
		Example: "  capmon demo                            the classroom: enter goes on, a to d run\n" +
			"  capmon demo --lang node                with programs in Node.js\n" +
			"  capmon demo --headless --for 10s       run A to D and print the table\n" +
			"  capmon demo chess                      a story with 88,420 connections\n" +
			"  capmon demo payments                   a story with a spike of requests",
		Args: onlyFlags,
		RunE: class.run,
	}
	class.add(cmd)
	cmd.AddCommand(newDemoFleet(), newDemoChess(), newDemoPayments(), newDemoUsers())
	return cmd
}

func newDemoFleet() *cobra.Command {
	var (
		view   viewFlags
		screen screenFlags
		config demo.FleetConfig
	)
	cmd := &cobra.Command{
		Use:   "fleet",
		Short: "A simulated fleet on the real screens; SIMULATED stands in the header",
		Args:  onlyFlags,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := settle(cmd); err != nil {
				return err
			}
			f, err := demo.NewFleet(config)
			if err != nil {
				return usageError{err}
			}
			policy, err := demoPolicy(cmd, &view, f.Policy())
			if err != nil {
				return err
			}
			return showDemoFleet(cmd, f, policy, &screen)
		},
	}
	cmd.Flags().IntVar(&config.Hosts, "hosts", 9, "how many hosts, 1 to 1000")
	cmd.Flags().IntVar(&config.Cores, "cores", 8, "cores of each host, 1 to 1024")
	onlyOnCommandLine(cmd, "cores") // in a file they are those of a scope
	cmd.Flags().Uint64Var(&config.Seed, "seed", 1, "the same seed gives the same fleet")
	view.addPolicy(cmd)
	screen.add(cmd)
	return cmd
}

// demoPolicy is the policy that suits the simulated fleet, with what the user
// says in its place.
func demoPolicy(cmd *cobra.Command, view *viewFlags, suits fleet.Policy) (fleet.Policy, error) {
	config, err := view.fleet(cmd.Flags().Changed)
	if err != nil {
		return fleet.Policy{}, err
	}
	named := config.Policy
	for name, take := range map[string]func(){
		"target":         func() { suits.Target = named.Target },
		"spare":          func() { suits.Spare = named.Spare },
		"per-server":     func() { suits.PerServer = named.PerServer },
		"rps-per-server": func() { suits.RPSPerServer = named.RPSPerServer },
		"min":            func() { suits.Min = named.Min },
		"max":            func() { suits.Max = named.Max },
		"warm-up":        func() { suits.WarmUp = named.WarmUp },
		"think":          func() { suits.Think = named.Think },
		"price":          func() { suits.Price = named.Price },
		"slo":            func() { suits.SLO = named.SLO },
		"sla":            func() { suits.SLA = named.SLA },
		"availability":   func() { suits.Availability = named.Availability },
		"zone":           func() { suits.Zone = named.Zone },
		"pace-up":        func() { suits.Up = named.Up },
		"pace-down":      func() { suits.Down = named.Down },
	} {
		if cmd.Flags().Changed(name) {
			take()
		}
	}
	return suits, nil
}

// pastTime is how much of the past a simulated host remembers when it begins,
// as an agent does that has run for a while.
const pastTime = 15 * time.Minute

// pointsTime is how much of it before that is known by ten seconds.
const pointsTime = time.Hour

// wholePast is up to how many hosts remember all of that. Beyond, they share
// what these would: to make up the past of 1,000 took most of a minute.
const wholePast = 200

// remembered is what each of so many hosts knows of the past.
func remembered(hosts int) (past, points time.Duration) {
	part := float64(wholePast) / float64(max(hosts, wholePast))
	return time.Duration(part * float64(pastTime)), time.Duration(part * float64(pointsTime))
}

// showDemoFleet runs each simulated host as an agent in this process, so that
// its samples take the road of real ones. To make up their past takes a while:
// each is there when it is done.
func showDemoFleet(cmd *cobra.Command, f *demo.Fleet, policy fleet.Policy, screen *screenFlags) error {
	log, closeLog, err := openLog(screen.log, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer closeLog()
	past, points := remembered(f.Hosts())
	in := newScreenFeed(fleet.Config{Policy: policy})
	for i := range f.Hosts() {
		in.Join(f.Machine(i).GetHostname(), "", "")
	}
	if !cmd.Flags().Changed("events") {
		screen.alerts.events = "off" // what is made up did not happen
	}
	return screen.show(cmd.Context(), in, fmt.Sprintf("%d simulated hosts", f.Hosts()), "", func(ctx context.Context, ready func(*agents.Viewer)) error {
		v := agents.NewViewer(agents.ViewerOptions{Sink: in, Log: log})
		ready(v)
		var failed error
		err := runLocal(ctx, v, func(yield func(string, *agents.Agent) bool) {
			for i := range f.Hosts() {
				m := f.Machine(i)
				labels := map[string]string{}
				for _, l := range m.GetLabels() {
					labels[l.GetKey()] = l.GetValue()
				}
				a, err := agents.New(agents.Config{
					Source: f.Source(i), Interval: time.Second, Labels: labels, Hostname: m.GetHostname(),
					Version: version(), Simulated: true, Topology: m.GetTopology(), Log: log,
				})
				if err != nil {
					failed = fmt.Errorf("simulated host %s: %w", m.GetHostname(), err)
					return
				}
				now := time.Now()
				in.Points(m.GetHostname(), 0, f.Points(i, now.Add(-past), int(points/(10*time.Second))))
				a.Remember(f.Past(i, now, int(past/time.Second)))
				if ctx.Err() != nil || !yield(m.GetHostname(), a) {
					return
				}
			}
		})
		return errors.Join(failed, err)
	})
}
