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
	runtime.LockOSThread()
	if onMainThread() {
		var other sync.WaitGroup
		other.Go(func() { OnThread(name, f) })
		other.Wait()
		runtime.UnlockOSThread()
		return
	}
	nameThread(name)
	f()
}
