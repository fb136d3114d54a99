package agents

import (
	"log/slog"
	"sync"
	"time"
)

// foldKeys bounds how many failures are told apart; further ones share a key.
const foldKeys = 256

// fold logs a failure that repeats once when it starts, once when it changes
// and once when it ends, with how often it was seen.
type fold struct {
	log        *slog.Logger
	start, fin string        // messages
	quiet      time.Duration // a failure not seen for so long has ended; 0: only end ends it

	mu     sync.Mutex
	open   map[string]*folded
	closed bool
}

type folded struct {
	reason string
	times  int
	timer  *time.Timer // nil when quiet is 0
}

func newFold(log *slog.Logger, start, fin string, quiet time.Duration) *fold {
	return &fold{log: log, start: start, fin: fin, quiet: quiet, open: make(map[string]*folded)}
}

// report says that key failed for reason; attrs are logged with it but do not
// make it another reason.
func (f *fold) report(key, reason string, attrs ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	o := f.open[key]
	if o == nil && len(f.open) >= foldKeys {
		key = "others"
		o = f.open[key]
	}
	switch {
	case o == nil:
		o = &folded{}
		f.open[key] = o
		if f.quiet > 0 {
			o.timer = time.AfterFunc(f.quiet, func() { f.end(key) })
		}
	case o.reason == reason || key == "others":
		o.times++
		if o.timer != nil {
			o.timer.Reset(f.quiet)
		}
		return
	default:
		attrs = append(attrs, "before", o.reason, "times", o.times)
	}
	o.reason, o.times = reason, 1
	f.log.Warn(f.start, append([]any{"who", key, "reason", reason}, attrs...)...)
}

// end says that key no longer fails. Nothing happens when it never did.
func (f *fold) end(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.finish(key)
}

// forget drops key without a word: nobody asks any more whether it fails.
func (f *fold) forget(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if o := f.open[key]; o != nil && o.timer != nil {
		o.timer.Stop()
	}
	delete(f.open, key)
}

func (f *fold) finish(key string) {
	o := f.open[key]
	if o == nil {
		return
	}
	delete(f.open, key)
	if o.timer != nil {
		o.timer.Stop()
	}
	f.log.Info(f.fin, "who", key, "was", o.reason, "times", o.times)
}

// close ends every failure that was seen more than once and forgets the others,
// which the log has in full.
func (f *fold) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for key, o := range f.open {
		if o.times > 1 {
			f.finish(key)
		} else if o.timer != nil {
			o.timer.Stop()
		}
	}
	clear(f.open)
}
