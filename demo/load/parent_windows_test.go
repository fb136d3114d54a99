package load

// parent is for systems with signals.
func parent() {}
