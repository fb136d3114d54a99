package lessons

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"capmon/capacity"
	"capmon/demo/child"
	"capmon/demo/load"
)

const roleProgram = "lessons program"

// programOrder is what a child of that role is told.
type programOrder struct {
	Path string   // of the program to run
	Args []string // that it gets
	Dir  string   // that is removed afterwards
	Nice int
}

type programReport struct {
	Error string        `json:"error,omitempty"`
	PID   int           `json:"pid,omitempty"`
	Done  float64       `json:"done,omitempty"` // loops
	Time  time.Duration `json:"time,omitempty"`
	CPU   *float64      `json:"cpu,omitempty"` // core seconds
}

// serveProgram runs one program of another language and passes on what it
// counts, until its parent ends it or is no more; the program never stays.
func serveProgram(config []byte, in io.Reader, out io.Writer) error {
	var o programOrder
	if err := json.Unmarshal(config, &o); err != nil {
		return fmt.Errorf("lessons: %w", err)
	}
	defer os.RemoveAll(o.Dir)
	runtime.LockOSThread() // the kernel ends it with the thread that started it
	// When nobody reads any more, or the terminal hangs up, the parent ends too, and
	// standard input says so: then the program still has to be ended, and its
	// folder removed. The program itself gets these signals as ever.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE, syscall.SIGHUP)
	to := json.NewEncoder(out)
	tell := func(r programReport) { _ = to.Encode(r) }
	load.NameProcess("capmon lesson")
	if err := niceProcess(o.Nice); err != nil {
		tell(programReport{Error: err.Error()})
		return nil
	}
	cmd := exec.Command(o.Path, o.Args...)
	cmd.Stderr = os.Stderr
	dieWithParent(cmd)
	counts, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		tell(programReport{Error: err.Error()})
		return nil
	}
	began := time.Now()
	tell(programReport{PID: cmd.Process.Pid})
	_, end := child.Orders(in)
	over := make(chan struct{})
	go func() {
		defer close(over)
		eachLine(counts, func(line string) {
			if n, err := strconv.ParseFloat(line, 64); err == nil {
				r := programReport{PID: cmd.Process.Pid, Done: n, Time: time.Since(began)}
				if cpu, ok := cpuOf(r.PID); ok {
					r.CPU = &cpu
				}
				tell(r)
			}
		})
	}()
	select {
	case <-end:
		_ = cmd.Process.Kill() // it may have ended already
		<-over
		_ = cmd.Wait()
		return nil
	case <-over:
		if err := cmd.Wait(); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(o.Path), err)
		}
		return fmt.Errorf("%s ended, and nobody asked it to", filepath.Base(o.Path))
	}
}

// program is a process of another language at work.
type program struct {
	*child.Process
	latest atomic.Pointer[programReport]
	asked  atomic.Bool // to end
}

// programRun is a run of such processes.
type programRun struct {
	list  []*program
	began time.Time
	over  chan struct{}
	err   error // set before over is closed
}

var _ Run = (*programRun)(nil)

func (r *programRun) Read() Reading {
	out := Reading{Time: time.Since(r.began), Work: capacity.Known(0)}
	for _, p := range r.list {
		now := p.latest.Load()
		out.PIDs = append(out.PIDs, now.PID)
		if now.Time == 0 { // it has not said anything
			out.Work.OK = false
		}
		out.Work.V += now.Done
		if now.CPU != nil {
			out.CPU = append(out.CPU, *now.CPU)
		}
	}
	if len(out.CPU) < len(out.PIDs) {
		out.CPU = nil
	}
	return out
}

func (r *programRun) Over() <-chan struct{} { return r.over }
func (r *programRun) Err() error            { <-r.over; return r.err }

// beginPrograms runs the program of a shape in the language of the class.
func beginPrograms(ctx context.Context, s Setting, what shape) (Run, error) {
	o, clean, err := build(ctx, s.Lang, what)
	if err != nil {
		return nil, err
	}
	o.Nice = s.Nice
	r := &programRun{over: make(chan struct{})}
	lost := make(chan error, what.processes)
	for range what.processes {
		p, err := startProgram(ctx, o, lost)
		if err != nil {
			r.end()
			clean()
			return nil, err
		}
		r.list = append(r.list, p)
	}
	r.began = time.Now()
	go func() {
		defer close(r.over)
		defer clean()
		defer r.end()
		last := time.NewTimer(s.Lasts)
		defer last.Stop()
		select {
		case <-ctx.Done():
		case <-last.C:
		case r.err = <-lost:
		}
	}()
	return r, nil
}

// end ends all processes, each with its program.
func (r *programRun) end() {
	for _, p := range r.list {
		p.asked.Store(true)
		p.Stop()
	}
}

func startProgram(ctx context.Context, o programOrder, lost chan<- error) (*program, error) {
	p := &program{}
	ready := make(chan programReport, 1)
	began, err := child.Begin(roleProgram, o, func(line []byte) {
		var r programReport
		if json.Unmarshal(line, &r) != nil {
			return
		}
		if p.latest.Swap(&r) == nil {
			ready <- r
		}
	})
	if err != nil {
		return nil, err
	}
	p.Process = began
	select {
	case r := <-ready:
		if r.Error != "" {
			p.Stop()
			return nil, errors.New(r.Error)
		}
	case <-p.Done:
		return nil, fmt.Errorf("%s ended before it began: %w", filepath.Base(o.Path), p.Unasked())
	case <-ctx.Done():
		p.Stop()
		return nil, context.Cause(ctx)
	}
	go func() {
		<-p.Done
		if !p.asked.Load() {
			lost <- fmt.Errorf("process %d: %w", p.PID(), p.Unasked())
		}
	}()
	return p, nil
}

// build makes a program of a shape ready to be run, in a folder of its own that
// clean removes.
func build(ctx context.Context, l Lang, what shape) (o programOrder, clean func(), err error) {
	name := "one"
	switch {
	case what.lock:
		name = "lock"
	case what.threads > 1:
		name = "threads"
	}
	dir, err := os.MkdirTemp("", "capmon-lesson-")
	if err != nil {
		return o, nil, fmt.Errorf("write the program: %w", err)
	}
	remove := func() { _ = os.RemoveAll(dir) } // a temporary folder
	defer func() {
		if err != nil {
			remove()
		}
	}()
	file := filepath.Join(dir, name+endings[l])
	if err := os.WriteFile(file, []byte(source(l, name)), 0o600); err != nil {
		return o, nil, fmt.Errorf("write the program: %w", err)
	}
	tool, err := exec.LookPath(l.needs())
	if err != nil {
		return o, nil, fmt.Errorf("%w: install %s, or begin without --lang %s", err, l.needs(), l)
	}
	workers := strconv.Itoa(what.threads)
	if l == Node {
		return programOrder{Path: tool, Args: []string{file, workers}, Dir: dir}, remove, nil
	}
	made := filepath.Join(dir, name)
	if runtime.GOOS == "windows" {
		made += ".exe"
	}
	cmd := exec.CommandContext(ctx, tool, "-O", "--edition", "2021", "-o", made, file)
	dieWithParent(cmd)
	runtime.LockOSThread() // the kernel ends it with the thread that started it
	defer runtime.UnlockOSThread()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return o, nil, fmt.Errorf("rustc: %w: %s", err, firstLine(out))
	}
	return programOrder{Path: made, Args: []string{workers}, Dir: dir}, remove, nil
}
