package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"capmon/alerts"
	"capmon/ui"
)

// An eventFile keeps events beside the screen: who gives it some never waits for
// a disk. What could not be written waits in memory and is tried again. It looks
// every few seconds whether another viewer has added to the file.
type eventFile struct {
	path  string
	open  func(path string, now time.Time) (eventLog, []alerts.Event, error)
	heard func([]alerts.Event) // events that are in the file, once each; never in two goroutines at once

	mu      sync.Mutex
	waiting []alerts.Event // to be written, oldest first
	lost    int            // for which there was no room to wait
	trouble string         // why they wait; "": they don't

	wake chan struct{} // cap 1: there is something to write
	stop chan struct{}
	done chan struct{}

	log eventLog  // of round alone; nil: not opened yet
	due time.Time // when to try again
}

// eventLog is the file.
type eventLog interface {
	Append(...alerts.Event) (int, error)
	News() ([]alerts.Event, error)
	Close() error
}

var _ eventLog = (*alerts.Log)(nil)

func openEvents(path string, now time.Time) (eventLog, []alerts.Event, error) {
	l, past, err := alerts.Open(path, now)
	if err != nil {
		return nil, nil, err
	}
	return l, past, nil
}

const (
	lookEvery    = 2 * time.Second // for what others add
	retryEvery   = 5 * time.Second
	maxWaiting   = 10_000          // events
	leaveWithout = 2 * time.Second // for the last of them, when the screen is left
)

func newEventFile(path string, heard func([]alerts.Event)) *eventFile {
	return &eventFile{
		path: path, open: openEvents, heard: heard,
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
}

// run keeps until close is called.
func (f *eventFile) run() {
	defer close(f.done)
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		f.round(time.Now())
		select {
		case <-f.stop:
			f.due = time.Time{}
			f.round(time.Now())
			if f.log != nil {
				_ = f.log.Close()
			}
			return
		case <-f.wake:
		case <-look.C:
		}
	}
}

// round writes what waits and reads what others added.
func (f *eventFile) round(now time.Time) {
	if now.Before(f.due) {
		return
	}
	if f.log == nil {
		log, past, err := f.open(f.path, now)
		if err != nil {
			f.fails(now, err)
			return
		}
		f.log = log
		f.heard(past)
	}
	if err := f.write(); err != nil {
		f.fails(now, err)
		return
	}
	news, err := f.log.News()
	if err != nil {
		f.fails(now, err)
		return
	}
	f.mu.Lock()
	f.trouble = ""
	f.mu.Unlock()
	if len(news) > 0 {
		f.heard(news)
	}
}

// write writes what waits. The disk may take its time: more can be given
// meanwhile.
func (f *eventFile) write() error {
	f.mu.Lock()
	events := f.waiting
	f.waiting = nil
	f.mu.Unlock()
	if len(events) == 0 {
		return nil
	}
	n, err := f.log.Append(events...)
	if n < len(events) {
		f.mu.Lock()
		f.waiting = append(events[n:len(events):len(events)], f.waiting...)
		f.mu.Unlock()
	}
	return err
}

func (f *eventFile) fails(now time.Time, err error) {
	f.due = now.Add(retryEvery)
	f.mu.Lock()
	f.trouble = strings.TrimPrefix(oneLine(err), "keep events: ")
	f.mu.Unlock()
}

// keep takes events to be written. It does not block.
func (f *eventFile) keep(events []alerts.Event) {
	f.mu.Lock()
	f.waiting = append(f.waiting, events...)
	if over := len(f.waiting) - maxWaiting; over > 0 {
		f.waiting = append([]alerts.Event(nil), f.waiting[over:]...)
		f.lost += over
	}
	f.mu.Unlock()
	wake(f.wake)
}

// state is where events are kept, and what keeps them from it.
func (f *eventFile) state() ui.EventLog {
	f.mu.Lock()
	defer f.mu.Unlock()
	k := ui.EventLog{Path: atHome(f.path)}
	if f.trouble != "" {
		k.Trouble = f.trouble + ": tried again every " + retryEvery.String()
		if n := len(f.waiting); n > 0 {
			k.Trouble += ", " + strconv.Itoa(n) + " wait"
		}
	}
	if f.lost > 0 {
		k.Trouble = strings.TrimPrefix(k.Trouble+"; "+strconv.Itoa(f.lost)+" events are lost", "; ")
	}
	return k
}

// atHome is a path as a shell would take it, shorter.
func atHome(path string) string {
	home, err := os.UserHomeDir()
	if rest, in := strings.CutPrefix(path, home+string(filepath.Separator)); err == nil && in && home != "" && filepath.Separator == '/' {
		return "~/" + rest
	}
	return path
}

// close writes what waits, if that does not take long.
func (f *eventFile) close() {
	close(f.stop)
	select {
	case <-f.done:
	case <-time.After(leaveWithout):
	}
}
