package load

// Do does the work of n loops on the calling thread: for servers whose requests
// cost real work.
func Do(n int) {
	var x uint64
	for range n {
		x = loop(x)
	}
	result.Store(x)
}

// NameThread gives the calling thread the name that top and capmon show, where
// the system has such names (Linux). The first thread of a process names it.
func NameThread(name string) { nameThread(name) }
