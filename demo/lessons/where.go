package lessons

// seenThread is a thread of a run that was seen on a core.
type seenThread struct {
	pid, tid, number, core int
}
