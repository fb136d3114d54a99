package lessons

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"capmon/capacity"
	"capmon/demo/child"
	"capmon/demo/load"
)

// Main does the work of a child process of a lesson, where this process is one,
// and reports whether it was. A program that holds a class calls it, and
// load.Main, before anything else.
func Main() bool {
	return child.Main(map[string]child.Role{rolePort: servePort, roleProgram: serveProgram})
}

// begin starts the run of a step in the language of the class. Each process is
// one of its own, so that none of them is the one that shows it.
func begin(ctx context.Context, s Setting, what shape) (Run, error) {
	if s.Lang != Go {
		return beginPrograms(ctx, s, what)
	}
	spec := load.Spec{Processes: what.processes, Threads: what.threads, Duty: 1, For: s.Lasts, Nice: s.Nice}
	if what.lock {
		spec.Lock = load.Spin
	}
	r, err := load.Start(ctx, spec)
	if err != nil {
		return nil, err
	}
	return &loops{run: r}, nil
}

// shape is what a run is made of.
type shape struct {
	processes, threads int
	lock               bool
}

// loops is a run of busy loops of ours.
type loops struct{ run *load.Run }

var _ Run = (*loops)(nil)

func (l *loops) Read() Reading {
	now := l.run.Read()
	r := Reading{Work: capacity.Known(float64(now.Loops())), Time: now.Time()}
	for _, p := range now.Processes() {
		var cpu time.Duration
		for _, w := range p.Workers {
			cpu += w.CPU
		}
		r.PIDs, r.CPU = append(r.PIDs, p.Workers[0].PID), append(r.CPU, cpu.Seconds())
	}
	return r
}

func (l *loops) Over() <-chan struct{} { return l.run.Over() }

func (l *loops) Err() error {
	_, err := l.run.Wait()
	return err
}

// withPort is a run whose processes first all want the same port.
type withPort struct {
	Run
	said []string
}

func (p withPort) Read() Reading {
	r := p.Run.Read()
	r.Said = p.said
	return r
}

const rolePort = "lessons port"

// portOrder is what a child of that role is told: where to listen, and whether
// it says that others may too (SO_REUSEPORT).
type portOrder struct {
	Addr  string
	Share bool
}

type portReport struct {
	Addr  string `json:"addr,omitempty"`
	Error string `json:"error,omitempty"`
}

// servePort listens until its parent ends it or is no more.
func servePort(config []byte, in io.Reader, out io.Writer) error {
	var o portOrder
	if err := json.Unmarshal(config, &o); err != nil {
		return fmt.Errorf("lessons: %w", err)
	}
	_, end := child.Orders(in)
	say := child.NewTeller(out)
	l, err := listen(o)
	if err != nil {
		say.Tell(portReport{Error: err.Error()})
	} else {
		defer l.Close()
		say.Tell(portReport{Addr: l.Addr().String()})
	}
	<-end
	return nil
}

// listener is a process that listens, or could not.
type listener struct {
	*child.Process
	portReport
}

func startListener(ctx context.Context, o portOrder) (*listener, error) {
	told := make(chan portReport, 1)
	p, err := child.Begin(rolePort, o, func(line []byte) {
		var r portReport
		if json.Unmarshal(line, &r) == nil && len(told) == 0 {
			told <- r
		}
	})
	if err != nil {
		return nil, err
	}
	l := &listener{Process: p}
	select {
	case l.portReport = <-told:
		return l, nil
	case <-p.Done:
		err = p.Err
		if err == nil {
			err = fmt.Errorf("it said nothing")
		}
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	p.Stop()
	return nil, err
}

// clash has two processes ask for one port, as the second `node index.js` does,
// and then both say that they share it. It tells what happened, a line each.
func clash(ctx context.Context) []string {
	first, err := startListener(ctx, portOrder{Addr: "127.0.0.1:0"})
	if err != nil {
		return []string{"? two processes that want one port could not be tried: " + err.Error()}
	}
	defer first.Stop()
	if first.Error != "" {
		return []string{"? nobody may listen here: " + first.Error}
	}
	said := []string{fmt.Sprintf("process %d listens on %s", first.PID(), first.Addr)}
	second, err := startListener(ctx, portOrder{Addr: first.Addr})
	if err != nil {
		return append(said, "? the second could not be tried: "+err.Error())
	}
	defer second.Stop()
	if second.Error == "" {
		return append(said, fmt.Sprintf("process %d listens there too: this system lets it", second.PID()))
	}
	said = append(said, fmt.Sprintf("process %d wants it too: %s", second.PID(), strings.TrimPrefix(second.Error, "listen tcp "+first.Addr+": ")))
	const handOn = "way out: one listens and hands connections on (Node's cluster)"
	if canShare != "" {
		return append(said, handOn, canShare)
	}
	third, err := startListener(ctx, portOrder{Addr: "127.0.0.1:0", Share: true})
	if err != nil {
		return append(said, handOn)
	}
	defer third.Stop()
	fourth, err := startListener(ctx, portOrder{Addr: third.Addr, Share: true})
	if err != nil {
		return append(said, handOn)
	}
	defer fourth.Stop()
	if third.Error != "" || fourth.Error != "" {
		return append(said, handOn)
	}
	return append(said, handOn, fmt.Sprintf("or SO_REUSEPORT: with it %d and %d share %s", third.PID(), fourth.PID(), third.Addr))
}
