package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"capmon/record"
	"capmon/ui"
)

// keeper begins and ends the recording that a dashboard makes on request.
type keeper struct {
	in            *feed
	what, warning string
	wish          chan string // newest wish; holds one

	mu      sync.Mutex
	shown   *ui.Recording
	writing *record.Writer
}

func newKeeper(in *feed, what, warning string) *keeper {
	return &keeper{in: in, what: what, warning: warning, wish: make(chan string, 1)}
}

// ask wants a recording into a file, or with "" none. It does not block.
func (k *keeper) ask(path string) {
	select {
	case <-k.wish:
	default:
	}
	k.wish <- path
}

// state is what the screen says of it; nil: nothing.
func (k *keeper) state() *ui.Recording {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.writing != nil {
		s := k.writing.Summary()
		return &ui.Recording{Path: s.Path, Bytes: s.Bytes}
	}
	return k.shown
}

// run does what was asked for until ctx ends.
func (k *keeper) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case path := <-k.wish:
			k.end()
			if path != "" {
				k.begin(ctx, path)
			}
			wake(k.in.asked) // a frame that says so
		}
	}
}

func (k *keeper) begin(ctx context.Context, path string) {
	w, err := k.create(path)
	if err != nil {
		k.say(path, err)
		return
	}
	k.in.tape.begin(w, k.in.fleet)
	k.mu.Lock()
	k.writing, k.shown = w, nil
	k.mu.Unlock()
	go func() {
		keepFlushing(ctx, w)
		if ctx.Err() == nil { // the disk, or the bound
			k.end()
			wake(k.in.asked)
		}
	}()
}

func (k *keeper) create(path string) (*record.Writer, error) {
	say, err := about(k.in.fleet.Config(), k.what, k.warning)
	if err != nil {
		return nil, err
	}
	w, err := record.Create(path, say, 0, false)
	if errors.Is(err, fs.ErrExist) {
		return nil, errors.New(path + " exists: name another file")
	}
	return w, err
}

// end closes the recording, if there is one, and keeps what it came to.
func (k *keeper) end() {
	k.mu.Lock()
	writing := k.writing != nil
	k.writing = nil
	k.mu.Unlock()
	if !writing {
		return
	}
	sum, err := k.in.tape.end()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.shown = &ui.Recording{Path: sum.Path, Bytes: sum.Bytes, Ended: summaryText(sum)}
	if err != nil {
		k.shown.Ended = "recording ended: " + err.Error()
	}
}

// close ends the recording that still goes on, and says on w what it came to.
func (k *keeper) close(w io.Writer) {
	k.mu.Lock()
	writing := k.writing != nil
	k.mu.Unlock()
	if k.end(); writing {
		fmt.Fprintln(w, k.state().Ended)
	}
}

// say tells why none began.
func (k *keeper) say(path string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.shown = &ui.Recording{Path: path, Ended: "not recording: " + err.Error()}
}
