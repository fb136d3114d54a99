package load

import (
	"runtime"
	"sync"
)

// Do does the work of n loops on the calling thread: for servers whose requests
// cost real work.
func Do(n int) {
	var x uint64
	for range n {
		x = loop(x)
	}
	result.Store(x)
}

// OnThread runs f on a thread of its own that top and capmon show by that name,
// where the system has such names (Linux). It is never the first of the process,
// whose name is that of the process. The thread ends with the goroutine that
// called it.
func OnThread(name string, f func()) {
	onOwnThread(func() {
		nameThread(name)
		f()
	})
}

// onOwnThread runs f on a thread that is not the first and never unlocked: one
// that was named, niced and pinned ends with its goroutine instead of serving
// others.
func onOwnThread(f func()) {
	runtime.LockOSThread()
	if onMainThread() {
		// It can't end, and its name is the process's: it waits for another.
		var other sync.WaitGroup
		other.Go(func() { onOwnThread(f) })
		other.Wait()
		runtime.UnlockOSThread()
		return
	}
	f()
}
